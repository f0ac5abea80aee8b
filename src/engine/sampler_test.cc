#include "engine/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "engine/random.h"

namespace octavo {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::vector<float> logits_of(const std::vector<double>& probabilities) {
  std::vector<float> logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p) + 3));
  return logits;
}

struct Row {
  std::vector<float> logits;
  SamplingParams params = {};
  std::vector<TokenId> output = {};
  TokenCounts counts = {};
  std::vector<TokenId> eos = {};
  uint64_t seed = 1, position = 0;

  Sample sample(int threads = 1) const {
    ThreadPool pool(threads);
    Sampler sampler(pool, static_cast<int64_t>(logits.size()));
    return sample_with(sampler);
  }
  Sample sample_with(Sampler& sampler) const {
    std::vector<float> copy = logits;
    const SampleTask task{.logits = copy,
                          .params = &params,
                          .output = output,
                          .counts = &counts,
                          .eos = eos,
                          .seed = seed,
                          .position = position};
    std::vector<Sample> samples(1);
    sampler.choose({&task, 1}, samples);
    return samples[0];
  }
  // How often each token came in `draws` draws at positions 0, 1, ...
  std::map<TokenId, double> shares(int draws) {
    ThreadPool pool(1);
    Sampler sampler(pool, static_cast<int64_t>(logits.size()));
    std::map<TokenId, double> result;
    for (int i = 0; i < draws; ++i) {
      position = i;
      result[sample_with(sampler).token] += 1.0 / draws;
    }
    return result;
  }
};

TEST(Philox, matches_the_published_vector_and_spreads_evenly) {
  // philox4x32-10, counter 0, key 0 begins 6627e8d5 e169c58d (known-answer file of Random123).
  EXPECT_EQ(philox(0, 0), 0xe169c58d6627e8d5u);
  double mean = 0;
  for (int i = 0; i < 100000; ++i) mean += uniform(7, i) / 100000;
  EXPECT_NEAR(mean, 0.5, 0.004);
}

TEST(Distribution, sums_weights_as_the_library_does) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 4);
  for (const int vocab : {1, 15, 16, 17, 10003}) {
    std::vector<float> logits(vocab);
    for (float& logit : logits) logit = normal(random);
    const float peak = find_peak(logits).top.logit;
    double expected = 0;
    for (const float logit : logits) expected += std::exp(static_cast<double>(logit) - peak);
    EXPECT_NEAR(std::exp(log_sum_exp(logits, peak) - peak) / expected, 1, 3e-7) << vocab;
  }
}

TEST(Distribution, selects_the_same_tokens_as_a_full_sort) {
  std::mt19937 random(5);
  for (const int vocab : {1, 7, 100, 5000}) {
    std::vector<float> logits(vocab);
    for (float& logit : logits) logit = static_cast<float>(random() % 50);  // many ties
    std::vector<Scored> all;
    for (int i = 0; i < vocab; ++i) all.push_back({logits[i], i});
    std::sort(all.begin(), all.end(), before);
    for (const int count : {1, 2, 50, 64, 65, 4999}) {
      std::vector<Scored> top;
      sorted_top(logits, Cut{}, count, top);
      ASSERT_EQ(static_cast<int>(top.size()), std::min(count, vocab));
      for (size_t i = 0; i < top.size(); ++i) ASSERT_EQ(top[i].id, all[i].id);
    }
    for (int i = 0; i < vocab; i += 1 + vocab / 20) {
      EXPECT_EQ(rank_of(logits, all[i].id), i + 1);
    }
  }
}

TEST(Sampler, takes_the_most_likely_token_at_temperature_zero_and_the_lower_of_equals) {
  Row row{.logits = {1, 3, 3, 2}};
  row.params.temperature = 0;
  EXPECT_EQ(row.sample().token, 1);
}

TEST(Sampler, draws_by_the_probabilities_of_the_row) {
  Row row{.logits = logits_of({0.5, 0.3, 0.15, 0.05})};
  const auto shares = row.shares(40000);
  EXPECT_NEAR(shares.at(0), 0.5, 0.012);
  EXPECT_NEAR(shares.at(1), 0.3, 0.012);
  EXPECT_NEAR(shares.at(2), 0.15, 0.009);
  EXPECT_NEAR(shares.at(3), 0.05, 0.006);
}

TEST(Sampler, sharpens_with_low_and_flattens_with_high_temperature) {
  Row row{.logits = logits_of({0.8, 0.2})};
  row.params.temperature = 0.5f;  // odds 4 become 16
  EXPECT_NEAR(row.shares(40000).at(1), 1.0 / 17, 0.006);
  row.params.temperature = 2;  // odds 2
  EXPECT_NEAR(row.shares(40000).at(1), 1.0 / 3, 0.012);
}

TEST(Sampler, keeps_the_top_k_and_renormalises) {
  Row row{.logits = logits_of({0.1, 0.4, 0.2, 0.3})};
  row.params.top_k = 2;
  const auto shares = row.shares(20000);
  EXPECT_EQ(shares.size(), 2u);
  EXPECT_NEAR(shares.at(1), 4.0 / 7, 0.017);
  row.params.top_k = 1;
  EXPECT_EQ(row.shares(100).size(), 1u);
}

TEST(Sampler, keeps_the_smallest_set_that_reaches_top_p) {
  Row row{.logits = logits_of({0.05, 0.45, 0.3, 0.2})};
  row.params.top_p = 0.7f;
  auto shares = row.shares(20000);
  EXPECT_EQ(shares.size(), 2u);
  EXPECT_NEAR(shares.at(1), 0.6, 0.017);
  row.params.top_p = 0.8f;
  EXPECT_EQ(row.shares(5000).size(), 3u);
  row.params.top_p = 1e-6f;
  EXPECT_EQ(row.shares(100).size(), 1u);
}

TEST(Sampler, reaches_top_p_beyond_the_first_guess) {
  Row row{.logits = std::vector<float>(400, 0.5f)};
  row.params.top_p = 0.5f;
  const auto shares = row.shares(2000);
  EXPECT_LT(shares.rbegin()->first, 202);  // of equals the lower ids stay
  EXPECT_GT(shares.size(), 190u);
}

TEST(Sampler, applies_top_p_to_what_top_k_left) {
  Row row{.logits = logits_of({0.4, 0.3, 0.2, 0.1})};
  row.params.top_k = 2;
  row.params.top_p = 0.56f;  // 4/7 = 0.571 of the two
  EXPECT_EQ(row.shares(500).size(), 1u);
}

TEST(Sampler, drops_tokens_below_min_p_of_the_best) {
  Row row{.logits = logits_of({0.5, 0.3, 0.15, 0.05})};
  row.params.min_p = 0.2f;
  EXPECT_EQ(row.shares(5000).size(), 3u);
  row.params.min_p = 1;
  EXPECT_EQ(row.shares(100).size(), 1u);
}

TEST(Sampler, edits_logits_in_the_documented_order) {
  ThreadPool pool(1);
  std::vector<float> logits{2, -2, 4, 1, 0, 3};
  SamplingParams params;
  params.allowed_token_ids = {0, 1, 2, 3, 4};
  params.bad_words = {{4}, {7, 3}, {0, 2}};
  params.logit_bias = {{0, 500.0f}, {1, -1.0f}};
  params.repetition_penalty = 2;
  params.frequency_penalty = 0.5f;
  params.presence_penalty = 0.25f;
  const TokenCounts counts{{0, 2}, {1, 0}, {3, 1}};
  const std::vector<TokenId> output{0, 3, 0};
  std::vector<Scored> scratch;
  scratch.reserve(6);
  edit_logits({.logits = logits,
               .params = &params,
               .output = output,
               .counts = &counts,
               .eos = {},
               .seed = 0,
               .position = 0},
              scratch);
  EXPECT_FLOAT_EQ(logits[0], (2 + 100) / 2.0f - 0.5f * 2 - 0.25f);  // the bias is clamped
  EXPECT_FLOAT_EQ(logits[1], (-2 - 1) * 2.0f);                      // prompt only
  EXPECT_EQ(logits[2], -kInfinity);                                 // would complete {0, 2}
  EXPECT_FLOAT_EQ(logits[3], 0.5f - 0.5f - 0.25f);                  // {7, 3} is not complete
  EXPECT_EQ(logits[4], -kInfinity);
  EXPECT_EQ(logits[5], -kInfinity);
}

TEST(Sampler, holds_stops_back_until_min_tokens) {
  Row row{.logits = {5, 4, 3}, .eos = {0}};
  row.params.temperature = 0;
  row.params.stop_token_ids = {1};
  row.params.min_tokens = 1;
  EXPECT_EQ(row.sample().token, 2);
  row.output = {2};
  EXPECT_EQ(row.sample().token, 0);
  row.output = {};
  row.params.ignore_eos = true;
  EXPECT_EQ(row.sample().token, 0);
}

TEST(Sampler, reports_logprobs_of_the_unmodified_row) {
  Row row{.logits = logits_of({0.5, 0.25, 0.125, 0.125})};
  row.params.temperature = 0;
  row.params.logprobs = 3;
  row.params.logit_bias = {{3, 50.0f}};
  const Sample sample = row.sample();
  EXPECT_EQ(sample.token, 3);
  EXPECT_NEAR(sample.logprobs.chosen.logprob, std::log(0.125), 1e-6);
  EXPECT_EQ(sample.logprobs.chosen.rank, 4);
  ASSERT_EQ(sample.logprobs.top.size(), 3u);
  EXPECT_EQ(sample.logprobs.top[0].id, 0);
  EXPECT_NEAR(sample.logprobs.top[1].logprob, std::log(0.25), 1e-6);
  EXPECT_EQ(sample.logprobs.top[2].id, 2);  // of equals the lower id
  EXPECT_EQ(sample.logprobs.top[2].rank, 3);
}

TEST(Sampler, fails_only_rows_that_are_not_finite_or_fully_masked) {
  EXPECT_NE((Row{.logits = {0, NAN, 1}}.sample().failure), nullptr);
  EXPECT_NE((Row{.logits = {0, kInfinity, 1}}.sample().failure), nullptr);
  Row masked{.logits = {0, 1, 2}};
  masked.params.allowed_token_ids = {1};
  masked.params.bad_words = {{1}};
  EXPECT_NE(masked.sample().failure, nullptr);
  EXPECT_EQ((Row{.logits = {-kInfinity, 0, -kInfinity}}.sample().token), 1);
}

TEST(Sampler, gives_a_row_the_same_token_in_any_company) {
  std::mt19937 random(11);
  std::normal_distribution<float> normal(0, 3);
  const int rows = 40, vocab = 1003;
  std::vector<std::vector<float>> logits(rows, std::vector<float>(vocab));
  std::vector<SamplingParams> params(rows);
  for (int i = 0; i < rows; ++i) {
    for (float& logit : logits[i]) logit = normal(random);
    params[i].top_k = i % 3 == 0 ? 20 : 0;
    params[i].top_p = i % 2 == 0 ? 0.9f : 1;
    params[i].min_p = i % 5 == 0 ? 0.01f : 0;
  }
  auto copy = logits;
  std::vector<SampleTask> tasks(rows);
  for (int i = 0; i < rows; ++i) {
    tasks[i].logits = copy[i];
    tasks[i].params = &params[i];
    tasks[i].seed = 100 + i;
    tasks[i].position = 5;
  }
  ThreadPool pool(3);
  Sampler sampler(pool, vocab);
  std::vector<Sample> together(rows);
  sampler.choose(tasks, together);
  for (int i = 0; i < rows; ++i) {
    const Row alone{.logits = logits[i],
                    .params = params[i],
                    .seed = 100 + static_cast<uint64_t>(i),
                    .position = 5};
    EXPECT_EQ(alone.sample().token, together[i].token);
  }
}

}  // namespace
}  // namespace octavo
