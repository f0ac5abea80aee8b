#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace octavo {

// Builds a self-contained page (no scripts, no external resources): headings, tables and plots as
// SVG with a tooltip at every mark. It reads on a phone, in light and in dark.
class HtmlReport {
 public:
  explicit HtmlReport(std::string title) : title_(std::move(title)) {}

  void heading(std::string_view text);
  void paragraph(std::string_view text);
  // Every row as long as `header`; columns of numbers alone are set right. Wide tables scroll.
  void table(const std::vector<std::string>& header,
             const std::vector<std::vector<std::string>>& rows);
  // What `fill` adds is folded away behind `summary`.
  void folded(std::string_view summary, const std::function<void()>& fill);

  struct Bar {
    std::string label;
    double value;
  };
  // Horizontal bars from 0, a tooltip and the value at each.
  void bars(std::string_view caption, const std::vector<Bar>& bars);

  struct Series {
    std::string name;
    std::vector<double> values;  // by x; not finite: no point there
  };
  // Lines over x = first_x, first_x + 1, ...; y logarithmic where the values span much. At most
  // kMaxSeries series.
  struct Lines {
    std::string x_label, y_label;
    int64_t first_x = 0;
    std::vector<Series> series;
  };
  static constexpr size_t kMaxSeries = 4;
  void lines(std::string_view caption, const Lines& plot);

  // How many values lie in each of equally wide bins from low to high.
  struct Histogram {
    std::string x_label;
    double low = 0, high = 1;
    std::vector<int64_t> counts;
  };
  void histogram(std::string_view caption, const Histogram& plot);

  // Values by row and column, the darker the larger; not finite: an empty cell.
  struct Grid {
    std::string x_label;
    int64_t first_x = 0;
    std::vector<Series> rows;
  };
  void grid(std::string_view caption, const Grid& plot);

  std::string text() const;

 private:
  // A figure of `height` units at a width of kWidth that holds `content`.
  void figure(std::string_view caption, std::string_view legend, int height,
              const std::string& content);

  std::string title_, body_;
};

std::string escape_html(std::string_view text);

// Bins of equal width over the finite values, outermost ones included.
HtmlReport::Histogram histogram_of(const std::vector<double>& values, size_t bins);

}  // namespace octavo
