#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/thread_pool.h"
#include "engine/load.h"
#include "engine/stepper.h"
#include "octavo/engine.h"

namespace octavo {

// The engine without a particular model: a mailbox that any thread may fill, and the one thread
// that empties it and steps. Engine's methods are these.
class EngineLoop {
 public:
  using Clock = std::function<double()>;  // seconds; called from any thread
  static double steady_seconds();

  // Throws Error as Engine does.
  EngineLoop(StepModel model, ThreadPool& pool, const EngineOptions& options,
             Clock now = steady_seconds);
  // Aborts what is left.
  ~EngineLoop();
  EngineLoop(const EngineLoop&) = delete;
  EngineLoop& operator=(const EngineLoop&) = delete;

  void start();
  void run_until_idle();
  RequestId submit(Request request, EventSink sink);
  void abort(RequestId id);
  void drain(double timeout_s);
  std::optional<Overload> overload(const std::string& tenant, int64_t requests,
                                   int64_t prompt_tokens) const;
  bool reset_prefix_cache(Engine::Running running);
  EngineSnapshot snapshot(double wait_s) const;
  EngineStats stats() const;
  double stalled_s() const;
  const EngineOptions& options() const { return options_; }
  // For tests; REQUIRES: no engine thread at work.
  const KvCache& cache() const { return stepper_.cache(); }

 private:
  struct Rejected {
    EventSink sink;
    Event event;
  };
  struct Reset {
    Engine::Running running;
    std::promise<bool> done;
  };
  // What other threads asked for since the last turn.
  struct Mail {
    std::vector<std::unique_ptr<Sequence>> arrivals;
    std::vector<RequestId> aborts;
    std::vector<Rejected> rejected;
    std::vector<Reset> resets;
    std::vector<std::promise<void>> saves;
    bool abort_all = false, view = false;
    bool empty() const {
      return arrivals.empty() && aborts.empty() && rejected.empty() && resets.empty() &&
             saves.empty() && !abort_all && !view;
    }
  };

  std::unique_ptr<Sequence> make_sequence(RequestId id, Request request, EventSink sink) const;
  void work();
  // Reads the mail and does one step; false when there was neither.
  bool turn() noexcept;
  bool read_mail();
  bool reset(Engine::Running running);
  void publish_view();
  void count_ended();

  const EngineOptions options_;
  const Clock now_;
  const int64_t vocab_;
  const std::optional<int64_t> rope_trained_tokens_;
  const uint64_t entropy_;  // seeds of requests that bring none
  Load load_;
  Stepper stepper_;  // the engine thread's
  Mail reading_;     // the engine thread's

  std::atomic<RequestId> next_id_{1};
  std::atomic<int64_t> in_flight_{0};  // submitted and not ended
  std::atomic<double> busy_since_{-1};

  mutable std::mutex view_mutex_;  // guards view_ and views_
  mutable std::condition_variable has_view_;
  EngineSnapshot view_;
  int64_t views_ = 0;

  mutable std::mutex mutex_;                  // guards the following
  mutable std::condition_variable has_mail_;  // also: stop_
  std::condition_variable is_idle_;           // nothing in flight
  mutable Mail mail_;
  bool draining_ = false, stop_ = false;

  std::thread thread_;
};

}  // namespace octavo
