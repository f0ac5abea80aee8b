#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "octavo/engine.h"

namespace octavo::serve {

// What the server asks of an engine: the seam at which tests put one of their own. Calls may come
// from any thread, as Engine's may.
class EnginePort {
 public:
  virtual ~EnginePort() = default;
  virtual RequestId submit(Request request, EventSink sink) = 0;
  virtual void abort(RequestId id) = 0;
  virtual void drain(double timeout_s) = 0;
  virtual std::optional<Overload> overload(const std::string& tenant, int64_t requests,
                                           int64_t prompt_tokens) const = 0;
  virtual bool reset_prefix_cache(Engine::Running running) = 0;
  virtual EngineStats stats() const = 0;
  virtual EngineSnapshot snapshot() const = 0;
  virtual double stalled_s() const = 0;
  virtual const EngineOptions& options() const = 0;
};

// A started engine and whatever it runs on (`model`: weights, threads), which goes after it.
class RealEngine final : public EnginePort {
 public:
  RealEngine(std::shared_ptr<void> model, std::unique_ptr<Engine> engine)
      : model_(std::move(model)), engine_(std::move(engine)) {
    engine_->start();
  }
  RequestId submit(Request request, EventSink sink) override {
    return engine_->submit(std::move(request), std::move(sink));
  }
  void abort(RequestId id) override { engine_->abort(id); }
  void drain(double timeout_s) override { engine_->drain(timeout_s); }
  std::optional<Overload> overload(const std::string& tenant, int64_t requests,
                                   int64_t prompt_tokens) const override {
    return engine_->overload(tenant, requests, prompt_tokens);
  }
  bool reset_prefix_cache(Engine::Running running) override {
    return engine_->reset_prefix_cache(running);
  }
  EngineStats stats() const override { return engine_->stats(); }
  EngineSnapshot snapshot() const override { return engine_->snapshot(); }
  double stalled_s() const override { return engine_->stalled_s(); }
  const EngineOptions& options() const override { return engine_->options(); }

 private:
  std::shared_ptr<void> model_;
  std::unique_ptr<Engine> engine_;
};

}  // namespace octavo::serve
