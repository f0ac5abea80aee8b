#pragma once

#include <atomic>
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
#include "engine/fair_queue.h"
#include "engine/fairness.h"
#include "engine/load.h"
#include "engine/prefix_store.h"
#include "engine/sampler.h"
#include "engine/scheduler.h"
#include "engine/sequence.h"
#include "engine/step_meter.h"
#include "engine/step_model.h"

namespace octavo {

// Counters that any thread may read while the engine's thread writes.
struct LiveStats {
  using Count = std::atomic<int64_t>;
  Count running{0}, deferred{0}, blocks_used{0}, blocks_cached{0};
  Count preemptions{0}, prompt_tokens{0}, generation_tokens{0};
  Count prefix_queries_tokens{0}, prefix_hits_tokens{0}, prefix_hits_disk_tokens{0};
  Count corrupted{0}, timeouts{0};

  void add_to(EngineStats& stats) const;
};

// A counter of LiveStats or Tenant, written by one thread only: a load and a store are enough.
inline void add(std::atomic<int64_t>& counter, int64_t value) {
  counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

// How a sequence ends.
struct Ending {
  Finish finish = Finish::none;
  std::optional<TokenId> stop_token = {};
  std::string reason = {};
  bool corrupted = false;  // by a number that is not finite
};

// All mutable serving state and what happens in a step: plan, forward, sample, tell. Belongs to one
// thread; knows nothing of queues and threads. Sinks are called from here; one that throws has its
// request aborted.
class Stepper {
 public:
  // REQUIRES: options as complete() returns them.
  Stepper(StepModel model, ThreadPool& pool, const EngineOptions& options, Load& load,
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
  // Any thread.
  void add_to(EngineStats& stats) const;
  // Of all but the statistics.
  EngineSnapshot view() const;
  // Forgets the cached prefixes; sets running sequences back first, if that is asked.
  void set_back_all();
  void forget_prefixes();
  // The directory of the prefix cache: whether blocks wait to be saved; saves some; saves all, for
  // at most `limit_s`.
  bool saving() const { return store_ && store_->pending(); }
  void save_some();
  void save_all(double limit_s);
  bool runs() const { return !running_.empty(); }
  const KvCache& cache() const { return cache_; }
  void for_each(FunctionRef<void(const Sequence&)> visit) const;

 private:
  using Owned = std::unique_ptr<Sequence>;
  using Part = StepMeter::Part;
  struct Scheduled {
    Sequence* sequence;
    int64_t rows;
  };

  bool before(const Sequence& a, const Sequence& b) const;
  void run_on(Owned sequence);

  void expire();
  void plan();
  std::optional<CandidateInfo> candidate(int64_t index);
  void preempt(size_t index);
  void displace();
  void revive();
  void distrust(Sequence& sequence);
  void admit(const Plan& plan);
  void run();
  void build_tasks(const Mat& logits);
  void advance(const Scheduled& scheduled);
  void take_sample(Sequence& sequence, Sample& sample);
  void begin_output(Sequence& sequence);
  Ending ending_after(const Sequence& sequence, TokenId token) const;

  void end(Sequence& sequence, const Ending& ending);
  void deliver(Sequence& sequence, const Ending& ending);
  void drop_ended();
  void tell_levels();

  const EngineOptions options_;
  const StepModel model_;
  const std::function<double()> now_;
  Load& load_;
  StepLimits limits_;
  KvCache cache_;
  std::unique_ptr<PrefixStore> store_;
  HugeBuffer logits_;
  BatchBuilder batch_;
  Sampler sampler_;

  Fairness fairness_;
  FairQueue waiting_;
  std::vector<Owned> running_;  // in rank order
  std::unordered_map<RequestId, Sequence*> by_id_;
  int64_t ended_ = 0;
  bool any_deadline_ = false, any_ended_ = false;
  bool lacked_room_ = false;  // the last plan left somebody out

  // Of the current step; kept for their capacity.
  Plan plan_;
  std::vector<CandidateInfo> candidates_;
  std::vector<RunningInfo> running_info_;
  std::vector<Scheduled> scheduled_;
  std::vector<ScoreTask> score_tasks_;
  std::vector<SampleTask> sample_tasks_;
  std::vector<Sequence*> sampled_;
  std::vector<Sample> samples_;
  Event event_;
  int64_t preempted_ = 0;
  StepMeter meter_;
  LiveStats stats_;
};

}  // namespace octavo
