#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace octavo {

// Builds a self-contained page (no scripts, no external resources): headings, tables and bar plots
// as SVG.
class HtmlReport {
 public:
  explicit HtmlReport(std::string title) : title_(std::move(title)) {}

  void heading(std::string_view text);
  void paragraph(std::string_view text);
  // Every row as long as `header`; cells that look like numbers are set right.
  void table(const std::vector<std::string>& header,
             const std::vector<std::vector<std::string>>& rows);
  struct Bar {
    std::string label;
    double value;
  };
  // Horizontal bars from 0, a tooltip and the value at each.
  void bars(std::string_view caption, const std::vector<Bar>& bars);

  std::string text() const;

 private:
  std::string title_, body_;
};

std::string escape_html(std::string_view text);

}  // namespace octavo
