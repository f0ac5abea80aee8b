#include "serve/beam_search.h"

#include <gtest/gtest.h>

#include <cmath>

namespace octavo::serve {
namespace {

TokenLogprob likely(TokenId id, double probability) {
  return {.id = id, .logprob = static_cast<float>(std::log(probability)), .rank = 1};
}

using Next = std::vector<std::vector<TokenLogprob>>;

TEST(BeamSearch, finds_what_greedy_search_misses) {
  // After 1 the model is unsure, after 2 it is sure: 0.6 * 0.5 < 0.4 * 0.9.
  BeamSearch search({.width = 2, .max_tokens = 2});
  search.step(Next{{likely(1, 0.6), likely(2, 0.4)}});
  ASSERT_EQ(search.live().size(), 2u);
  search.step(Next{{likely(3, 0.5), likely(4, 0.4)}, {likely(5, 0.9), likely(6, 0.1)}});
  ASSERT_TRUE(search.done());
  const auto best = search.best();
  EXPECT_EQ(best.at(0).tokens, (std::vector<TokenId>{2, 5}));
  EXPECT_EQ(best.at(1).tokens, (std::vector<TokenId>{1, 3}));
  EXPECT_NEAR(std::exp(best[0].logprob), 0.36, 1e-6);
}

TEST(BeamSearch, completed_beams_wait_aside_and_are_weighed_by_length) {
  const BeamSearch::Options options{.width = 2, .max_tokens = 9, .ends = {7}};
  BeamSearch search(options);
  search.step(Next{{likely(7, 0.5), likely(1, 0.3), likely(2, 0.2)}});
  EXPECT_EQ(search.live().size(), 2u);
  search.step(Next{{likely(7, 0.9), likely(1, 0.1)}, {likely(7, 0.9), likely(1, 0.1)}});
  ASSERT_TRUE(search.done());
  const auto best = search.best();
  // 0.27 over two tokens is better than 0.5 over one: log 0.27 / 2 > log 0.5.
  EXPECT_EQ(best.at(0).tokens, (std::vector<TokenId>{1, 7}));
  EXPECT_TRUE(best[0].complete);
  BeamSearch short_ones({.width = 2, .max_tokens = 9, .length_penalty = 0, .ends = {7}});
  short_ones.step(Next{{likely(7, 0.5), likely(1, 0.3), likely(2, 0.2)}});
  short_ones.step(Next{{likely(7, 0.9), likely(1, 0.1)}, {likely(7, 0.9), likely(1, 0.1)}});
  EXPECT_EQ(short_ones.best().at(0).tokens, (std::vector<TokenId>{7}));
}

TEST(BeamSearch, keeps_the_alternatives_that_are_shown) {
  BeamSearch search({.width = 1, .max_tokens = 1, .shown_logprobs = 2});
  search.step(Next{{likely(1, 0.6), likely(2, 0.3)}});
  const auto best = search.best();
  EXPECT_EQ(best.at(0).logprobs.at(0).chosen.id, 1);
  EXPECT_EQ(best[0].logprobs[0].top.size(), 2u);
}

TEST(BeamSearch, ends_when_nothing_can_follow) {
  BeamSearch search({.width = 2, .max_tokens = 5});
  search.step(Next{{}});
  EXPECT_TRUE(search.done());
  EXPECT_TRUE(search.best().empty());
}

}  // namespace
}  // namespace octavo::serve
