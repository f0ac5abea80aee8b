#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "serve/api_error.h"
#include "serve/hosted_model.h"

namespace octavo::serve {

struct RegistryOptions {
  double load_wait_s = 300;         // a request waits so long for its model
  double idle_unload_s = 0;         // a model that nobody uses for so long goes; 0: stays
  int64_t memory_budget_bytes = 0;  // of all models together; 0: no bound
  int64_t max_waiting = 256;        // requests that wait for models to be loaded
};

// All models of a server: which are in memory, who uses them, and what waits for them. One thread
// of its own loads and unloads, one model at a time; every other call returns at once. Any thread.
class ModelRegistry {
 public:
  using Clock = std::chrono::steady_clock;
  // Called once: with a lease, or with why there is none. From the caller's thread when the model
  // is there, else from the registry's; must be quick.
  using Answer = std::function<void(Lease lease, const std::optional<ApiError>& error)>;

  ModelRegistry(std::vector<Servable> models, RegistryOptions options);
  ~ModelRegistry();  // REQUIRES: no acquire() from now on; waits for all leases
  ModelRegistry(const ModelRegistry&) = delete;
  ModelRegistry& operator=(const ModelRegistry&) = delete;

  // Whether the budget has room for it beside those in memory.
  bool fits(size_t model) const;
  // Loads in the caller. Throws what loading throws.
  void load_now(size_t model);

  // The model of this name ("": the first), when it is there.
  void acquire(const std::string& name, Answer answer);
  // Only if it is in memory now.
  Lease find_ready(const std::string& name);
  bool knows(const std::string& name) const;

  // Begin to load or to unload; empty: on its way or done.
  std::optional<ApiError> load(const std::string& name);
  std::optional<ApiError> unload(const std::string& name);

  enum class State { unloaded, loading, ready, unloading, failed };
  struct Status {
    const Servable* servable = nullptr;
    State state = State::unloaded;
    int64_t bytes = 0, max_model_len = 0, leases = 0;
    std::shared_ptr<Metrics> metrics;  // null: never loaded
    Lease lease;                       // null: not in memory
  };
  // In the order given; holds leases while it lives.
  std::vector<Status> status();

  // Ends waits that took too long and unloads idle models. Called now and then.
  void tick(Clock::time_point now);

  // Those who wait are refused, engines finish within the time given, nothing is loaded any more.
  void drain(double timeout_s);
  // Returns when the registry's thread has ended; no answer comes from it after that.
  // REQUIRES: drain().
  void stop_loading();

 private:
  struct Waiter {
    Answer answer;
    Clock::time_point until;
  };
  struct Entry;

  Entry* find(const std::string& name) const;
  Lease lease(Entry& entry);  // REQUIRES: locked, entry.hosted
  void release(Entry& entry);
  void want(Entry& entry);  // REQUIRES: locked
  void work();
  void run_load(Entry& entry, std::unique_lock<std::mutex>& lock);
  void run_unload(Entry& entry, std::unique_lock<std::mutex>& lock);
  int64_t bytes_with(const Entry& entry) const;
  bool make_room(const Entry& entry, std::unique_lock<std::mutex>& lock);
  LoadedModel bring(Entry& entry);
  void install(Entry& entry, LoadedModel loaded);  // REQUIRES: locked
  void serve_waiters(Entry& entry, std::unique_lock<std::mutex>& lock);
  void fail_waiters(Entry& entry, const ApiError& error, std::unique_lock<std::mutex>& lock);
  int64_t cache_share(const Entry& entry) const;

  const RegistryOptions options_;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable changed_;
  std::vector<std::unique_ptr<Entry>> entries_;
  bool stopping_ = false;
  std::thread thread_;
};

std::string_view state_name(ModelRegistry::State state);

}  // namespace octavo::serve
