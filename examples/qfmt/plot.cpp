// SPDX-FileCopyrightText: 2026 qfmt authors
// SPDX-License-Identifier: Apache-2.0
#include "plot.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "staging.hpp"

namespace app {
namespace {

constexpr double panel_width = 300, panel_height = 130, gap = 46, left = 30, top = 60, row = 210;

/// One bar of a histogram, over [low, high) of the horizontal axis.
struct Bar {
  double low, high;
  double height;  // a share
};

struct Axis {
  double low, high;
  std::vector<std::pair<double, std::string>> ticks;
};

/// The bins [first, last] outside of which lies less than one value in `part`.
std::pair<std::size_t, std::size_t> busy(std::span<std::int64_t const> bins, double part) {
  auto const total = static_cast<double>(std::accumulate(bins.begin(), bins.end(), std::int64_t{}));
  std::size_t first = 0, last = bins.size() - 1;
  for (double out = 0; first < last && out + static_cast<double>(bins[first]) <= total / part;)
    out += static_cast<double>(bins[first++]);
  for (double out = 0; last > first && out + static_cast<double>(bins[last]) <= total / part;)
    out += static_cast<double>(bins[last--]);
  return {first, last};
}

/// Neighbouring bins taken together so that at most `most` bars are left; bin i covers
/// [origin + i * width, ... + width).
std::vector<Bar> bars_of(std::span<std::int64_t const> bins, std::size_t first, std::size_t last,
                         double origin, double width, std::size_t most) {
  auto const total = static_cast<double>(std::accumulate(bins.begin(), bins.end(), std::int64_t{}));
  std::size_t const step = std::max<std::size_t>(1, (last - first + most) / most);
  std::vector<Bar> bars;
  for (std::size_t i = first; i <= last; i += step) {
    std::int64_t count = 0;
    for (std::size_t k = i; k < std::min(i + step, bins.size()); ++k) count += bins[k];
    double const low = origin + static_cast<double>(i) * width;
    bars.push_back({low, low + static_cast<double>(step) * width,
                    total == 0 ? 0 : static_cast<double>(count) / total});
  }
  return bars;
}

std::string escaped(std::string const& text) {
  std::string out;
  for (char const c : text) {
    if (c == '<' || c == '>' || c == '&' || c == '"') {
      out += fmt::format("&#{};", static_cast<int>(c));
    } else {
      out += c;
    }
  }
  return out;
}

std::string panel(double x, double y, std::string const& title, std::vector<Bar> const& bars,
                  Axis const& axis, char const* colour) {
  double most = 0;
  for (Bar const& bar : bars) most = std::max(most, bar.height);
  auto const at = [&](double value) {
    return x + (value - axis.low) / (axis.high - axis.low) * panel_width;
  };
  std::string svg = fmt::format("<text x='{:.1f}' y='{:.1f}'>{}</text>\n", x, y - 8, title);
  for (Bar const& bar : bars) {
    double const height = most > 0 ? bar.height / most * panel_height : 0;
    if (height <= 0) continue;
    double const width = at(bar.high) - at(bar.low);
    double const space = width > 6 ? 1.5 : 0;
    svg += fmt::format("<rect x='{:.2f}' y='{:.2f}' width='{:.2f}' height='{:.2f}' fill='{}'/>\n",
                       at(bar.low) + space / 2, y + panel_height - height,
                       std::max(0.4, width - space), height, colour);
  }
  svg += fmt::format(
      "<path d='M{0:.1f} {1:.1f}h{2:.1f}' stroke='#555' fill='none'/>\n"
      "<text x='{3:.1f}' y='{4:.1f}' class='small' text-anchor='end'>highest {5:.3g} %</text>\n",
      x, y + panel_height, panel_width, x + panel_width, y - 8, 100 * most);
  for (auto const& [value, text] : axis.ticks)
    svg += fmt::format(
        "<path d='M{0:.1f} {1:.1f}v4' stroke='#555'/><text x='{0:.1f}' y='{2:.1f}' class='small' "
        "text-anchor='middle'>{3}</text>\n",
        at(value), y + panel_height, y + panel_height + 16, text);
  return svg;
}

std::string error_panel(double x, double y, SchemeFigures const& f) {
  auto const [first, last] = busy(f.errors, 2000);
  constexpr double width = 4.0 / (SchemeFigures::error_bins - 1);
  auto const middle = static_cast<std::size_t>(SchemeFigures::error_bins / 2);
  std::size_t const reach = std::max<std::size_t>(
      8, std::max(first < middle ? middle - first : 0, last > middle ? last - middle : 0));
  double const edge = static_cast<double>(reach) * width;
  auto const bars =
      bars_of(f.errors, middle - std::min(reach, middle),
              std::min(middle + reach, f.errors.size() - 1), -2.0 - width / 2, width, 81);
  Axis axis{-edge, edge, {{0, "0"}}};
  for (double const t : {-0.75, 0.75})
    axis.ticks.push_back({t * edge, fmt::format("{:.2g}", t * edge)});
  return panel(x, y, "error / RMS of the weights", bars, axis, "#3465a4");
}

std::string code_panel(double x, double y, SchemeFigures const& f) {
  std::vector<Bar> bars;
  auto const total =
      static_cast<double>(std::accumulate(f.codes.begin(), f.codes.end(), std::int64_t{}));
  std::size_t const count = f.codes.size() <= 16 ? 16 : 256;
  for (std::size_t c = 0; c < f.codes.size(); ++c)
    bars.push_back({static_cast<double>(c), static_cast<double>(c) + 1,
                    total == 0 ? 0 : static_cast<double>(f.codes[c]) / total});
  Axis axis{0, static_cast<double>(count), {}};
  for (std::size_t c = 0; c < count; c += count / 8)
    axis.ticks.push_back({static_cast<double>(c) + 0.5, std::to_string(c)});
  return panel(x, y, "how often a code is used", bars, axis, "#4e9a06");
}

std::string scale_panel(double x, double y, SchemeFigures const& f) {
  auto const [first, last] = busy(f.scales, 5000);
  double const low = static_cast<double>(first) / 4 - 150;
  double const high = static_cast<double>(last + 1) / 4 - 150;
  double const room = std::max(1.0, 0.05 * (high - low));
  Axis axis{low - room, high + room, {}};
  int const step = std::max(1, static_cast<int>((high - low + 2 * room) / 6));
  for (int e = static_cast<int>(std::ceil(axis.low)); e <= axis.high; e += step)
    axis.ticks.push_back({e, fmt::format("2^{}", e)});
  return panel(x, y, "scales of blocks", bars_of(f.scales, first, last, -150, 0.25, 400), axis,
               "#c4a000");
}

}  // namespace

void SchemeFigures::add_errors(std::span<float const> original, std::span<float const> decoded) {
  double squares = 0.;
  std::int64_t finite = 0;
  for (float const x : original) {
    if (!std::isfinite(x)) continue;
    squares += double{x} * x;
    ++finite;
  }
  double const rms = finite == 0 ? 0. : std::sqrt(squares / static_cast<double>(finite));
  squared_value += squares;
  for (std::size_t i = 0; i < original.size(); ++i) {
    double const error = double{decoded[i]} - original[i];
    if (!std::isfinite(error)) {
      ++non_finite;
      continue;
    }
    squared_error += error * error;
    double const bin = (rms > 0 ? error / rms : 0) * ((error_bins - 1) / 4.0) + error_bins / 2;
    ++errors[static_cast<std::size_t>(std::clamp(std::nearbyint(bin), 0., error_bins - 1.))];
  }
}

void SchemeFigures::add(Usage const& usage) {
  codes.resize(std::max(codes.size(), usage.codes.size()));
  for (std::size_t c = 0; c < usage.codes.size(); ++c) codes[c] += usage.codes[c];
  for (float const scale : usage.scales) {
    double const size = std::fabs(double{scale});
    if (!(size > 0) || std::isinf(size)) continue;  // blocks of zeros have no place on the axis
    double const bin = (std::log2(size) + 150) * 4;
    ++scales[static_cast<std::size_t>(std::clamp(std::floor(bin), 0., scale_bins - 1.))];
  }
}

void write_plot(std::filesystem::path const& path,
                std::map<std::string, SchemeFigures> const& schemes) {
  double const width = left + 3 * (panel_width + gap);
  double const height = top + row * static_cast<double>(std::max<std::size_t>(1, schemes.size()));
  std::string svg = fmt::format(
      "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {0:.0f} {1:.0f}' width='{0:.0f}' "
      "height='{1:.0f}' font-family='sans-serif' font-size='13' fill='#222'>\n"
      "<style>.small{{font-size:10.5px;fill:#555}} "
      ".name{{font-size:16px;font-weight:bold}}</style>\n"
      "<rect width='100%' height='100%' fill='white'/>\n",
      width, height);
  double y = top;
  if (schemes.empty())
    svg += fmt::format("<text x='{}' y='{}'>no tensor is quantized</text>\n", left, y);
  for (auto const& [name, figures] : schemes) {
    double const error =
        figures.squared_value > 0 ? std::sqrt(figures.squared_error / figures.squared_value) : 0.;
    svg += fmt::format(
        "<text x='{:.0f}' y='{:.0f}' class='name'>{} <tspan font-weight='normal' "
        "font-size='13'>relative RMSE {:.4f}{}</tspan></text>\n",
        left, y - 32, escaped(name), error,
        figures.non_finite == 0
            ? std::string()
            : fmt::format("; {} errors are NaN or infinite and left out", figures.non_finite));
    svg += error_panel(left, y, figures);
    svg += code_panel(left + panel_width + gap, y, figures);
    svg += scale_panel(left + 2 * (panel_width + gap), y, figures);
    y += row;
  }
  svg += "</svg>\n";
  put_file(path, svg);
}

}  // namespace app
