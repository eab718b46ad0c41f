// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include <fmt/core.h>

#include <algorithm>
#include <cmath>

#include "report.hpp"

namespace engine {

namespace {

constexpr double left = 80, top = 40, width = 620, height = 400;

/// The formats that one colour and line stand for.
struct Series {
  char const* name;
  char const* colour;
  bool (*holds)(FormatChoice const&);
};

bool is_weights(FormatChoice const& f, std::string_view format, bool nested) {
  return f.kind == FormatChoice::Kind::weights && f.scheme.format == format &&
         f.scheme.double_quant == nested && f.compute == Compute::fp32;
}

constexpr Series series[]{
    {"NF4", "#1b6ca8", [](FormatChoice const& f) { return is_weights(f, "nf4", false); }},
    {"NF4, double quantization", "#16a085",
     [](FormatChoice const& f) { return is_weights(f, "nf4", true); }},
    {"FP4", "#d35400", [](FormatChoice const& f) { return is_weights(f, "fp4", false); }},
    {"uniform INT4", "#8e44ad", [](FormatChoice const& f) { return is_weights(f, "int4", false); }},
};

struct Point {
  double bits, loss, error;
  std::string label;
};

std::vector<Point> points_of(Report const& report, Series const& s) {
  std::vector<Point> points;
  for (Row const& row : report.rows)
    if (s.holds(row.format))
      points.push_back({row.bits_per_weight, report.bits(row.score.loss_increase.mean),
                        report.bits(row.score.loss_increase.error),
                        std::to_string(row.format.scheme.block_size)});
  std::ranges::sort(points, {}, &Point::bits);
  return points;
}

/// From values to places on the page.
struct Scale {
  double x_low = 4.0, x_high = 5.25, y_low, y_high;

  double x(double bits) const { return left + (bits - x_low) / (x_high - x_low) * width; }
  double y(double loss) const { return top + (y_high - loss) / (y_high - y_low) * height; }
};

std::string text(double x, double y, char const* anchor, std::string const& words) {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>\n", x, y, anchor,
                     words);
}

std::string axes(Scale const& scale) {
  std::string out;
  for (int i = 0; i <= 5; ++i) {
    double const loss = scale.y_low + (scale.y_high - scale.y_low) * i / 5.0;
    double const bits = scale.x_low + (scale.x_high - scale.x_low) * i / 5.0;
    out += fmt::format(
        "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"#ddd\"/>\n", left,
        scale.y(loss), left + width, scale.y(loss));
    out += text(left - 8, scale.y(loss) + 4, "end", fmt::format("{:.4f}", loss));
    out += text(scale.x(bits), top + height + 18, "middle", fmt::format("{:.2f}", bits));
  }
  out += text(left + width / 2, top + height + 40, "middle",
              "bits per weight of the linear layers, scales included");
  return out + text(left - 70, top - 18, "start",
                    "increase of the loss over fp32, bits per byte (bars: one standard error)");
}

std::string draw(Series const& s, std::vector<Point> const& points, Scale const& scale) {
  std::string line, marks;
  for (Point const& p : points) {
    double const x = scale.x(p.bits), y = scale.y(p.loss);
    line += fmt::format("{:.1f},{:.1f} ", x, y);
    marks += fmt::format(
        "<line x1=\"{0:.1f}\" y1=\"{1:.1f}\" x2=\"{0:.1f}\" y2=\"{2:.1f}\" stroke=\"{3}\"/>\n"
        "<circle cx=\"{0:.1f}\" cy=\"{4:.1f}\" r=\"4\" fill=\"{3}\"/>\n",
        x, scale.y(p.loss - p.error), scale.y(p.loss + p.error), s.colour, y);
    marks += text(x + 7, y - 6, "start", p.label);
  }
  return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\"/>\n", line, s.colour) +
         marks;
}

}  // namespace

std::string as_svg(Report const& report) {
  Scale scale;
  double highest = 1e-4;
  for (Series const& s : series)
    for (Point const& p : points_of(report, s)) highest = std::max(highest, p.loss + p.error);
  double const step = std::pow(10.0, std::floor(std::log10(highest)));
  scale.y_low = 0.0;
  scale.y_high = std::ceil(highest / step * 2.0) / 2.0 * step;

  std::string out = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
      "viewBox=\"0 0 {0:.0f} {1:.0f}\" font-family=\"sans-serif\" font-size=\"12\">\n"
      "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
      left + width + 40, top + height + 60);
  out += axes(scale);
  double legend = top + 16;
  for (Series const& s : series) {
    auto const points = points_of(report, s);
    if (points.empty()) continue;
    out += draw(s, points, scale);
    out += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\" fill=\"{}\"/>\n",
                       left + width - 190, legend - 4, s.colour);
    out += text(left + width - 180, legend, "start", s.name);
    legend += 18;
  }
  return out + "</svg>\n";
}

}  // namespace engine
