#include "engine/beam_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "engine/fake_model.h"
#include "engine/loop.h"

namespace octavo {
namespace {

struct Bench {
  ThreadPool pool{1};
  EngineLoop loop{FakeModel{}.step_model(16), pool,
                  EngineOptions{.max_model_len = 128,
                                .max_num_seqs = 4,
                                .max_num_batched_tokens = 32,
                                .num_blocks = 64,
                                .block_tokens = 16}};

  BeamResult run(Request base, const BeamParams& params) {
    BeamResult result;
    int done = 0;
    BeamSearch::start(std::move(base), params, seams([&](const BeamResult& r) {
                        result = r;
                        ++done;
                      }));
    loop.run_until_idle();
    EXPECT_EQ(done, 1);
    EXPECT_EQ(loop.cache().pool().free(), 64);
    return result;
  }
  BeamSearch::Seams seams(std::function<void(const BeamResult&)> done) {
    return {.submit =
                [this](Request request, EventSink sink) {
                  return loop.submit(std::move(request), std::move(sink));
                },
            .abort = [this](RequestId id) { loop.abort(id); },
            .done = std::move(done)};
  }
};

struct Hypothesis {
  std::vector<TokenId> tokens;
  double logprob = 0, score = 0;
  bool ended = false;
};

// The search written down plainly, over all tokens instead of the best ones.
std::vector<Hypothesis> by_hand(const std::vector<TokenId>& prompt, const BeamParams& params) {
  std::vector<Hypothesis> beams(1), ended;
  const auto by_score = [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; };
  std::vector<float> logits(FakeModel::kVocab);
  for (int64_t step = 0; step < params.max_tokens; ++step) {
    std::vector<Hypothesis> next;
    for (const Hypothesis& beam : beams) {
      std::vector<TokenId> tokens = prompt;
      tokens.insert(tokens.end(), beam.tokens.begin(), beam.tokens.end());
      FakeModel::logits_after(tokens, logits);
      const double sum = log_sum_exp(logits, find_peak(logits).top.logit);
      std::vector<Hypothesis> own;
      for (TokenId id = 0; id < FakeModel::kVocab; ++id) {
        Hypothesis child = beam;
        child.tokens.push_back(id);
        child.logprob += static_cast<float>(logits[id] - sum);
        child.ended = std::ranges::find(params.eos, id) != params.eos.end();
        const auto length = static_cast<double>(prompt.size() + child.tokens.size() - child.ended);
        child.score = child.logprob / std::pow(length, params.length_penalty);
        own.push_back(std::move(child));
      }
      std::stable_sort(own.begin(), own.end(), [](const Hypothesis& a, const Hypothesis& b) {
        return a.logprob > b.logprob;
      });
      own.resize(2 * params.width);
      for (Hypothesis& child : own) (child.ended ? ended : next).push_back(std::move(child));
    }
    std::stable_sort(next.begin(), next.end(), by_score);
    next.resize(std::min<size_t>(next.size(), params.width));
    beams = std::move(next);
    if (static_cast<int64_t>(ended.size()) >= params.width) break;
  }
  if (static_cast<int64_t>(ended.size()) < params.width) {
    ended.insert(ended.end(), beams.begin(), beams.end());
  }
  std::stable_sort(ended.begin(), ended.end(), by_score);
  ended.resize(std::min<size_t>(ended.size(), params.width));
  return ended;
}

TEST(BeamSearch, finds_what_a_search_by_hand_finds) {
  const std::vector<TokenId> prompt{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21};
  for (const int64_t width : {1, 2, 5}) {
    for (const float penalty : {0.0f, 1.0f, 2.0f}) {
      const BeamParams params{
          .width = width, .max_tokens = 12, .length_penalty = penalty, .eos = {3, 40}};
      Bench bench;
      const BeamResult result = bench.run({.prompt = prompt}, params);
      const auto expected = by_hand(prompt, params);
      ASSERT_EQ(result.answers.size(), expected.size());
      for (size_t i = 0; i < expected.size(); ++i) {
        EXPECT_EQ(result.answers[i].tokens, expected[i].tokens) << width << " " << penalty;
        EXPECT_NEAR(result.answers[i].logprob, expected[i].logprob, 1e-3);
        EXPECT_EQ(result.answers[i].finish == Finish::stop, expected[i].ended);
      }
      EXPECT_EQ(result.prompt_tokens, 17);
    }
  }
}

TEST(BeamSearch, of_one_beam_is_greedy) {
  Bench bench;
  const BeamResult result = bench.run({.prompt = {1, 2, 3}}, {.width = 1, .max_tokens = 20});
  ASSERT_EQ(result.answers.size(), 1u);
  EXPECT_EQ(result.answers[0].tokens, FakeModel::greedy({1, 2, 3}, 20));
  EXPECT_EQ(result.answers[0].finish, Finish::length);
}

TEST(BeamSearch, tells_why_there_is_no_answer) {
  Bench bench;
  const BeamResult refused = bench.run({.prompt = {}}, {.width = 2, .max_tokens = 4});
  EXPECT_EQ(refused.finish, Finish::rejected);
  EXPECT_EQ(refused.last.param, "prompt");
  EXPECT_TRUE(refused.answers.empty());
}

TEST(BeamSearch, ends_when_it_is_cancelled_and_leaves_nothing_behind) {
  Bench bench;
  int done = 0;
  std::shared_ptr<BeamSearch> search;
  Finish finish = Finish::none;
  search = BeamSearch::start({.prompt = {1, 2, 3}}, {.width = 3, .max_tokens = 50},
                             bench.seams([&](const BeamResult& result) {
                               finish = result.finish;
                               ++done;
                             }));
  search->cancel();
  bench.loop.run_until_idle();
  EXPECT_EQ(done, 1);
  EXPECT_EQ(finish, Finish::abort);
  EXPECT_EQ(bench.loop.cache().pool().free(), 64);
}

}  // namespace
}  // namespace octavo
