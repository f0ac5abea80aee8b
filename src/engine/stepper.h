#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/memory.h"
#include "cache/kv_cache.h"
#include "engine/batch.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/step_model.h"

namespace octavo {

// Counters that any thread may read while the engine's thread writes.
struct LiveStats {
  std::atomic<int64_t> running{0}, blocks_used{0}, steps{0}, preemptions{0}, prompt_tokens{0},
      generation_tokens{0}, prefix_queries_tokens{0}, prefix_hits_tokens{0}, last_batch_tokens{0};
};

// How a sequence ends.
struct Ending {
  Finish finish = Finish::none;
  std::optional<TokenId> stop_token = {};
  std::string reason = {};
};

// All mutable serving state and what happens in a step: plan, forward, sample, tell. Belongs to one
// thread; knows nothing of queues and threads. Sinks are called from here; one that throws has its
// request aborted.
class Stepper {
 public:
  // REQUIRES: options as complete() returns them.
  Stepper(StepModel model, ThreadPool& pool, const EngineOptions& options,
          std::function<double()> now);

  void accept(std::unique_ptr<Sequence> sequence);
  void abort(RequestId id);
  // Ends every sequence.
  void end_all(const Ending& ending);
  // Does one step; false when there is nothing to do. A step that fails ends every sequence with an
  // error.
  bool step();

  // Sequences that ended since the last call.
  int64_t take_ended() { return std::exchange(ended_, 0); }
  bool idle() const { return waiting_.empty() && running_.empty(); }
  const LiveStats& stats() const { return stats_; }
  const KvCache& cache() const { return cache_; }

 private:
  using Owned = std::unique_ptr<Sequence>;
  struct Scheduled {
    Sequence* sequence;
    int64_t rows;
  };

  bool before(const Sequence& a, const Sequence& b) const;
  template <class List>
  void insert(List& list, Owned sequence);

  void expire();
  void plan();
  CandidateInfo candidate(int64_t index) const;
  void preempt_last();
  void admit(const Plan& plan);
  void run();
  void build_tasks(const Mat& logits);
  void advance(const Scheduled& scheduled);
  void take_sample(Sequence& sequence, Sample& sample);
  Ending ending_after(const Sequence& sequence, TokenId token) const;

  void end(Sequence& sequence, const Ending& ending);
  void deliver(Sequence& sequence, const Ending& ending);
  void drop_ended();

  const EngineOptions options_;
  const StepModel model_;
  const std::function<double()> now_;
  const StepLimits limits_;
  KvCache cache_;
  HugeBuffer logits_;
  BatchBuilder batch_;
  Sampler sampler_;

  std::deque<Owned> waiting_;  // both in rank order
  std::vector<Owned> running_;
  std::unordered_map<RequestId, Sequence*> by_id_;
  int64_t ended_ = 0;
  bool any_deadline_ = false, any_ended_ = false;

  // Of the current step; kept for their capacity.
  Plan plan_;
  std::vector<RunningInfo> running_info_;
  std::vector<Scheduled> scheduled_;
  std::vector<ScoreTask> score_tasks_;
  std::vector<SampleTask> sample_tasks_;
  std::vector<Sequence*> sampled_;
  std::vector<Sample> samples_;
  Event event_;
  LiveStats stats_;
};

}  // namespace octavo
