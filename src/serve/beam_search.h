#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "octavo/request.h"

namespace octavo::serve {

// One way on from a prompt.
struct Beam {
  std::vector<TokenId> tokens = {};
  std::vector<PositionLogprobs> logprobs = {};  // one a token
  double logprob = 0;                           // of all tokens together
  bool complete = false;                        // ended by a token that ends sequences
};

// Beam search over a prompt, step by step: the model's part is to say, for each live beam, which
// tokens are most likely next. Of all their continuations the `width` best live on; those that end
// are kept aside. A beam's score is logprob / tokens^length_penalty. As vLLM defines it.
class BeamSearch {
 public:
  struct Options {
    int64_t width = 1, max_tokens = 16;
    double length_penalty = 1;
    int32_t shown_logprobs = 0;      // alternatives kept beside each chosen token
    std::vector<TokenId> ends = {};  // tokens that complete a beam
  };
  explicit BeamSearch(Options options);

  // How many of the most likely tokens each step needs.
  int32_t candidates() const { return static_cast<int32_t>(2 * options_.width); }
  const std::vector<Beam>& live() const { return live_; }
  // The most likely tokens after each live beam, in its order. REQUIRES: not done().
  void step(std::span<const std::vector<TokenLogprob>> next);
  bool done() const;
  // The `width` best of all, best first.
  std::vector<Beam> best() const;

 private:
  double score(const Beam& beam) const;

  const Options options_;
  std::vector<Beam> live_ = {Beam{}}, complete_;
  int64_t steps_ = 0;
};

}  // namespace octavo::serve
