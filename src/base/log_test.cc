#include "base/log.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace octavo {
namespace {

TEST(LogLine, writes_one_line_whatever_the_text_holds) {
  testing::internal::CaptureStderr();
  log_line("bad name \n\x1b[31mred\r\x7f!");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "[octavo] bad name   [31mred  !\n");
}

TEST(ErrorLine, has_the_prefix_that_scripts_look_for) {
  testing::internal::CaptureStderr();
  error_line("bad flag (--x): drop it");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "octavo: bad flag (--x): drop it\n");
}

TEST(OneLine, leaves_text_beyond_ascii_alone) { EXPECT_EQ(one_line("größe\tя"), "größe я"); }

TEST(OnceLog, says_each_text_once_an_owner) {
  std::vector<std::string> said;
  const auto sink = [&](std::string_view text) { said.emplace_back(text); };
  OnceLog first(sink);
  OnceLog second(sink);
  EXPECT_TRUE(first.log_once("slow kernel"));
  EXPECT_FALSE(first.log_once("slow kernel"));
  EXPECT_TRUE(first.log_once("other"));
  EXPECT_TRUE(second.log_once("slow kernel"));
  EXPECT_EQ(said, (std::vector<std::string>{"slow kernel", "other", "slow kernel"}));
}

}  // namespace
}  // namespace octavo
