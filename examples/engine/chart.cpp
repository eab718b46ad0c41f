// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <qfmt/format/fp4.hpp>
#include <qfmt/format/nf4.hpp>

#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "report.hpp"

namespace engine {

namespace {

constexpr double top = 60, width = 460, height = 360, panel_width = 570;
constexpr double lowest_bits = 4.0, highest_bits = 5.1;

/// The formats that one colour and line stand for.
struct Series {
  char const* name;
  char const* colour;
  std::string_view format;
  bool nested, searched;

  bool holds(FormatChoice const& f) const {
    return f.kind == FormatChoice::Kind::weights && f.compute == Compute::fp32 &&
           f.scheme.format == format && f.scheme.double_quant == nested && f.min_error == searched;
  }
};

constexpr Series all_series[]{
    {"NF4", "#1b6ca8", qfmt::NF4::name, false, false},
    {"NF4, double quantization", "#16a085", qfmt::NF4::name, true, false},
    {"NF4, least error", "#2c3e50", qfmt::NF4::name, false, true},
    {"NF4, double, least error", "#7f8c8d", qfmt::NF4::name, true, true},
    {"FP4", "#d35400", qfmt::FP4::name, false, false},
    {"uniform INT4", "#8e44ad", Int4::name, false, false},
};

struct Point {
  double bits, value, error;
  int block;
};

/// What one half of the chart shows of a score.
struct Measure {
  char const* title;
  double left;
  Point (*point)(Report const&, Row const&);
};

Point increase_of(Report const& report, Row const& row) {
  return {row.bits_per_weight, report.bits(row.score.loss_increase.mean),
          report.bits(row.score.loss_increase.error), row.format.scheme.block_size};
}

Point divergence_of(Report const& report, Row const& row) {
  return {row.bits_per_weight, report.bits(row.score.divergence), 0.0,
          row.format.scheme.block_size};
}

constexpr Measure measures[]{
    {"loss over fp32, bits per byte (bars: one standard error)", 70, increase_of},
    {"KL divergence from fp32, bits per byte", 70 + panel_width, divergence_of},
};

std::string text(double x, double y, char const* anchor, std::string const& words) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     words);
}

std::string line(double x1, double y1, double x2, double y2, char const* colour) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\"/>\n", x1, y1, x2,
      y2, colour);
}

class Panel {
 public:
  Panel(Report const& report, Measure const& measure) : report_(report), measure_(measure) {
    double most = 1e-6;
    for (Series const& s : all_series)
      for (Point const& p : points_of(s)) most = std::max(most, p.value + p.error);
    double const step = std::pow(10.0, std::floor(std::log10(most)));
    most_ = std::ceil(most / step * 2.0) / 2.0 * step;
  }

  std::string draw() const {
    std::string out = axes();
    for (Series const& s : all_series) out += draw(s);
    return out;
  }

 private:
  std::vector<Point> points_of(Series const& s) const {
    std::vector<Point> points;
    for (Row const& row : report_.rows)
      if (s.holds(row.format)) points.push_back(measure_.point(report_, row));
    std::ranges::sort(points, {}, &Point::bits);
    return points;
  }

  double x(double bits) const {
    return measure_.left + (bits - lowest_bits) / (highest_bits - lowest_bits) * width;
  }
  double y(double value) const { return top + (1.0 - value / most_) * height; }

  std::string axes() const {
    std::string out = text(measure_.left, top - 14, "start", measure_.title);
    for (int i = 0; i <= 5; ++i) {
      double const value = most_ * i / 5.0;
      out += line(measure_.left, y(value), measure_.left + width, y(value), "#ddd");
      out += text(measure_.left - 6, y(value) + 4, "end", fmt::format("{:.4f}", value));
    }
    for (double bits = lowest_bits; bits <= highest_bits; bits += 0.25)
      out += text(x(bits), top + height + 18, "middle", fmt::format("{:.2f}", bits));
    return out + text(measure_.left + width / 2, top + height + 38, "middle",
                      "bits per weight of the linear layers, scales included");
  }

  std::string draw(Series const& s) const {
    std::string path, marks;
    for (Point const& p : points_of(s)) {
      path += fmt::format("{:.1f},{:.1f} ", x(p.bits), y(p.value));
      if (p.error > 0.0)
        marks += line(x(p.bits), y(std::max(0.0, p.value - p.error)), x(p.bits),
                      y(p.value + p.error), s.colour);
      marks += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"/>\n", x(p.bits),
                           y(p.value), s.colour);
      marks += text(x(p.bits) + 6, y(p.value) - 6, "start", std::to_string(p.block));
    }
    if (path.empty()) return "";
    return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\"/>\n", path, s.colour) +
           marks;
  }

  Report const& report_;
  Measure const& measure_;
  double most_;
};

std::string legend() {
  std::string out;
  double x = 70;
  for (Series const& s : all_series) {
    out += fmt::format("<circle cx=\"{:.1f}\" cy=\"16\" r=\"4\" fill=\"{}\"/>\n", x, s.colour);
    out += text(x + 10, 20, "start", s.name);
    x += 185;
  }
  return out;
}

}  // namespace

std::string as_svg(Report const& report) {
  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      2 * panel_width + 60, top + height + 54);
  out += legend();
  for (Measure const& measure : measures) out += Panel(report, measure).draw();
  return out + "</svg>\n";
}

}  // namespace engine
