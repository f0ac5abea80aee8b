#include "measure/load/trace.h"

#include <gtest/gtest.h>

#include <string>

#include "base/corpus_replay.h"
#include "measure/load/conversations.h"
#include "octavo/error.h"

namespace octavo::measure {
namespace {

constexpr const char* kHead = "TIMESTAMP,ContextTokens,GeneratedTokens\n";

TEST(Trace, reads_rows_of_azure_in_the_order_of_time) {
  const auto rows = parse_trace(std::string(kHead) +
                                    "2024-02-29 23:59:59.5,10,2\r\n"
                                    "\n"
                                    "2024-03-01 00:00:01.0000000,30,4\n"
                                    "2024-02-29T23:59:59.0+00:00,20,3",
                                "t", 0);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0].input_tokens, 20);
  EXPECT_DOUBLE_EQ(rows[0].at_s, 0);
  EXPECT_NEAR(rows[1].at_s, 0.5, 1e-6);
  EXPECT_NEAR(rows[2].at_s, 2, 1e-6);  // over the leap day
  EXPECT_EQ(rows[2].output_tokens, 4);
}

TEST(Trace, finds_columns_of_azure_by_name) {
  const auto rows = parse_trace(
      "GeneratedTokens,Model,TIMESTAMP,ContextTokens\n7,a,2023-11-16 18:00:00,9\n", "t", 0);
  EXPECT_EQ(rows[0].input_tokens, 9);
  EXPECT_EQ(rows[0].output_tokens, 7);
}

TEST(Trace, reads_rows_of_mooncake) {
  const auto rows = parse_trace(
      "{\"timestamp\": 3000, \"input_length\": 600, \"output_length\": 5, \"hash_ids\": [4, 9]}\n"
      "{\"timestamp\": 4500, \"input_length\": 1, \"output_length\": 0}\n",
      "t", 0);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].blocks, (std::vector<int64_t>{4, 9}));
  EXPECT_DOUBLE_EQ(rows[1].at_s, 1.5);
}

TEST(Trace, takes_no_more_rows_than_asked_for) {
  const std::string line = "{\"timestamp\":1,\"input_length\":1,\"output_length\":1}\n";
  EXPECT_EQ(parse_trace(line + line + line, "t", 2).size(), 2u);
}

TEST(Trace, refuses_what_is_none_and_names_the_line) {
  const std::string row = "2024-01-01 00:00:00,1,1\n";
  for (const std::string& text :
       {std::string(), std::string(" \n"), std::string("a,b\n1,2\n"), std::string(kHead),
        kHead + std::string("2024-13-01 00:00:00,1,1\n"),
        kHead + std::string("2024-01-01 00:00:00,-1,1\n"),
        kHead + std::string("2024-01-01 00:00:00,1,99999999999999999999\n"),
        kHead + std::string("2024-01-01 00:00:00,1\n"), kHead + std::string("x,1,1\n"),
        std::string("{\"timestamp\": 1}\n"), std::string("{\"timestamp\": \"now\"}\n"),
        std::string("{\n"),
        std::string("{\"timestamp\":1e300,\"input_length\":1,\"output_length\":1}"),
        std::string("{\"timestamp\":1,\"input_length\":1.5,\"output_length\":1}"),
        std::string("{\"timestamp\":1,\"input_length\":1,\"output_length\":1,\"hash_ids\":3}")})
    EXPECT_THROW(parse_trace(text, "t", 0), Error) << text;
  try {
    parse_trace(kHead + row + "nonsense,1,1\n", "trace.csv", 0);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("trace.csv, line 3"), std::string::npos);
  }
}

TEST(Conversations, read_arrays_and_lines) {
  const std::string one =
      R"({"id": "a", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "a"}]})";
  const std::string bad = R"({"conversations": [{"from": "human", "value": "alone"}]})";
  for (const std::string& text : {"[" + one + "," + bad + "]", one + "\n\n" + bad + "\n"}) {
    const auto found = parse_conversations(text, "t");
    ASSERT_EQ(found.size(), 1u) << text;
    EXPECT_EQ(found[0].prompt, "q");
    EXPECT_EQ(found[0].answer, "a");
  }
  for (const std::string& text :
       {std::string(), bad, std::string("[]"), std::string("[1,"), std::string("{")})
    EXPECT_THROW(parse_conversations(text, "t"), Error) << text;
}

TEST(LoadFiles, corpus_of_the_fuzz_target_passes) {
  EXPECT_GT(replay_corpus("tests/corpus/load"), 4);
}

}  // namespace
}  // namespace octavo::measure
