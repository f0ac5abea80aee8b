#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/html_report.h"
#include "base/json_fwd.h"

namespace octavo::measure {

// What a measurement has to show, in order: tables and lines for the terminal, the same and plots
// for the page. The JSON document is kept apart: its fields are a contract, this is for reading.
class BenchReport {
 public:
  explicit BenchReport(std::string title) : page_(title), title_(std::move(title)) {}

  void heading(std::string_view text);
  void line(std::string_view text);
  // Every row as long as `header`.
  void table(const std::vector<std::string>& header,
             const std::vector<std::vector<std::string>>& rows);
  // Plots are drawn on the page alone.
  HtmlReport& page() { return page_; }

  std::string text() const { return text_; }  // for a terminal
  std::string html() const { return page_.text(); }

 private:
  HtmlReport page_;
  std::string title_, text_;
};

// printf of one number.
std::string fixed(const char* format, double value);
// "12.3 %" of a share.
std::string percent(double share);
// "1.234 ms", "12.3 us": seconds in the unit that reads best.
std::string duration(double seconds);
std::string megabytes(double bytes);

}  // namespace octavo::measure
