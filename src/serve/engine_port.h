#pragma once

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
  virtual EngineStats stats() const = 0;
  virtual EngineSnapshot snapshot() const {
    EngineSnapshot snapshot;
    snapshot.stats = stats();
    return snapshot;
  }
  virtual double stalled_s() const = 0;
  virtual const EngineOptions& options() const = 0;
};

class RealEngine final : public EnginePort {
 public:
  explicit RealEngine(Engine& engine) : engine_(engine) {}
  RequestId submit(Request request, EventSink sink) override {
    return engine_.submit(std::move(request), std::move(sink));
  }
  void abort(RequestId id) override { engine_.abort(id); }
  EngineStats stats() const override { return engine_.stats(); }
  EngineSnapshot snapshot() const override { return engine_.snapshot(); }
  double stalled_s() const override { return engine_.stalled_s(); }
  const EngineOptions& options() const override { return engine_.options(); }

 private:
  Engine& engine_;
};

}  // namespace octavo::serve
