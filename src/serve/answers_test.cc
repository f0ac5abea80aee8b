#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "serve/api_error.h"
#include "serve/choice.h"
#include "serve/event_script.h"
#include "serve/histogram.h"
#include "serve/prompts.h"
#include "serve/responses.h"
#include "serve/sse.h"
#include "serve/test_model.h"

namespace octavo::serve {
namespace {

std::vector<TokenId> bytes(std::string_view text) {
  return {reinterpret_cast<const unsigned char*>(text.data()),
          reinterpret_cast<const unsigned char*>(text.data()) + text.size()};
}

Event event(std::string_view text, Finish finish = Finish::none) {
  Event event;
  event.tokens = bytes(text);
  event.finish = finish;
  return event;
}

TEST(Choice, never_shows_part_of_a_character) {
  const auto model = test_model();
  Choice choice(model->tokenizer, bytes("p"), {});
  EXPECT_EQ(choice.take(event("a\xF0\x9F")).text, "a");
  EXPECT_EQ(choice.take(event("\xA6")).text, "");
  EXPECT_EQ(choice.take(event("\x80z")).text, "\xF0\x9F\xA6\x80z");
}

TEST(Choice, end_token_counts_but_is_no_text) {
  const auto model = test_model();
  Choice choice(model->tokenizer, bytes("p"), {.skip_special_tokens = false});
  Event last = event("a", Finish::stop);
  last.tokens.push_back(256);
  const Delta delta = choice.take(last);
  EXPECT_EQ(delta.text, "a");
  EXPECT_EQ(delta.finish_reason, "stop");
  EXPECT_EQ(choice.tokens(), 2);
}

TEST(Choice, stop_string_ends_it_and_names_itself) {
  const auto model = test_model();
  Choice choice(model->tokenizer, bytes("p"), {.stop = {"xy"}});
  EXPECT_EQ(choice.take(event("ax")).text, "a");
  const Delta delta = choice.take(event("yz"));
  EXPECT_EQ(delta.text, "");
  EXPECT_EQ(delta.finish_reason, "stop");
  EXPECT_EQ(delta.stop_string, "xy");
  EXPECT_TRUE(choice.finished());
  EXPECT_EQ(choice.tokens(), 3);
}

TEST(Choice, broken_bytes_at_the_end_become_replacement_characters) {
  const auto model = test_model();
  Choice choice(model->tokenizer, bytes("p"), {});
  EXPECT_EQ(choice.take(event("a\xF0", Finish::length)).text, "a\uFFFD");
}

TEST(Responses, first_prompt_token_has_no_probability_and_offsets_count_characters) {
  const auto model = test_model();
  const TokenNames names{.tokenizer = &model->tokenizer};
  std::vector<PositionLogprobs> positions(2);
  positions[1].chosen = {.id = 'b', .logprob = -1.5f, .rank = 2};
  positions[1].top = {{.id = 'c', .logprob = -0.5f, .rank = 1}};
  int64_t offset = 3;
  const std::vector<TokenId> tokens = {'a', 'b'};
  const Json json = completion_logprobs(names, positions, tokens, offset);
  EXPECT_EQ(json["token_logprobs"], Json::parse("[null, -1.5]"));
  EXPECT_EQ(json["text_offset"], Json::parse("[3, 4]"));
  EXPECT_EQ(json["top_logprobs"][1], Json::parse(R"({"b":-1.5,"c":-0.5})"));
  EXPECT_EQ(offset, 5);
}

TEST(Responses, minus_infinity_becomes_a_number) {
  const auto model = test_model();
  std::vector<PositionLogprobs> positions(1);
  positions[0].chosen = {.id = 'b', .logprob = -INFINITY, .rank = 9};
  const Json json = chat_logprobs({.tokenizer = &model->tokenizer}, positions);
  EXPECT_EQ(json["content"][0]["logprob"], -9999);
  EXPECT_EQ(json["content"][0]["bytes"], Json::parse("[98]"));
}

TEST(Sse, an_event_is_one_data_line_whatever_the_text) {
  const std::string text = sse_event(Json{{"a", "x\n\ndata: y\r"}});
  EXPECT_EQ(text, "data: {\"a\":\"x\\n\\ndata: y\\r\"}\n\n");
}

TEST(ApiError, has_the_standard_body_and_a_bounded_message) {
  const Json json = error_json(bad_request("n", std::string(5000, 'x')));
  EXPECT_EQ(json["error"]["param"], "n");
  EXPECT_EQ(json["error"]["code"], 400);
  EXPECT_LE(json["error"]["message"].get<std::string>().size(), 1003u);
  EXPECT_TRUE(error_json(http_error(404, "x"))["error"]["param"].is_null());
}

TEST(Histogram, buckets_are_cumulative) {
  Histogram histogram({1, 5});
  histogram.observe(1);
  histogram.observe(3, 2);
  histogram.observe(9);
  std::string out;
  histogram.write("h", "a=\"b\"", out);
  EXPECT_EQ(out,
            "h_bucket{a=\"b\",le=\"1\"} 1\nh_bucket{a=\"b\",le=\"5\"} 3\n"
            "h_bucket{a=\"b\",le=\"+Inf\"} 4\nh_sum{a=\"b\"} 16\nh_count{a=\"b\"} 4\n");
}

TEST(Prompts, continue_final_message_ends_with_its_words) {
  const auto model = test_model();
  ChatInput input;
  *input.messages = Json::parse(R"([{"role":"user","content":"q"},
                                    {"role":"assistant","content":"One two "}])");
  input.add_generation_prompt = false;
  input.continue_final_message = true;
  PromptPlan plan;
  ASSERT_FALSE(plan_chat(*model, input, std::nullopt, plan));
  EXPECT_EQ(plan.text, "User: q\nAssistant: One two ");
}

TEST(Prompts, too_long_a_prompt_is_refused_with_both_numbers) {
  const auto model = test_model();
  PromptPlan plan;
  const auto error =
      plan_prompt(*model, std::string(128, 'a'), Tokenizer::Specials::none, std::nullopt, plan);
  ASSERT_TRUE(error);
  EXPECT_NE(error->message.find("128"), std::string::npos);
  PromptPlan cut;
  ASSERT_FALSE(
      plan_prompt(*model, std::string(200, 'a') + "bc", Tokenizer::Specials::none, 2, cut));
  EXPECT_EQ(cut.ids, bytes("bc"));
}

// The seeds of the fuzz target, and random ones.
TEST(EventWriter, survives_the_corpus) {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/corpus/event_writer")) {
    const std::string script = read_file(entry.path(), 1 << 16);
    run_event_script(*test_model(),
                     {reinterpret_cast<const uint8_t*>(script.data()), script.size()});
    ++seen;
  }
  EXPECT_GE(seen, 5);
}

}  // namespace
}  // namespace octavo::serve
