#include "base/json.h"

#include <gtest/gtest.h>

#include <string>

#include "octavo/error.h"

namespace octavo {
namespace {

TEST(ParseJson, keeps_the_order_of_keys_and_the_last_duplicate) {
  EXPECT_EQ(to_line(parse_json(R"({"b":1,"a":[true,null],"b":2})", "x")),
            R"({"b":2,"a":[true,null]})");
}

TEST(ParseJson, refuses_what_is_too_deep_too_wide_or_not_json) {
  const std::string deep(100, '[');
  for (const std::string& bad : {deep, std::string("{\"a\":1"), std::string("\"\xff\""),
                                 std::string("1e999"), std::string(""), std::string("NaN")}) {
    EXPECT_THROW(parse_json(bad, "body"), Error) << bad;
  }
  std::string wide = "{";
  for (int i = 0; i < 5000; ++i) wide += (i ? ",\"" : "\"") + std::to_string(i) + "\":0";
  EXPECT_THROW(parse_json(wide + "}", "body"), Error);
}

TEST(ParseJson, names_the_place_in_one_line) {
  try {
    parse_json("{]", "config.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("config.json"), std::string::npos);
  }
}

TEST(ToLine, replaces_broken_utf8) { EXPECT_EQ(to_line(Json("a\xff")), "\"a\xEF\xBF\xBD\""); }

}  // namespace
}  // namespace octavo
