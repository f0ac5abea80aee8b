#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "octavo/request.h"

namespace octavo {

struct BeamParams {
  int64_t width = 2;         // beams, and answers; at most kMaxBeamWidth
  int64_t max_tokens = 16;   // of an answer
  float length_penalty = 1;  // a score is the sum of log-probabilities over length^penalty
  bool ignore_eos = false;
  std::vector<TokenId> eos = {};
};

inline constexpr int64_t kMaxBeamWidth = 64;  // twice that many alternatives are asked for

struct BeamAnswer {
  std::vector<TokenId> tokens;
  double logprob = 0, score = 0;
  Finish finish = Finish::length;  // or stop: its last token is an EOS
};

struct BeamResult {
  std::vector<BeamAnswer> answers;  // best first, at most `width`
  Finish finish = Finish::stop;     // abort, error, timeout, rejected: there are no answers
  Event last = {};                  // then: what the engine said
  int64_t prompt_tokens = 0, cached_tokens = 0, generated_tokens = 0;
};

// Beam search as a driver above an engine: each step asks for one more token of each beam, with its
// 2·width best alternatives; the prefix cache holds what the beams share. Of all continuations the
// `width` best go on; those that end in EOS are set aside, and the search ends when there are
// `width` of them, or at max_tokens.
//
// `base` gives prompt, salt, tenant, priority and the deadline of each step.
class BeamSearch : public std::enable_shared_from_this<BeamSearch> {
 public:
  struct Seams {
    std::function<RequestId(Request, EventSink)> submit;
    std::function<void(RequestId)> abort;
    std::function<void(const BeamResult&)> done;  // once, on the engine's thread
  };

  // REQUIRES: 1 <= width <= kMaxBeamWidth, max_tokens >= 1. Lives until `done`.
  static std::shared_ptr<BeamSearch> start(Request base, BeamParams params, Seams seams);
  // Ends it with Finish::abort. On the engine's thread.
  void cancel();

 private:
  struct Beam {
    std::vector<TokenId> tokens;
    double logprob = 0;
  };

  BeamSearch(Request base, BeamParams params, Seams seams);
  void ask();
  void hear(size_t beam, const Event& event);
  void advance();
  void finish();
  double score(const Beam& beam, bool ended) const;
  bool ends(TokenId token) const;

  const Request base_;
  const BeamParams params_;
  const Seams seams_;
  std::vector<Beam> beams_;
  std::vector<BeamAnswer> ended_;
  std::vector<PositionLogprobs> heard_;  // of each beam in this step
  std::vector<RequestId> asked_;
  size_t missing_ = 0;
  bool over_ = false;
  BeamResult result_;
};

}  // namespace octavo
