// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "report.hpp"

#include <qfmt/version.hpp>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include <cmath>

#include "machine.hpp"

namespace engine {

namespace {

/// Two rows whose formats differ in the encoder alone.
struct EncoderPair {
  Row const& searched;
  Row const& nearest;

  Estimate loss() const { return difference(searched.score, nearest.score, &WindowSums::loss); }
  Estimate divergence() const {
    return difference(searched.score, nearest.score, &WindowSums::divergence);
  }
};

std::vector<EncoderPair> encoder_pairs(Report const& report) {
  std::vector<EncoderPair> pairs;
  for (Row const& a : report.rows)
    for (Row const& b : report.rows)
      if (a.format.min_error && a.format.text == b.format.text + "/min-error")
        pairs.push_back({a, b});
  return pairs;
}

std::string pairs_as_table(Report const& report) {
  auto const pairs = encoder_pairs(report);
  if (pairs.empty()) return "";
  std::string out = fmt::format(
      "\nMinError minus Nearest, paired over {} windows\n\n{:<20} {:>22} {:>17}\n",
      pairs[0].nearest.score.windows.size(), "format", "loss, 1e-4 bits/byte", "KL, 1e-4 nats");
  for (EncoderPair const& pair : pairs)
    out +=
        fmt::format("{:<20} {:>+14.2f} ±{:>6.2f} {:>+9.3f} ±{:>6.3f}\n", pair.nearest.format.text,
                    1e4 * report.bits(pair.loss().mean), 1e4 * report.bits(pair.loss().error),
                    1e4 * pair.divergence().mean, 1e4 * pair.divergence().error);
  return out;
}

}  // namespace

double Report::bits(double nats) const { return nats / std::log(2.0) / bytes_per_token; }

std::string as_table(Report const& report) {
  std::string out = fmt::format(
      "{}, {}, {} tokens predicted in windows of {}; {}, {}\n\n"
      "{:<20} {:<5} {:>7} {:>10} {:>15} {:>17} {:>9} {:>15} {:>9} {:>9} {:>6}\n",
      report.model, report.text, report.rows.empty() ? 0 : report.rows[0].score.tokens,
      report.window, machine(), today(), "format", "in", "bits/w", "bytes", "bits/byte",
      "increase, 1e-4", "% of ppl", "perplexity", "KL, 1e-4", "KL 99.9%", "top-1%");
  for (Row const& row : report.rows) {
    Score const& s = row.score;
    double const perplexity = std::exp(s.loss.mean);
    out += fmt::format(
        "{:<20} {:<5} {:>7.3f} {:>10} {:>7.4f} ±{:>6.4f} {:>9.2f} ±{:>6.2f} {:>9.3f} "
        "{:>7.4f} ±{:>6.4f} {:>9.3f} {:>9.4f} {:>6.2f}\n",
        row.format.text, name_of(row.format.compute), row.bits_per_weight, row.bytes,
        report.bits(s.loss.mean), report.bits(s.loss.error),
        1e4 * report.bits(s.loss_increase.mean), 1e4 * report.bits(s.loss_increase.error),
        100.0 * (std::exp(s.loss_increase.mean) - 1.0), perplexity, perplexity * s.loss.error,
        1e4 * s.divergence, s.divergence_999, 100.0 * s.same_top);
  }
  return out + pairs_as_table(report);
}

std::string as_json(Report const& report) {
  using Json = nlohmann::ordered_json;
  Json json{
      {"schema_version", 1},
      {"qfmt", fmt::format("{}.{}.{}", QFMT_VERSION_MAJOR, QFMT_VERSION_MINOR, QFMT_VERSION_PATCH)},
      {"date", today()},
      {"machine", machine()},
      {"model", report.model},
      {"text", report.text},
      {"window", report.window},
      {"bytes_per_token", report.bytes_per_token},
      {"rows", Json::array()}};
  for (Row const& row : report.rows) {
    Score const& s = row.score;
    double const perplexity = std::exp(s.loss.mean);
    json["rows"].push_back({{"format", row.format.text},
                            {"compute", name_of(row.format.compute)},
                            {"bits_per_weight", row.bits_per_weight},
                            {"weight_bytes", row.bytes},
                            {"tokens", s.tokens},
                            {"bits_per_byte", report.bits(s.loss.mean)},
                            {"bits_per_byte_error", report.bits(s.loss.error)},
                            {"increase", report.bits(s.loss_increase.mean)},
                            {"increase_error", report.bits(s.loss_increase.error)},
                            {"perplexity", perplexity},
                            {"perplexity_error", perplexity * s.loss.error},
                            {"perplexity_ratio", std::exp(s.loss_increase.mean)},
                            {"kl_mean", s.divergence},
                            {"kl_999", s.divergence_999},
                            {"same_top_1", s.same_top},
                            {"seconds", s.seconds}});
  }
  json["min_error_minus_nearest"] = Json::array();
  for (EncoderPair const& pair : encoder_pairs(report))
    json["min_error_minus_nearest"].push_back(
        {{"format", pair.nearest.format.text},
         {"windows", pair.nearest.score.windows.size()},
         {"bits_per_byte", report.bits(pair.loss().mean)},
         {"bits_per_byte_error", report.bits(pair.loss().error)},
         {"kl", pair.divergence().mean},
         {"kl_error", pair.divergence().error}});
  return json.dump(1) + "\n";
}

}  // namespace engine
