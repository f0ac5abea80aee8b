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

uint64_t random_bits() {
  std::random_device device;
  return static_cast<uint64_t>(device()) << 32 | device();
}

Event rejection(Refusal refusal, bool overloaded) {
  Event event;
  event.finish = Finish::rejected;
  event.reason = std::move(refusal.reason);
  event.param = std::move(refusal.param);
  event.overloaded = overloaded;
  event.refused = overloaded ? Refused::engine : Refused::bad_request;
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
      stepper_(std::move(model), pool, options_, now_) {}

EngineLoop::~EngineLoop() {
  {
    std::lock_guard lock(mutex_);
    draining_ = stop_ = mail_.abort_all = true;
  }
  has_mail_.notify_all();
  if (thread_.joinable()) thread_.join();
  while (turn()) {
  }
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
      has_mail_.wait(lock, [this] { return stop_ || !stepper_.idle() || !mail_.empty(); });
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
    stepper_.end_all({Finish::error, {}, "the engine ran out of memory"});
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
  if (reading_.abort_all) stepper_.end_all({Finish::abort});
  reading_.arrivals.clear();
  reading_.aborts.clear();
  reading_.rejected.clear();
  reading_.abort_all = false;
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
  sequence->times.arrival_s = now_();
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
  std::optional<Refusal> refusal =
      validate(request, {.vocab = vocab_, .max_model_len = options_.max_model_len});
  std::unique_ptr<Sequence> sequence;
  if (!refusal) sequence = make_sequence(id, std::move(request), sink);
  {
    std::lock_guard lock(mutex_);
    bool overloaded = false;
    if (!refusal && draining_) {
      refusal = Refusal{"", "the server is shutting down"};
      overloaded = true;
    } else if (!refusal && options_.max_queued_requests > 0 &&
               in_flight_.load(std::memory_order_relaxed) >= options_.max_queued_requests) {
      refusal = Refusal{"", "too many requests are in progress"};
      overloaded = true;
    }
    if (refusal) {
      mail_.rejected.push_back({std::move(sink), rejection(std::move(*refusal), overloaded)});
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
    return;
  }
  const std::chrono::duration<double> limit(std::clamp(timeout_s, 0.0, 1e6));
  if (is_idle_.wait_for(lock, limit, done)) return;
  mail_.abort_all = true;
  has_mail_.notify_one();
  is_idle_.wait(lock, done);
}

std::optional<Overload> EngineLoop::overload(const std::string&, int64_t, int64_t) const {
  return std::nullopt;
}

bool EngineLoop::reset_prefix_cache(Engine::Running) { return false; }

EngineSnapshot EngineLoop::snapshot(double) const {
  EngineSnapshot snapshot;
  snapshot.stats = stats();
  return snapshot;
}

EngineStats EngineLoop::stats() const {
  const LiveStats& live = stepper_.stats();
  const auto read = [](const std::atomic<int64_t>& value) {
    return value.load(std::memory_order_relaxed);
  };
  EngineStats stats;
  stats.running = read(live.running);
  stats.waiting = std::max<int64_t>(0, read(in_flight_) - stats.running);
  stats.blocks_total = options_.num_blocks;
  stats.blocks_used = read(live.blocks_used);
  stats.steps = read(live.steps);
  stats.preemptions = read(live.preemptions);
  stats.prompt_tokens = read(live.prompt_tokens);
  stats.generation_tokens = read(live.generation_tokens);
  stats.prefix_queries_tokens = read(live.prefix_queries_tokens);
  stats.prefix_hits_tokens = read(live.prefix_hits_tokens);
  stats.last_batch_tokens = read(live.last_batch_tokens);
  return stats;
}

double EngineLoop::stalled_s() const {
  const double since = busy_since_.load(std::memory_order_relaxed);
  return since < 0 ? 0 : std::max(0.0, now_() - since);
}

}  // namespace octavo
