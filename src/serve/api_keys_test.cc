#include "serve/api_keys.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "octavo/error.h"

namespace octavo::serve {
namespace {

const std::vector<ApiKey> kTwo = {{.name = "one", .key = "key-one"},
                                  {.name = "two", .key = "key-two"}};

TEST(Identify, takes_whole_keys_only) {
  EXPECT_EQ(identify(kTwo, "Bearer key-one"), 0u);
  EXPECT_EQ(identify(kTwo, "bearer key-two"), 1u);
  for (const char* bad : {"", "Bearer", "Bearer ", "key-one", "Basic key-one", "Bearer key-on",
                          "Bearer key-onex", "Bearer key-onekey-one"}) {
    EXPECT_FALSE(identify(kTwo, bad)) << bad;
  }
  EXPECT_FALSE(identify({}, "Bearer key-one"));
}

TEST(ReadApiKeys, takes_names_quotas_and_admins) {
  const auto keys = read_api_keys(Json::parse(R"({"keys": [
      {"name": "a", "key": "x", "admin": true, "weight": 2},
      {"name": "b", "key": "y", "tokens_per_minute": 600, "max_running": 3}]})"),
                                  "file");
  EXPECT_TRUE(keys.at(0).admin);
  EXPECT_EQ(keys[0].limits.weight, 2);
  EXPECT_EQ(keys.at(1).tokens_per_minute, 600);
  EXPECT_EQ(keys[1].limits.max_running, 3);
}

TEST(ReadApiKeys, refuses_what_it_does_not_understand) {
  for (const char* bad :
       {"[]", "{}", R"({"keys": []})", R"({"keys": [5]})", R"({"keys": [{"name": "a"}]})",
        R"({"keys": [{"name": "a", "key": ""}]})", R"({"keys": [{"name": 1, "key": "x"}]})",
        R"({"keys": [{"name": "a", "key": "x", "zebra": 1}]})",
        R"({"keys": [{"name": "a", "key": "x", "weight": 0}]})",
        R"({"keys": [{"name": "a", "key": "x", "max_running": -1}]})",
        R"({"keys": [{"name": "a", "key": "x"}, {"name": "a", "key": "y"}]})",
        R"({"keys": [{"name": "a", "key": "x"}, {"name": "b", "key": "x"}]})"}) {
    EXPECT_THROW(read_api_keys(Json::parse(bad), "file"), Error) << bad;
  }
}

TEST(KeyLedger, requests_fill_their_bucket_again) {
  KeyLedger ledger({{.name = "a", .key = "x", .requests_per_minute = 2}});
  EXPECT_FALSE(ledger.admit(0, 100));
  EXPECT_FALSE(ledger.admit(0, 100));
  const auto refused = ledger.admit(0, 100);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->status, 429);
  EXPECT_EQ(refused->retry_after_s, 30);
  EXPECT_FALSE(ledger.admit(0, 130));
  EXPECT_EQ(ledger.usage(0).requests, 3);
  EXPECT_EQ(ledger.usage(0).refused, 1);
}

TEST(KeyLedger, tokens_may_be_overdrawn_once) {
  KeyLedger ledger({{.name = "a", .key = "x", .tokens_per_minute = 60}});
  EXPECT_FALSE(ledger.admit(0, 0));
  ledger.charge(0, {.prompt_tokens = 50, .cached_tokens = 10, .generation_tokens = 30}, 0);
  const auto refused = ledger.admit(0, 0);
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->retry_after_s, 21);
  EXPECT_FALSE(ledger.admit(0, 21));
  EXPECT_EQ(ledger.usage(0).generation_tokens, 30);
  EXPECT_EQ(ledger.usage(0).cached_tokens, 10);
}

TEST(KeyLedger, less_than_one_request_a_minute_is_possible) {
  KeyLedger ledger({{.name = "a", .key = "x", .requests_per_minute = 0.5}});
  EXPECT_FALSE(ledger.admit(0, 1000));
  EXPECT_TRUE(ledger.admit(0, 1001));
}

}  // namespace
}  // namespace octavo::serve
