#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "serve/hosted_model.h"
#include "serve/http.h"
#include "serve/test_model.h"

namespace octavo::serve {

// For tests: keeps requests until the test lets them speak.
class FakeEngine {
 public:
  RequestId submit(Request request, EventSink sink) {
    const std::lock_guard lock(mutex_);
    requests.push_back(std::move(request));
    sinks_[requests.size()] = std::move(sink);
    changed_.notify_all();
    return requests.size();
  }
  void abort(RequestId id) {
    const std::lock_guard lock(mutex_);
    aborted_.insert(id);
    changed_.notify_all();
  }
  // Whoever is still there is told that it is over.
  void drain() {
    std::vector<RequestId> left;
    {
      const std::lock_guard lock(mutex_);
      for (const auto& [id, sink] : sinks_) left.push_back(id);
    }
    for (const RequestId id : left) say(id, "", Finish::abort);
  }

  void say(RequestId id, std::string_view text, Finish finish = Finish::none) {
    Event event;
    for (const char c : text) event.tokens.push_back(static_cast<unsigned char>(c));
    event.finish = finish;
    event.reason = "too much";
    event.overloaded = finish == Finish::rejected;
    tell(id, event);
  }
  void tell(RequestId id, const Event& event) {
    EventSink sink;
    {
      const std::lock_guard lock(mutex_);
      sink = sinks_.at(id);
      if (event.finish != Finish::none) sinks_.erase(id);
    }
    sink(event);
  }
  void await_requests(size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return requests.size() >= count; });
  }
  void await_abort(RequestId id) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return aborted_.contains(id); });
  }

  std::vector<Request> requests;
  double stalled = 0;
  std::optional<Overload> full;
  EngineOptions options;

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<RequestId, EventSink> sinks_;
  std::set<RequestId> aborted_;
};

// A hosted model's engine, which is the test's.
class FakePort final : public EnginePort {
 public:
  explicit FakePort(FakeEngine& engine) : engine_(engine) {}
  RequestId submit(Request request, EventSink sink) override {
    return engine_.submit(std::move(request), std::move(sink));
  }
  void abort(RequestId id) override { engine_.abort(id); }
  void drain(double) override { engine_.drain(); }
  std::optional<Overload> overload(const std::string&, int64_t, int64_t) const override {
    return engine_.full;
  }
  bool reset_prefix_cache(Engine::Running) override { return true; }
  EngineStats stats() const override { return {}; }
  EngineSnapshot snapshot() const override { return {}; }
  double stalled_s() const override { return engine_.stalled; }
  const EngineOptions& options() const override { return engine_.options; }

 private:
  FakeEngine& engine_;
};

// The test model under this name, on that engine.
inline Servable fake_servable(std::string name, FakeEngine& engine) {
  engine.options.max_model_len = test_model()->limits.max_model_len;
  return {
      .names = {std::move(name)}, .root = "test", .weight_bytes = 100, .load = [&engine](int64_t) {
        return LoadedModel{
            .served = test_model(), .engine = std::make_unique<FakePort>(engine), .bytes = 100};
      }};
}

// For tests: a client that waits.
class FakeExchange final : public HttpExchange {
 public:
  void respond(HttpResponse response) override {
    const std::lock_guard lock(mutex_);
    head_ = response;
    body_ = response.body;
    done_ = true;
    changed_.notify_all();
  }
  void begin_stream(HttpResponse head) override {
    const std::lock_guard lock(mutex_);
    head_ = std::move(head);
  }
  void write(std::string bytes) override {
    const std::lock_guard lock(mutex_);
    body_ += bytes;
    ++writes_;
    changed_.notify_all();
  }
  void finish() override {
    const std::lock_guard lock(mutex_);
    done_ = true;
    changed_.notify_all();
  }
  void on_gone(std::function<void()> callback) override {
    const std::lock_guard lock(mutex_);
    gone_ = std::move(callback);
    changed_.notify_all();
  }

  HttpResponse await() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_; });
    HttpResponse response = head_;
    response.body = body_;
    return response;
  }
  void await_writes(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return writes_ >= count; });
  }
  void leave() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return gone_ != nullptr; });
    const auto gone = gone_;
    lock.unlock();
    gone();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  HttpResponse head_;
  std::string body_;
  bool done_ = false;
  int writes_ = 0;
  std::function<void()> gone_;
};

}  // namespace octavo::serve
