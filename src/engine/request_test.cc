#include "engine/request.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "engine/sequence.h"

namespace octavo {
namespace {

constexpr RequestLimits kLimits{.vocab = 100, .max_model_len = 10};

// The parameter that is refused after the change, "" when none is.
std::string refused(const std::function<void(Request&)>& change) {
  Request request{.prompt = {1, 2, 3}};
  change(request);
  const auto refusal = validate(request, kLimits);
  return refusal ? refusal->param : "";
}

TEST(Request, accepts_defaults_and_every_bound) {
  EXPECT_EQ(refused([](Request&) {}), "");
  EXPECT_EQ(refused([](Request& r) {
              r.prompt.assign(9, 99);
              SamplingParams& p = r.sampling;
              p.temperature = 2;
              p.top_p = 1e-9f;
              p.min_p = 1;
              p.top_k = -1;
              p.presence_penalty = -2;
              p.frequency_penalty = 2;
              p.repetition_penalty = 1e-3f;
              p.min_tokens = p.max_tokens;
              p.stop_token_ids = {0, 99};
              p.logit_bias = {{99, -1000}};
              p.logprobs = p.prompt_logprobs = 20;
              r.cache_salt = std::string(1024, 'x');
            }),
            "");
}

TEST(Request, names_the_parameter_that_is_wrong) {
  EXPECT_EQ(refused([](Request& r) { r.prompt.clear(); }), "prompt");
  EXPECT_EQ(refused([](Request& r) { r.prompt.assign(10, 1); }), "prompt");
  EXPECT_EQ(refused([](Request& r) { r.prompt[1] = 100; }), "prompt");
  EXPECT_EQ(refused([](Request& r) { r.prompt[1] = -1; }), "prompt");
  EXPECT_EQ(refused([](Request& r) { r.sampling.temperature = 2.1f; }), "temperature");
  EXPECT_EQ(refused([](Request& r) { r.sampling.temperature = NAN; }), "temperature");
  EXPECT_EQ(refused([](Request& r) { r.sampling.top_p = 0; }), "top_p");
  EXPECT_EQ(refused([](Request& r) { r.sampling.top_p = NAN; }), "top_p");
  EXPECT_EQ(refused([](Request& r) { r.sampling.min_p = -0.1f; }), "min_p");
  EXPECT_EQ(refused([](Request& r) { r.sampling.top_k = -2; }), "top_k");
  EXPECT_EQ(refused([](Request& r) { r.sampling.presence_penalty = 3; }), "presence_penalty");
  EXPECT_EQ(refused([](Request& r) { r.sampling.frequency_penalty = -3; }), "frequency_penalty");
  EXPECT_EQ(refused([](Request& r) { r.sampling.repetition_penalty = 0; }), "repetition_penalty");
  EXPECT_EQ(refused([](Request& r) { r.sampling.repetition_penalty = INFINITY; }),
            "repetition_penalty");
  EXPECT_EQ(refused([](Request& r) { r.sampling.max_tokens = 0; }), "max_tokens");
  EXPECT_EQ(refused([](Request& r) { r.sampling.min_tokens = 17; }), "min_tokens");
  EXPECT_EQ(refused([](Request& r) { r.sampling.logprobs = 129; }), "logprobs");
  EXPECT_EQ(refused([](Request& r) { r.sampling.prompt_logprobs = -2; }), "prompt_logprobs");
  EXPECT_EQ(refused([](Request& r) { r.sampling.stop_token_ids = {100}; }), "stop_token_ids");
  EXPECT_EQ(refused([](Request& r) { r.sampling.allowed_token_ids = {-1}; }), "allowed_token_ids");
  EXPECT_EQ(refused([](Request& r) { r.sampling.allowed_token_ids.assign(101, 1); }),
            "allowed_token_ids");
  EXPECT_EQ(refused([](Request& r) { r.sampling.logit_bias = {{100, 1}}; }), "logit_bias");
  EXPECT_EQ(refused([](Request& r) { r.sampling.logit_bias = {{1, NAN}}; }), "logit_bias");
  EXPECT_EQ(refused([](Request& r) { r.sampling.bad_words = {{}}; }), "bad_words");
  EXPECT_EQ(refused([](Request& r) { r.sampling.bad_words.assign(129, {1}); }), "bad_words");
  EXPECT_EQ(refused([](Request& r) { r.deadline_s = -1; }), "deadline_s");
  for (const RepetitionDetection bad :
       {RepetitionDetection{3, 4, 2}, RepetitionDetection{3, 1, 1}, RepetitionDetection{-1, 0, 0},
        RepetitionDetection{3, -1, 2}, RepetitionDetection{5000, 1, 2}}) {
    EXPECT_EQ(refused([&](Request& r) { r.sampling.repetition_detection = bad; }),
              "repetition_detection");
  }
  EXPECT_EQ(refused([](Request& r) { r.sampling.repetition_detection = {3, 0, 2}; }), "");
  EXPECT_EQ(refused([](Request& r) { r.cache_salt = std::string(1025, 'x'); }), "cache_salt");
}

TEST(Sequence, moves_along_its_arrows_only) {
  using State = Sequence::State;
  Sequence sequence(
      1, {.prompt = {1}}, [](const Event&) {}, 0);
  EXPECT_DEATH(sequence.become(State::preempted, 0), "internal check");
  EXPECT_DEATH(sequence.become(State::decode, 0), "internal check");
  sequence.become(State::prefill, 1);
  EXPECT_DEATH(sequence.become(State::prefill, 1), "internal check");
  sequence.become(State::decode, 3);
  sequence.become(State::preempted, 7);
  EXPECT_DEATH(sequence.become(State::decode, 7), "internal check");
  sequence.become(State::prefill, 15);
  sequence.become(State::preempted, 16);
  sequence.become(State::finished, 20);
  EXPECT_DEATH(sequence.become(State::prefill, 20), "internal check");
  EXPECT_DEATH(sequence.become(State::finished, 20), "internal check");
  EXPECT_EQ(sequence.spent_s(State::waiting, 99), 1);
  EXPECT_EQ(sequence.spent_s(State::prefill, 99), 3);
  EXPECT_EQ(sequence.spent_s(State::decode, 99), 4);
  EXPECT_EQ(sequence.spent_s(State::preempted, 99), 12);
}

TEST(Sequence, counts_what_penalties_look_at) {
  SamplingParams params;
  params.repetition_penalty = 1.5f;
  Sequence sequence(
      1, {.prompt = {7, 8, 7}, .sampling = params}, [](const Event&) {}, 0);
  sequence.append(8);
  sequence.append(8);
  sequence.append(9);
  EXPECT_EQ(sequence.counts(), (TokenCounts{{7, 0}, {8, 2}, {9, 1}}));
  EXPECT_EQ(sequence.output_length(), 3);
}

}  // namespace
}  // namespace octavo
