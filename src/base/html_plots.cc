#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <optional>

#include "base/check.h"
#include "base/html_report.h"

// The plots of HtmlReport. Units of a drawing are those of its viewBox, kWidth wide; on a phone it
// is drawn at about 0.55 of that and its letters are larger in these units (html_report.cc), which
// the margins leave room for.

namespace octavo {
namespace {

constexpr int kWidth = 640, kHeight = 280;
constexpr int kLeft = 84, kRight = 16, kTop = 12, kBottom = 56;
constexpr double kLogFrom = 40;  // ratio of the largest to the smallest value

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

// For ticks: 40k rather than 4e+04.
std::string short_number(double value) {
  const double size = std::abs(value);
  if (size >= 1e9 || size < 1e4) return number(value);
  if (size >= 1e6) return number(value / 1e6) + "M";
  return number(value / 1e3) + "k";
}

std::string place(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", value);
  return text;
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  bool empty() const { return low > high; }
};

Range range_of(const std::vector<HtmlReport::Series>& series) {
  Range range;
  for (const HtmlReport::Series& one : series) {
    for (const double value : one.values) range.add(value);
  }
  return range;
}

size_t longest(const std::vector<HtmlReport::Series>& series) {
  size_t count = 0;
  for (const HtmlReport::Series& one : series) count = std::max(count, one.values.size());
  return count;
}

// A value's height, from 0 at the top of the drawing.
class VerticalAxis {
 public:
  explicit VerticalAxis(Range range)
      : log_(range.low > 0 && range.high > kLogFrom * range.low),
        low_(log_ ? std::log10(range.low) : std::min(0.0, range.low)),
        high_(log_ ? std::log10(range.high) : std::max(range.high, 0.0)) {
    if (!log_) {
      step_ = nice_step(high_ - low_);
      high_ = low_ + step_ * std::ceil((high_ - low_) / step_ - 1e-9);
    } else {
      low_ = std::floor(low_), high_ = std::ceil(high_);
    }
    if (high_ <= low_) high_ = low_ + (log_ ? 1 : step_);
  }

  double y(double value) const {
    const double at = log_ ? std::log10(value) : value;
    return kTop + (high_ - at) / (high_ - low_) * (kHeight - kTop - kBottom);
  }

  std::vector<double> ticks() const {
    std::vector<double> ticks;
    const double step = log_ ? std::max(1.0, std::ceil((high_ - low_) / 5)) : step_;
    for (double at = low_; at <= high_ + step / 1e3; at += step)
      ticks.push_back(log_ ? std::pow(10, at) : at);
    return ticks;
  }

 private:
  // 1, 2 or 5 times a power of ten, for four or five ticks.
  static double nice_step(double span) {
    if (!(span > 0)) return 1;
    const double raw = span / 4, power = std::pow(10, std::floor(std::log10(raw)));
    for (const double factor : {1.0, 2.0, 5.0}) {
      if (factor * power >= raw) return factor * power;
    }
    return 10 * power;
  }

  bool log_;
  double low_, high_, step_ = 1;
};

std::string text_at(double x, double y, std::string_view anchor, std::string_view text) {
  return "<text x=\"" + place(x) + "\" y=\"" + place(y) + "\" text-anchor=\"" +
         std::string(anchor) + "\">" + escape_html(text) + "</text>";
}

std::string line(double x0, double y0, double x1, double y1) {
  return "<line class=\"axis\" x1=\"" + place(x0) + "\" y1=\"" + place(y0) + "\" x2=\"" +
         place(x1) + "\" y2=\"" + place(y1) + "\"/>";
}

std::string vertical_ticks(const VerticalAxis& axis) {
  std::string out;
  for (const double tick : axis.ticks()) {
    out += line(kLeft, axis.y(tick), kWidth - kRight, axis.y(tick));
    out += text_at(kLeft - 8, axis.y(tick) + 5, "end", short_number(tick)) + "\n";
  }
  return out;
}

// Whole numbers below columns that begin at kLeft; not more than fit.
std::string column_ticks(int64_t first, size_t count, double width, double y) {
  constexpr size_t kMost = 12;
  size_t step = 1;
  for (const size_t factor : {1, 2, 5, 10, 20, 50, 100, 200, 500}) {
    step = factor;
    if (count / step <= kMost) break;
  }
  std::string out;
  for (size_t i = 0; i < count; i += step)
    out += text_at(kLeft + (static_cast<double>(i) + 0.5) * width, y, "middle",
                   std::to_string(first + static_cast<int64_t>(i)));
  return out + "\n";
}

std::string series_class(size_t index) { return "s" + std::to_string(index); }

// The line itself with gaps where values are missing, and a mark with a tooltip at each value.
std::string draw_series(const HtmlReport::Lines& plot, size_t index, const VerticalAxis& axis,
                        double width) {
  const HtmlReport::Series& series = plot.series[index];
  std::string path, marks;
  bool pen_down = false;
  for (size_t i = 0; i < series.values.size(); ++i) {
    if (!std::isfinite(series.values[i])) {
      pen_down = false;
      continue;
    }
    const std::string x = place(kLeft + (static_cast<double>(i) + 0.5) * width),
                      y = place(axis.y(series.values[i]));
    path += (pen_down ? "L" : "M") + x + " " + y;
    pen_down = true;
    marks += "<circle class=\"" + series_class(index) + "\" cx=\"" + x + "\" cy=\"" + y +
             "\" r=\"4\"><title>" + escape_html(series.name) + ", " + escape_html(plot.x_label) +
             " " + std::to_string(plot.first_x + static_cast<int64_t>(i)) + ": " +
             number(series.values[i]) + "</title></circle>";
  }
  return "<path class=\"line " + series_class(index) + "\" d=\"" + path + "\"/>" + marks + "\n";
}

std::string legend_of(const std::vector<HtmlReport::Series>& series) {
  std::string out;
  if (series.size() < 2) return out;
  for (size_t i = 0; i < series.size(); ++i)
    out += "<span class=\"key k" + std::to_string(i) + "\">" + escape_html(series[i].name) +
           "</span> ";
  return out;
}

}  // namespace

void HtmlReport::lines(std::string_view caption, const Lines& plot) {
  OCTAVO_CHECK(plot.series.size() <= kMaxSeries);
  const Range range = range_of(plot.series);
  if (range.empty()) return;
  const VerticalAxis axis(range);
  const size_t count = longest(plot.series);
  const double width = static_cast<double>(kWidth - kLeft - kRight) / static_cast<double>(count);
  std::string content = vertical_ticks(axis);
  content += column_ticks(plot.first_x, count, width, kHeight - kBottom + 22);
  content += text_at((kLeft + kWidth - kRight) / 2.0, kHeight - 6, "middle",
                     plot.x_label + " — " + plot.y_label);
  for (size_t i = plot.series.size(); i-- > 0;) content += draw_series(plot, i, axis, width);
  figure(caption, legend_of(plot.series), kHeight, content);
}

void HtmlReport::histogram(std::string_view caption, const Histogram& plot) {
  if (plot.counts.empty()) return;
  const auto most = static_cast<double>(*std::ranges::max_element(plot.counts));
  const VerticalAxis axis(Range{.low = 0, .high = most});
  const auto bins = static_cast<double>(plot.counts.size());
  const double width = (kWidth - kLeft - kRight) / bins;
  const auto edge = [&](double bin) { return plot.low + (plot.high - plot.low) * bin / bins; };
  std::string content = vertical_ticks(axis);
  for (size_t i = 0; i < plot.counts.size(); ++i) {
    const auto bin = static_cast<double>(i);
    const double y = axis.y(static_cast<double>(plot.counts[i]));
    content += "<rect class=\"s0\" x=\"" + place(kLeft + bin * width + 0.5) + "\" y=\"" + place(y) +
               "\" width=\"" + place(std::max(1.0, width - 1)) + "\" height=\"" +
               place(axis.y(0) - y) + "\"><title>" + number(edge(bin)) + " to " +
               number(edge(bin + 1)) + ": " + std::to_string(plot.counts[i]) + "</title></rect>\n";
  }
  for (const double share : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    const std::string_view anchor = share == 0 ? "start" : share == 1 ? "end" : "middle";
    content += text_at(kLeft + share * (kWidth - kLeft - kRight), kHeight - kBottom + 22, anchor,
                       number(edge(share * bins)));
  }
  content += text_at((kLeft + kWidth - kRight) / 2.0, kHeight - 6, "middle", plot.x_label);
  figure(caption, "", kHeight, content);
}

void HtmlReport::grid(std::string_view caption, const Grid& plot) {
  constexpr int kRow = 34, kLabels = 200;
  const Range range = range_of(plot.rows);
  if (range.empty()) return;
  const size_t count = longest(plot.rows);
  const double width = static_cast<double>(kWidth - kLabels) / static_cast<double>(count);
  std::string content;
  for (size_t r = 0; r < plot.rows.size(); ++r) {
    const Series& row = plot.rows[r];
    const auto y = static_cast<double>(r * kRow);
    content += text_at(kLabels - 8, y + 22, "end", row.name);
    for (size_t i = 0; i < row.values.size(); ++i) {
      if (!std::isfinite(row.values[i])) continue;
      const double share =
          range.high > range.low ? (row.values[i] - range.low) / (range.high - range.low) : 1;
      content += "<rect class=\"s0\" x=\"" + place(kLabels + static_cast<double>(i) * width) +
                 "\" y=\"" + place(y + 1) + "\" width=\"" + place(std::max(1.0, width - 1)) +
                 "\" height=\"" + std::to_string(kRow - 2) + "\" fill-opacity=\"" +
                 number(0.08 + 0.92 * share) + "\"><title>" + escape_html(row.name) + ", " +
                 escape_html(plot.x_label) + " " +
                 std::to_string(plot.first_x + static_cast<int64_t>(i)) + ": " +
                 number(row.values[i]) + "</title></rect>";
    }
    content += "\n";
  }
  const auto bottom = static_cast<int>(plot.rows.size()) * kRow;
  std::string ticks = column_ticks(plot.first_x, count, width, bottom + 22);
  content += "<g transform=\"translate(" + std::to_string(kLabels - kLeft) + " 0)\">" + ticks +
             "</g>" + text_at((kLabels + kWidth) / 2.0, bottom + 48, "middle", plot.x_label);
  figure(caption,
         "<span>from " + number(range.low) + " (light) to " + number(range.high) + " (full)</span>",
         bottom + 56, content);
}

HtmlReport::Histogram histogram_of(const std::vector<double>& values, size_t bins) {
  Range range;
  for (const double value : values) range.add(value);
  if (range.empty() || bins == 0) return {};
  HtmlReport::Histogram out{.x_label = {},
                            .low = range.low,
                            .high = range.high > range.low ? range.high : range.low + 1,
                            .counts = std::vector<int64_t>(bins)};
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    const double share = (value - out.low) / (out.high - out.low);
    ++out.counts[std::min(bins - 1, static_cast<size_t>(share * static_cast<double>(bins)))];
  }
  return out;
}

}  // namespace octavo
