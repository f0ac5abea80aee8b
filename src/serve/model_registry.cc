#include "serve/model_registry.h"

#include <algorithm>
#include <exception>
#include <new>
#include <utility>

#include "base/log.h"
#include "octavo/error.h"

namespace octavo::serve {
namespace {

constexpr int kRetryLoading = 5;  // seconds, told to clients whose model could not be loaded

size_t longest_token(const Tokenizer& tokenizer) {
  size_t longest = 1;
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    longest = std::max(longest, tokenizer.token_bytes(static_cast<TokenId>(id)).size());
  }
  return longest;
}

}  // namespace

std::string_view state_name(ModelRegistry::State state) {
  switch (state) {
    case ModelRegistry::State::unloaded:
      return "unloaded";
    case ModelRegistry::State::loading:
      return "loading";
    case ModelRegistry::State::ready:
      return "ready";
    case ModelRegistry::State::unloading:
      return "unloading";
    case ModelRegistry::State::failed:
      return "failed";
  }
  return "failed";
}

struct ModelRegistry::Entry {
  Servable servable;
  State state = State::unloaded;
  bool wanted = false, unwanted = false;  // what the thread shall do
  std::unique_ptr<HostedModel> hosted;
  std::shared_ptr<Metrics> metrics;
  int64_t leases = 0, bytes = 0, max_model_len = 0;
  Clock::time_point last_used;
  std::vector<Waiter> waiters;
};

ModelRegistry::ModelRegistry(std::vector<Servable> models, RegistryOptions options)
    : options_(options) {
  for (Servable& model : models) {
    entries_.push_back(std::make_unique<Entry>());
    entries_.back()->servable = std::move(model);
  }
  thread_ = std::thread([this] { work(); });
}

ModelRegistry::~ModelRegistry() {
  drain(0);
  stop_loading();
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] {
    return std::ranges::all_of(entries_, [](const auto& entry) { return entry->leases == 0; });
  });
}

ModelRegistry::Entry* ModelRegistry::find(const std::string& name) const {
  if (name.empty()) return entries_.front().get();
  for (const auto& entry : entries_) {
    if (std::ranges::find(entry->servable.names, name) != entry->servable.names.end()) {
      return entry.get();
    }
  }
  return nullptr;
}

bool ModelRegistry::knows(const std::string& name) const {
  return find(name) != nullptr;  // names never change
}

Lease ModelRegistry::lease(Entry& entry) {
  ++entry.leases;
  return Lease(entry.hosted.get(), [this, &entry](HostedModel*) { release(entry); });
}

void ModelRegistry::release(Entry& entry) {
  const std::lock_guard lock(mutex_);
  --entry.leases;
  entry.last_used = Clock::now();
  changed_.notify_all();
}

void ModelRegistry::want(Entry& entry) {
  if (entry.state == State::loading || entry.state == State::ready) return;
  entry.wanted = true;
  changed_.notify_all();
}

Lease ModelRegistry::find_ready(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Entry* entry = find(name);
  const bool there = entry != nullptr && entry->state == State::ready && !entry->unwanted;
  return there ? lease(*entry) : nullptr;
}

void ModelRegistry::acquire(const std::string& name, Answer answer) {
  std::optional<ApiError> error;
  Lease found;
  {
    const std::lock_guard lock(mutex_);
    Entry* entry = find(name);
    if (entry == nullptr) {
      error = not_found("model", "the model " + name + " does not exist");
    } else if (stopping_) {
      error = overloaded("the server is shutting down", kRetryLoading);
    } else if (entry->state == State::ready && !entry->unwanted) {
      found = lease(*entry);
    } else if (static_cast<int64_t>(entry->waiters.size()) >= options_.max_waiting) {
      error = overloaded("too many requests wait for this model to be loaded", kRetryLoading);
    } else {
      const auto wait = std::chrono::duration<double>(options_.load_wait_s);
      entry->waiters.push_back(
          {std::move(answer), Clock::now() + std::chrono::duration_cast<Clock::duration>(wait)});
      want(*entry);
      return;
    }
  }
  answer(std::move(found), error);
}

std::optional<ApiError> ModelRegistry::load(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Entry* entry = find(name);
  if (entry == nullptr) return not_found("model", "the model " + name + " does not exist");
  entry->unwanted = false;
  want(*entry);
  return std::nullopt;
}

std::optional<ApiError> ModelRegistry::unload(const std::string& name) {
  const std::lock_guard lock(mutex_);
  Entry* entry = find(name);
  if (entry == nullptr) return not_found("model", "the model " + name + " does not exist");
  entry->wanted = false;
  entry->unwanted = entry->state == State::ready || entry->state == State::loading;
  changed_.notify_all();
  return std::nullopt;
}

std::vector<ModelRegistry::Status> ModelRegistry::status() {
  const std::lock_guard lock(mutex_);
  std::vector<Status> all;
  for (const auto& entry : entries_) {
    Status& status = all.emplace_back();
    status.servable = &entry->servable;
    status.state = entry->state;
    status.bytes = entry->bytes;
    status.max_model_len = entry->max_model_len;
    status.leases = entry->leases;
    status.metrics = entry->metrics;
    if (entry->state == State::ready) {
      // Looking at a model is no use of it, so idle unloading must not see this lease.
      ++entry->leases;
      status.lease = Lease(entry->hosted.get(), [this, raw = entry.get()](HostedModel*) {
        const std::lock_guard again(mutex_);
        --raw->leases;
        changed_.notify_all();
      });
    }
  }
  return all;
}

void ModelRegistry::tick(Clock::time_point now) {
  std::vector<Answer> late;
  {
    const std::lock_guard lock(mutex_);
    const auto idle = std::chrono::duration<double>(options_.idle_unload_s);
    for (const auto& entry : entries_) {
      std::erase_if(entry->waiters, [&](Waiter& waiter) {
        if (waiter.until > now) return false;
        late.push_back(std::move(waiter.answer));
        return true;
      });
      const bool unused = entry->state == State::ready && entry->leases == 0;
      if (options_.idle_unload_s > 0 && unused && now - entry->last_used > idle) {
        entry->unwanted = true;
        changed_.notify_all();
      }
    }
  }
  for (const Answer& answer : late) {
    answer(nullptr, overloaded("the model took too long to load", kRetryLoading));
  }
}

void ModelRegistry::drain(double timeout_s) {
  const auto begin = Clock::now();
  std::vector<HostedModel*> hosted;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    for (const auto& entry : entries_) {
      fail_waiters(*entry, overloaded("the server is shutting down", kRetryLoading), lock);
    }
    // Nothing is unloaded any more once the thread sees stopping_, so these stay.
    changed_.wait(lock, [&] {
      return std::ranges::none_of(
          entries_, [](const auto& entry) { return entry->state == State::unloading; });
    });
    for (const auto& entry : entries_) {
      if (entry->state == State::ready) hosted.push_back(entry->hosted.get());
    }
  }
  for (HostedModel* model : hosted) {
    const std::chrono::duration<double> used = Clock::now() - begin;
    model->engine->drain(std::max(0.0, timeout_s - used.count()));
  }
}

void ModelRegistry::stop_loading() {
  if (thread_.joinable()) thread_.join();
}

void ModelRegistry::fail_waiters(Entry& entry, const ApiError& error,
                                 std::unique_lock<std::mutex>& lock) {
  const std::vector<Waiter> waiters = std::exchange(entry.waiters, {});
  lock.unlock();
  for (const Waiter& waiter : waiters) waiter.answer(nullptr, error);
  lock.lock();
}

void ModelRegistry::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    Entry* job = nullptr;
    changed_.wait(lock, [&] {
      for (const auto& entry : entries_) {
        const bool leave = entry->unwanted && entry->state == State::ready && entry->leases == 0;
        const bool come = entry->wanted && entry->state != State::ready;
        if (leave || come) job = entry.get();
      }
      return stopping_ || job != nullptr;
    });
    if (stopping_) return;
    if (job->unwanted) {
      run_unload(*job, lock);
    } else {
      run_load(*job, lock);
    }
  }
}

int64_t ModelRegistry::cache_share(const Entry& entry) const {
  if (options_.memory_budget_bytes == 0) return 0;
  int64_t weights = 0;
  for (const auto& other : entries_) weights += other->servable.weight_bytes;
  const int64_t left = options_.memory_budget_bytes - weights;
  if (left > 0) return left / static_cast<int64_t>(entries_.size());
  // Not all of them fit at once: this one alone then.
  return std::max<int64_t>(1, options_.memory_budget_bytes - entry.servable.weight_bytes);
}

int64_t ModelRegistry::bytes_with(const Entry& entry) const {
  int64_t bytes = entry.servable.weight_bytes + cache_share(entry);
  for (const auto& other : entries_) {
    if (other->state == State::ready) bytes += other->bytes;
  }
  return bytes;
}

bool ModelRegistry::fits(size_t model) const {
  const std::lock_guard lock(mutex_);
  return options_.memory_budget_bytes == 0 ||
         bytes_with(*entries_.at(model)) <= options_.memory_budget_bytes;
}

// Unloads idle models, the longest unused first, until the budget has room for this one.
bool ModelRegistry::make_room(const Entry& entry, std::unique_lock<std::mutex>& lock) {
  if (options_.memory_budget_bytes == 0) return true;
  while (!stopping_) {
    if (bytes_with(entry) <= options_.memory_budget_bytes) return true;
    Entry* victim = nullptr;
    for (const auto& other : entries_) {
      if (other->state != State::ready || other->leases > 0) continue;
      if (victim == nullptr || other->last_used < victim->last_used) victim = other.get();
    }
    if (victim == nullptr) return false;
    run_unload(*victim, lock);
  }
  return false;
}

LoadedModel ModelRegistry::bring(Entry& entry) {
  LoadedModel loaded = entry.servable.load(cache_share(entry));
  ServedModel& served = *loaded.served;
  served.names = entry.servable.names;
  served.root = entry.servable.root;
  served.created = entry.servable.created;
  served.limits.max_model_len = loaded.engine->options().max_model_len;
  served.longest_token_bytes = longest_token(served.tokenizer);
  return loaded;
}

void ModelRegistry::install(Entry& entry, LoadedModel loaded) {
  entry.max_model_len = loaded.served->limits.max_model_len;
  entry.bytes = loaded.bytes;
  if (!entry.metrics) {
    entry.metrics = std::make_shared<Metrics>(entry.servable.names.front(), entry.max_model_len);
  }
  entry.hosted.reset(new HostedModel{.model = std::move(loaded.served),
                                     .engine = std::move(loaded.engine),
                                     .metrics = entry.metrics});
  entry.last_used = Clock::now();
  entry.state = State::ready;
  changed_.notify_all();
}

void ModelRegistry::load_now(size_t model) {
  Entry& entry = *entries_.at(model);
  {
    const std::lock_guard lock(mutex_);
    entry.state = State::loading;
  }
  LoadedModel loaded = bring(entry);
  std::unique_lock lock(mutex_);
  install(entry, std::move(loaded));
  serve_waiters(entry, lock);
}

void ModelRegistry::run_load(Entry& entry, std::unique_lock<std::mutex>& lock) {
  entry.wanted = false;
  entry.state = State::loading;
  if (!make_room(entry, lock)) {
    entry.state = State::unloaded;
    const ApiError full = overloaded("other models in use fill the memory budget", kRetryLoading);
    return fail_waiters(entry, full, lock);
  }
  std::optional<LoadedModel> loaded;
  std::string problem;
  lock.unlock();
  try {
    loaded.emplace(bring(entry));
  } catch (const Error& error) {
    problem = error.what();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  if (!problem.empty()) log_line(entry.servable.names.front() + " is not loaded: " + problem);
  lock.lock();
  if (!loaded) {
    entry.state = State::failed;
    return fail_waiters(entry, overloaded("the model could not be loaded", kRetryLoading), lock);
  }
  install(entry, std::move(*loaded));
  serve_waiters(entry, lock);
}

void ModelRegistry::serve_waiters(Entry& entry, std::unique_lock<std::mutex>& lock) {
  std::vector<std::pair<Answer, Lease>> served;
  for (Waiter& waiter : entry.waiters) served.emplace_back(std::move(waiter.answer), lease(entry));
  entry.waiters.clear();
  lock.unlock();
  for (auto& [answer, given] : served) answer(std::move(given), std::nullopt);
  served.clear();  // leases of those who did not keep theirs
  lock.lock();
}

// REQUIRES: ready and without a lease.
void ModelRegistry::run_unload(Entry& entry, std::unique_lock<std::mutex>& lock) {
  entry.unwanted = false;
  entry.state = State::unloading;
  std::unique_ptr<HostedModel> hosted = std::move(entry.hosted);
  lock.unlock();
  hosted.reset();  // may take a while: threads are joined, memory goes back
  lock.lock();
  entry.state = State::unloaded;
  entry.bytes = 0;
  if (!entry.waiters.empty()) entry.wanted = true;
  changed_.notify_all();
}

}  // namespace octavo::serve
