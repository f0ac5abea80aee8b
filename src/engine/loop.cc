#include "engine/loop.h"

#include <algorithm>
#include <chrono>
#include <random>
#include <utility>

#include "engine/memory_plan.h"
#include "engine/random.h"
#include "engine/request.h"

namespace octavo {
namespace {

constexpr double kRetryAfterDrain = 5;
// The prefix cache's directory: how long a drain may write what is left, and how often an idle
// engine looks whether the rate allows more.
constexpr double kSaveLimit = 10;
constexpr std::chrono::milliseconds kSavePause(50);

uint64_t random_bits() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

Event rejection(Refusal refusal) {
  Event event;
  event.finish = Finish::rejected;
  event.refused = Refused::bad_request;
  event.reason = std::move(refusal.reason);
  event.param = std::move(refusal.param);
  return event;
}

Event rejection(Overload overload) {
  Event event;
  event.finish = Finish::rejected;
  event.refused = overload.scope;
  event.overloaded = true;
  event.reason = std::move(overload.reason);
  event.limit = std::move(overload.limit);
  event.retry_after_s = overload.retry_after_s;
  return event;
}

}  // namespace

double EngineLoop::steady_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

EngineLoop::EngineLoop(StepModel model, ThreadPool& pool, const EngineOptions& options, Clock now)
    : options_(complete(options, model)),
      now_(std::move(now)),
      vocab_(model.vocab),
      rope_trained_tokens_(model.rope_trained_tokens),
      entropy_(random_bits()),
      load_(options_, now_),
      stepper_(std::move(model), pool, options_, load_, now_) {}

EngineLoop::~EngineLoop() {
  {
    std::lock_guard lock(mutex_);
    draining_ = stop_ = mail_.abort_all = true;
  }
  has_mail_.notify_all();
  if (thread_.joinable()) thread_.join();
  while (turn()) {
  }
  stepper_.save_all(kSaveLimit);
}

void EngineLoop::start() {
  if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
}

void EngineLoop::run_until_idle() {
  while (turn()) {
  }
}

void EngineLoop::work() {
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      if (stepper_.idle() && mail_.empty()) busy_since_.store(-1, std::memory_order_relaxed);
      const auto wanted = [this] { return stop_ || !stepper_.idle() || !mail_.empty(); };
      while (stepper_.saving() && !has_mail_.wait_for(lock, kSavePause, wanted)) {
        lock.unlock();
        stepper_.save_some();
        lock.lock();
      }
      has_mail_.wait(lock, wanted);
      if (stop_) return;
    }
    if (busy_since_.load(std::memory_order_relaxed) < 0) {
      busy_since_.store(now_(), std::memory_order_relaxed);
    }
    turn();
    busy_since_.store(now_(), std::memory_order_relaxed);
  }
}

bool EngineLoop::turn() noexcept {
  bool worked = false;
  try {
    worked = read_mail();
    worked |= stepper_.step();
  } catch (...) {
    stepper_.end_all({.finish = Finish::error, .reason = "the engine ran out of memory"});
    worked = true;
  }
  count_ended();
  return worked;
}

bool EngineLoop::read_mail() {
  {
    std::lock_guard lock(mutex_);
    if (mail_.empty()) return false;
    std::swap(mail_, reading_);
  }
  for (const Rejected& rejected : reading_.rejected) {
    try {
      rejected.sink(rejected.event);
    } catch (...) {  // The client is gone; nothing is left to tell it.
    }
  }
  for (std::unique_ptr<Sequence>& sequence : reading_.arrivals) {
    if (sequence) stepper_.accept(std::move(sequence));  // null: a turn that failed took it
  }
  for (const RequestId id : reading_.aborts) stepper_.abort(id);
  if (reading_.abort_all) stepper_.end_all({.finish = Finish::abort});
  for (Reset& wanted : std::exchange(reading_.resets, {}))
    wanted.done.set_value(reset(wanted.running));
  for (std::promise<void>& saved : std::exchange(reading_.saves, {})) {
    stepper_.save_all(kSaveLimit);
    saved.set_value();
  }
  if (reading_.view) publish_view();
  reading_.arrivals.clear();
  reading_.aborts.clear();
  reading_.rejected.clear();
  reading_.abort_all = reading_.view = false;
  return true;
}

void EngineLoop::count_ended() {
  const int64_t ended = stepper_.take_ended();
  if (ended == 0) return;
  if (in_flight_.fetch_sub(ended, std::memory_order_relaxed) > ended) return;
  std::lock_guard lock(mutex_);
  is_idle_.notify_all();
}

std::unique_ptr<Sequence> EngineLoop::make_sequence(RequestId id, Request request,
                                                    EventSink sink) const {
  const double deadline_s = request.deadline_s;
  auto sequence =
      std::make_unique<Sequence>(id, std::move(request), std::move(sink), philox(entropy_, id));
  sequence->times.arrival_s = sequence->times.since_s = now_();
  if (deadline_s > 0) sequence->times.deadline_s = sequence->times.arrival_s + deadline_s;
  if (options_.prefix_caching) {
    // Keys of such a prompt are rotated for its own length (Batch::prompt_tokens).
    const int64_t length = sequence->prompt_length();
    const bool own_rope = rope_trained_tokens_ && length > *rope_trained_tokens_;
    sequence->name_blocks(options_.block_tokens, own_rope ? length : 0);
  }
  return sequence;
}

RequestId EngineLoop::submit(Request request, EventSink sink) {
  const RequestId id = next_id_.fetch_add(1, std::memory_order_relaxed);
  std::optional<Event> refused;
  std::unique_ptr<Sequence> sequence;
  auto wrong = validate(request, {.vocab = vocab_, .max_model_len = options_.max_model_len});
  if (wrong) {
    refused = rejection(*std::move(wrong));
  } else {
    Load::Entry entry = load_.enter(request.tenant, static_cast<int64_t>(request.prompt.size()));
    if (entry.overload) {
      refused = rejection(*std::move(entry.overload));
    } else {
      sequence = make_sequence(id, std::move(request), sink);
      sequence->tenant = std::move(entry.tenant);
    }
  }
  {
    std::lock_guard lock(mutex_);
    if (sequence && draining_) {
      load_.leave(*sequence->tenant, sequence->prompt_length());
      sequence.reset();
      refused = rejection(Overload{.scope = Refused::draining,
                                   .limit = {},
                                   .reason = "the server is shutting down",
                                   .retry_after_s = kRetryAfterDrain});
    }
    if (refused) {
      mail_.rejected.push_back({std::move(sink), *std::move(refused)});
    } else {
      mail_.arrivals.push_back(std::move(sequence));
      in_flight_.fetch_add(1, std::memory_order_relaxed);
    }
  }
  has_mail_.notify_one();
  return id;
}

void EngineLoop::abort(RequestId id) {
  {
    std::lock_guard lock(mutex_);
    mail_.aborts.push_back(id);
  }
  has_mail_.notify_one();
}

void EngineLoop::drain(double timeout_s) {
  std::unique_lock lock(mutex_);
  draining_ = true;
  const auto done = [this] { return in_flight_.load(std::memory_order_relaxed) == 0; };
  if (!thread_.joinable()) {
    lock.unlock();
    const double end = now_() + timeout_s;
    while (now_() < end && turn()) {
    }
    lock.lock();
    mail_.abort_all = true;
    lock.unlock();
    run_until_idle();
    stepper_.save_all(kSaveLimit);
    return;
  }
  const std::chrono::duration<double> limit(std::clamp(timeout_s, 0.0, 1e6));
  if (!is_idle_.wait_for(lock, limit, done)) {
    mail_.abort_all = true;
    has_mail_.notify_one();
    is_idle_.wait(lock, done);
  }
  std::future<void> saved = mail_.saves.emplace_back().get_future();
  lock.unlock();
  has_mail_.notify_one();
  saved.wait();
}

std::optional<Overload> EngineLoop::overload(const std::string& tenant, int64_t requests,
                                             int64_t prompt_tokens) const {
  return load_.overload(tenant, requests, prompt_tokens);
}

bool EngineLoop::reset(Engine::Running running) {
  if (running == Engine::Running::keep && stepper_.runs()) return false;
  stepper_.set_back_all();
  stepper_.forget_prefixes();
  return true;
}

bool EngineLoop::reset_prefix_cache(Engine::Running running) {
  std::future<bool> done;
  {
    std::lock_guard lock(mutex_);
    mail_.resets.push_back({.running = running, .done = {}});
    done = mail_.resets.back().done.get_future();
  }
  has_mail_.notify_one();
  if (!thread_.joinable()) turn();
  return done.get();
}

void EngineLoop::publish_view() {
  EngineSnapshot view = stepper_.view();
  {
    std::lock_guard lock(view_mutex_);
    view_ = std::move(view);
    ++views_;
  }
  has_view_.notify_all();
}

EngineSnapshot EngineLoop::snapshot(double wait_s) const {
  {
    std::lock_guard lock(mutex_);
    mail_.view = true;
  }
  has_mail_.notify_one();
  EngineSnapshot view;
  {
    std::unique_lock lock(view_mutex_);
    const std::chrono::duration<double> limit(std::clamp(wait_s, 0.0, 60.0));
    has_view_.wait_for(lock, limit, [this, before = views_] { return views_ > before; });
    view = view_;
  }
  view.stats = stats();
  return view;
}

EngineStats EngineLoop::stats() const {
  EngineStats stats;
  stepper_.add_to(stats);
  load_.add_to(stats);
  stats.waiting_capacity = std::max<int64_t>(0, stats.waiting - stats.waiting_deferred);
  stats.blocks_total = options_.num_blocks;
  return stats;
}

double EngineLoop::stalled_s() const {
  const double since = busy_since_.load(std::memory_order_relaxed);
  return since < 0 ? 0 : std::max(0.0, now_() - since);
}

}  // namespace octavo
