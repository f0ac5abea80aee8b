#include "measure/bench_report.h"

#include <gtest/gtest.h>

namespace octavo::measure {
namespace {

TEST(BenchReport, sets_numbers_right_and_names_left_in_the_terminal) {
  BenchReport report("t");
  report.table({"name", "µs"}, {{"a", "1.5"}, {"longer", "100.0"}});
  EXPECT_EQ(report.text(),
            "name       µs\n"
            "a         1.5\n"
            "longer  100.0\n");
}

TEST(BenchReport, shows_the_same_on_the_page) {
  BenchReport report("title <1>");
  report.heading("heading");
  report.line("a < b");
  report.table({"x"}, {{"cell"}});
  for (const char* part : {"title &lt;1&gt;", "heading", "a &lt; b", "cell"})
    EXPECT_NE(report.html().find(part), std::string::npos) << part;
}

TEST(BenchReport, chooses_units_that_read_well) {
  EXPECT_EQ(duration(1.5e-6), "1.5 us");
  EXPECT_EQ(duration(0.0125), "12.50 ms");
  EXPECT_EQ(duration(3), "3.00 s");
  EXPECT_EQ(percent(0.125), "12.5 %");
  EXPECT_EQ(fixed("%.1f", 0.0 / 0.0), "-");
}

}  // namespace
}  // namespace octavo::measure
