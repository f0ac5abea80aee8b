#include "base/progress.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace octavo {
namespace {

using namespace std::chrono_literals;

struct Fixture {
  Progress::Clock::time_point time{};
  std::string written;
  Progress::Options options(Progress::Style style) {
    return {.style = style,
            .now = [this] { return time; },
            .write = [this](std::string_view text) { written += text; }};
  }
};

TEST(Progress, bar_redraws_itself_and_leaves_nothing_behind) {
  Fixture f;
  Progress progress("quantizing", "layers", 4, f.options(Progress::Style::bar));
  f.time += 2s;
  progress.update(2);
  EXPECT_EQ(f.written, "\r\033[Kquantizing [############............] 2/4 layers, about 2 s left");
  progress.finish();
  progress.finish();
  EXPECT_TRUE(f.written.ends_with("left\r\033[K"));
}

TEST(Progress, bar_draws_at_most_ten_times_a_second) {
  Fixture f;
  Progress progress("loading", "bytes", 1000, f.options(Progress::Style::bar));
  for (int i = 1; i <= 1000; ++i) {
    f.time += 1ms;
    progress.update(i);
  }
  EXPECT_EQ(std::count(f.written.begin(), f.written.end(), '\r'), 10);
}

TEST(Progress, without_a_terminal_prints_a_line_now_and_then) {
  Fixture f;
  Progress progress("evaluating", "windows", 100, f.options(Progress::Style::lines));
  f.time += 9s;
  progress.update(30);
  EXPECT_EQ(f.written, "");
  f.time += 1s;
  progress.update(50);
  progress.update(51);
  progress.finish();
  EXPECT_EQ(f.written, "[octavo] evaluating 50/100 windows, about 10 s left\n");
}

TEST(Progress, ends_with_a_note_where_there_is_one) {
  Fixture f;
  Progress progress("quantizing", "layers", 8, f.options(Progress::Style::lines));
  progress.note("layer 3, error of the last 0.0012");
  f.time += 10s;
  progress.update(4);
  EXPECT_EQ(f.written,
            "[octavo] quantizing 4/8 layers, about 10 s left, layer 3, error of the last 0.0012\n");
}

TEST(Progress, learns_its_total_late_and_bears_more_than_the_total) {
  Fixture f;
  Progress progress("loading", "bytes", 0, f.options(Progress::Style::bar));
  f.time += 1s;
  progress.update(7);
  EXPECT_EQ(f.written, "\r\033[Kloading 7 bytes");
  f.time += 1s;
  progress.update(9, 8);
  EXPECT_TRUE(f.written.ends_with("loading [########################] 9/8 bytes"));
}

}  // namespace
}  // namespace octavo
