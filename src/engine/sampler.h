#pragma once

#include <cstdint>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/thread_pool.h"
#include "engine/distribution.h"
#include "octavo/engine.h"

namespace octavo {

// Tokens that penalties look at: how often each was put out; 0: only in the prompt.
using TokenCounts = std::unordered_map<TokenId, int32_t>;

// One token to choose. The result is a function of these fields alone.
struct SampleTask {
  std::span<float> logits;  // [v], overwritten
  const SamplingParams* params = nullptr;
  std::span<const TokenId> output;  // tokens chosen so far
  const TokenCounts* counts = nullptr;
  std::span<const TokenId> eos;
  uint64_t seed = 0;
  uint64_t position = 0;  // of the new token in its sequence
};

struct Sample {
  TokenId token = -1;             // -1: none could be chosen
  const char* failure = nullptr;  // why not
  bool corrupted = false;         // because a logit is not finite
  PositionLogprobs logprobs;      // if asked
};

// The likelihood of a token that is there already.
struct ScoreTask {
  std::span<const float> logits;  // [v], left alone
  TokenId token = 0;
  int32_t top = 0;
  PositionLogprobs* result = nullptr;
};

// Chooses the next tokens of a step's rows, one row a worker. After construction and the growth of
// results to their largest size, nothing is allocated.
class Sampler {
 public:
  Sampler(ThreadPool& pool, int64_t vocab);

  // Fills samples[i] from tasks[i].
  void choose(std::span<const SampleTask> tasks, std::span<Sample> samples) noexcept;
  void score(std::span<const ScoreTask> tasks) noexcept;

 private:
  struct Worker {  // of capacity v
    std::vector<Scored> scratch;
    std::vector<float> raw;  // the row before it is edited, where it is needed afterwards
    std::vector<double> strips;
  };
  static void choose_one(const SampleTask& task, Worker& worker, Sample& sample) noexcept;

  ThreadPool& pool_;
  std::vector<Worker> workers_;
};

// Log-probability and rank of `token` and of the `top` most likely ones; NaN for a row that is not
// finite. `scratch` as in select_top.
void describe(std::span<const float> logits, TokenId token, int32_t top,
              std::vector<Scored>& scratch, PositionLogprobs& out);

// Steps 2 to 6 of the order in SamplingParams: what changes single logits before temperature.
void edit_logits(const SampleTask& task, std::vector<Scored>& scratch);

}  // namespace octavo
