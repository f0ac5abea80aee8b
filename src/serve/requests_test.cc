#include <gtest/gtest.h>

#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/file.h"
#include "base/json.h"
#include "octavo/error.h"
#include "serve/chat_request.h"
#include "serve/completion_request.h"

namespace octavo::serve {
namespace {

constexpr ServeLimits kLimits{.vocab = 100, .max_model_len = 50};

std::optional<ApiError> completion(const std::string& fields, CompletionRequest& out) {
  return parse_completion_request(parse_json("{\"prompt\":\"a\"," + fields + "}", "test"), kLimits,
                                  {}, out);
}

std::string completion_param(const std::string& fields) {
  CompletionRequest out;
  const auto error = completion(fields, out);
  return error ? error->param : "none";
}

std::string chat_param(const std::string& body) {
  ChatRequest out;
  const auto error = parse_chat_request(parse_json(body, "test"), kLimits, {}, out);
  return error ? error->param : "none";
}

TEST(CompletionRequest, fills_in_the_defaults_of_the_api) {
  CompletionRequest out;
  ASSERT_FALSE(completion("\"n\":null,\"stream\":null,\"zebra\":[1]", out));
  EXPECT_EQ(std::get<std::string>(out.prompts.at(0)), "a");
  EXPECT_EQ(out.sampling.n, 1);
  EXPECT_EQ(out.sampling.params.temperature, 1);
  EXPECT_FALSE(out.sampling.max_tokens);
  EXPECT_FALSE(out.sampling.stream);
  EXPECT_EQ(out.sampling.params.logprobs, -1);
}

TEST(CompletionRequest, reads_what_counts_as_repetition) {
  CompletionRequest out;
  ASSERT_FALSE(completion(
      R"("repetition_detection":{"max_pattern_size":8,"min_pattern_size":2,"min_count":3})", out));
  const RepetitionDetection& found = out.sampling.params.repetition_detection;
  EXPECT_EQ(found.max_pattern_size, 8);
  EXPECT_EQ(found.min_pattern_size, 2);
  EXPECT_EQ(found.min_count, 3);
  EXPECT_EQ(completion_param(R"("repetition_detection":[8])"), "repetition_detection");
  EXPECT_EQ(completion_param(R"("repetition_detection":{"min_count":1e9})"),
            "repetition_detection");
}

TEST(CompletionRequest, model_defaults_hold_unless_the_request_says_otherwise) {
  const SamplingDefaults defaults{.temperature = 0.5f, .top_k = 7};
  CompletionRequest out;
  ASSERT_FALSE(parse_completion_request(parse_json(R"({"prompt":[1,2],"top_k":3})", "test"),
                                        kLimits, defaults, out));
  EXPECT_EQ(out.sampling.params.temperature, 0.5f);
  EXPECT_EQ(out.sampling.params.top_k, 3);
  EXPECT_EQ(std::get<std::vector<TokenId>>(out.prompts.at(0)), (std::vector<TokenId>{1, 2}));
}

TEST(CompletionRequest, greedy_resets_what_would_only_cut_the_distribution) {
  CompletionRequest out;
  ASSERT_FALSE(completion(R"("temperature":1e-7,"top_p":0.5,"top_k":3,"min_p":0.2)", out));
  EXPECT_EQ(out.sampling.params.temperature, 0);
  EXPECT_EQ(out.sampling.params.top_p, 1);
  EXPECT_EQ(out.sampling.params.top_k, 0);
  EXPECT_EQ(out.sampling.params.min_p, 0);
}

TEST(CompletionRequest, names_the_field_at_fault) {
  const std::pair<const char*, const char*> cases[] = {
      {R"("temperature":-1)", "temperature"},
      {R"("temperature":"hot")", "temperature"},
      {R"("top_p":0)", "top_p"},
      {R"("top_k":1.5)", "top_k"},
      {R"("top_k":-2)", "top_k"},
      {R"("min_p":1.1)", "min_p"},
      {R"("n":0)", "n"},
      {R"("n":2,"temperature":0)", "n"},
      {R"("n":10000000)", "n"},
      {R"("seed":1180591620717411303424)", "seed"},
      {R"("max_tokens":-1)", "max_tokens"},
      {R"("max_tokens":9223372036854775808)", "max_tokens"},
      {R"("max_tokens":true)", "max_tokens"},
      {R"("stop":[""])", "stop"},
      {R"("stop":7)", "stop"},
      {R"("stop_token_ids":[100])", "stop_token_ids"},
      {R"("stop_token_ids":[-1])", "stop_token_ids"},
      {R"("allowed_token_ids":[])", "allowed_token_ids"},
      {R"("logit_bias":{"100":1})", "logit_bias"},
      {R"("logit_bias":{"5x":1})", "logit_bias"},
      {R"("logit_bias":{"5":"x"})", "logit_bias"},
      {R"("bad_words":[""])", "bad_words"},
      {R"("stream_options":{"include_usage":true})", "stream_options"},
      {R"("stream":true,"prompt_logprobs":1)", "prompt_logprobs"},
      {R"("logprobs":21)", "logprobs"},
      {R"("best_of":3)", "best_of"},
      {R"("suffix":"x")", "suffix"},
      {R"("max_tokens":0)", "max_tokens"},
      {R"("cache_salt":"")", "cache_salt"},
      {R"("response_format":{"type":"json_object"})", "response_format"},
      {R"("structured_outputs":{"regex":"a"})", "structured_outputs"},
      {R"("prompt":[5,-1])", "prompt"},
      {R"("prompt":["a",5])", "prompt"},
      {R"("prompt":[])", "prompt"},
      {R"("prompt":"")", "prompt"},
  };
  for (const auto& [fields, param] : cases) EXPECT_EQ(completion_param(fields), param) << fields;
}

TEST(CompletionRequest, echo_with_logprobs_asks_for_those_of_the_prompt_too) {
  CompletionRequest out;
  ASSERT_FALSE(completion(R"("echo":true,"logprobs":2,"max_tokens":0)", out));
  EXPECT_EQ(out.sampling.params.prompt_logprobs, 2);
}

TEST(CompletionRequest, bounds_the_product_of_prompts_and_choices) {
  Json body;
  body["prompt"] = std::vector<std::string>(100, "a");
  body["n"] = 1000;
  CompletionRequest out;
  EXPECT_EQ(parse_completion_request(body, kLimits, {}, out)->param, "n");
}

TEST(SettleLengths, cuts_max_tokens_to_the_context_and_checks_min_tokens_after) {
  SamplingFields fields;
  fields.max_tokens = 1000;
  ASSERT_FALSE(settle_lengths(kLimits, 40, 16, fields));
  EXPECT_EQ(fields.params.max_tokens, 10);
  fields.params.min_tokens = 11;
  EXPECT_EQ(settle_lengths(kLimits, 40, 16, fields)->param, "min_tokens");
  EXPECT_EQ(settle_lengths(kLimits, 50, 16, fields)->param, "prompt");
}

TEST(ChatRequest, joins_text_parts_and_opens_call_arguments) {
  const char* body = R"({"messages":[{"role":"user","content":[{"type":"text","text":"a"},
      {"type":"text","text":"b"}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1",
      "type":"function","function":{"name":"f","arguments":"{\"x\":1}"}}]}]})";
  ChatRequest out;
  ASSERT_FALSE(parse_chat_request(parse_json(body, "test"), kLimits, {}, out));
  const Json& messages = *out.input.messages;
  EXPECT_EQ(messages[0]["content"], "a\nb");
  EXPECT_TRUE(messages[1]["content"].is_null());
  EXPECT_EQ(messages[1]["tool_calls"][0]["function"]["arguments"]["x"], 1);
}

TEST(ChatRequest, names_the_field_at_fault) {
  const std::string user = R"({"messages":[{"role":"user","content":"hi"}],)";
  EXPECT_EQ(chat_param("{}"), "messages");
  EXPECT_EQ(chat_param(R"({"messages":[]})"), "messages");
  EXPECT_EQ(chat_param(R"({"messages":[{"content":"x"}]})"), "messages[0].role");
  EXPECT_EQ(chat_param(R"({"messages":[{"role":"user","content":[{"type":"smell"}]}]})"),
            "messages[0].content[0]");
  EXPECT_EQ(chat_param(user + R"("top_logprobs":3})"), "top_logprobs");
  EXPECT_EQ(chat_param(user + R"("continue_final_message":true})"), "continue_final_message");
  EXPECT_EQ(chat_param(user + R"("tools":[]})"), "tools");
  EXPECT_EQ(chat_param(user + R"("tools":[{"type":"function","function":{}}]})"), "tools[0]");
  EXPECT_EQ(chat_param(user + R"("tool_choice":"required"})"), "tool_choice");
  EXPECT_EQ(chat_param(user + R"("chat_template":"{{ 1 }}"})"), "chat_template");
  EXPECT_EQ(chat_param(user + R"("max_completion_tokens":-1})"), "max_completion_tokens");
}

TEST(ChatRequest, max_completion_tokens_wins_over_the_older_name) {
  ChatRequest out;
  ASSERT_FALSE(
      parse_chat_request(parse_json(R"({"messages":[{"role":"user","content":"x"}],"max_tokens":3,
                     "max_completion_tokens":5})",
                                    "test"),
                         kLimits, {}, out));
  EXPECT_EQ(out.sampling.max_tokens, 5);
}

// The seeds of the fuzz target: none may do worse than be refused.
TEST(RequestParsers, survive_the_corpus) {
  int seen = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/corpus/http_body")) {
    const std::string text = read_file(entry.path(), 1 << 20);
    ++seen;
    try {
      const Json body = parse_json(text, "corpus");
      CompletionRequest completion;
      parse_completion_request(body, kLimits, {}, completion);
      ChatRequest chat;
      parse_chat_request(body, kLimits, {}, chat);
    } catch (const Error&) {  // not JSON: refused before the parsers
    }
  }
  EXPECT_GE(seen, 5);
}

}  // namespace
}  // namespace octavo::serve
