#include "base/html_report.h"

#include <gtest/gtest.h>

#include <cmath>

namespace octavo {
namespace {

size_t count(const std::string& text, std::string_view part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(HtmlReport, escapes_what_it_is_given) {
  HtmlReport page("a<b");
  page.heading("<script>");
  page.table({"\"x\""}, {{"&"}});
  page.bars("c>d", {{"<i>", 1}});
  page.lines("<p>", {.x_label = "<x>", .y_label = "y", .series = {{"<s>", {1, 2}}}});
  page.grid("<g>", {.x_label = "<x>", .rows = {{"<r>", {1, 2}}}});
  const std::string text = page.text();
  for (const char* tag : {"<script>", "<i>", "<s>", "<x>", "<r>", "<g>", "a<b"})
    EXPECT_EQ(count(text, tag), 0u) << tag;
  EXPECT_EQ(count(text, "&lt;script&gt;"), 1u);
}

TEST(HtmlReport, needs_nothing_from_outside) {
  HtmlReport page("title");
  page.lines("plot", {.x_label = "x", .y_label = "y", .series = {{"s", {1}}}});
  for (const char* part : {"http://", "https://", "src=", "href=", "<script", "url("})
    EXPECT_EQ(count(page.text(), part), 0u) << part;
}

TEST(HtmlReport, lines_have_a_mark_with_a_tooltip_for_each_value_that_is_there) {
  HtmlReport page("t");
  page.lines("plot", {.x_label = "layer",
                      .y_label = "error",
                      .first_x = 3,
                      .series = {{"a", {0.5, std::nan(""), 1.5}}, {"b", {1, 2, 3}}}});
  EXPECT_EQ(count(page.text(), "<circle"), 5u);
  EXPECT_EQ(count(page.text(), "a, layer 5: 1.5</title>"), 1u);
  EXPECT_EQ(count(page.text(), "d=\"M"), 2u);
}

TEST(HtmlReport, plots_without_values_are_left_out) {
  HtmlReport page("t");
  page.lines("one", {.x_label = "x", .y_label = "y", .series = {{"a", {std::nan("")}}}});
  page.histogram("two", {});
  page.grid("three", {.x_label = "x", .rows = {}});
  EXPECT_EQ(count(page.text(), "<svg"), 0u);
}

TEST(HtmlReport, drawings_hold_finite_numbers_only) {
  HtmlReport page("t");
  for (const std::vector<double>& values :
       {std::vector<double>{0}, {0, 0}, {-1, -1}, {1e-300, 1e300}, {5}, {1e-9, 2e-9}}) {
    page.lines("p", {.x_label = "x", .y_label = "y", .series = {{"a", values}}});
    page.grid("g", {.x_label = "x", .rows = {{"a", values}}});
    page.histogram("h", histogram_of(values, 7));
  }
  EXPECT_EQ(count(page.text(), "nan"), 0u);
  EXPECT_EQ(count(page.text(), "inf"), 0u);
}

TEST(HistogramOf, counts_every_finite_value_once) {
  const auto plot = histogram_of({0, 1, 2, 3, 4, std::nan(""), 4}, 4);
  EXPECT_EQ(plot.low, 0);
  EXPECT_EQ(plot.high, 4);
  EXPECT_EQ(plot.counts, (std::vector<int64_t>{1, 1, 1, 3}));
}

}  // namespace
}  // namespace octavo
