#include "octavo/engine.h"

#include <utility>

#include "engine/loop.h"
#include "engine/memory_plan.h"
#include "engine/step_model.h"
#include "model/model.h"

namespace octavo {

namespace {

// The workspace is reserved by these options, so they are checked first.
StepModel checked_step_model(std::shared_ptr<const Model> model, ThreadPool& pool,
                             const EngineOptions& options) {
  check_ranges(options, model->spec.max_positions);
  return step_model(std::move(model), pool, options.block_tokens, options.max_num_batched_tokens);
}

}  // namespace

struct Engine::State {
  State(std::shared_ptr<const Model> m, ThreadPool& pool, const EngineOptions& options)
      : model(std::move(m)), loop(checked_step_model(model, pool, options), pool, options) {}

  std::shared_ptr<const Model> model;
  EngineLoop loop;
};

Engine::Engine(std::shared_ptr<const Model> model, ThreadPool& pool, EngineOptions options)
    : state_(std::make_unique<State>(std::move(model), pool, options)) {}

Engine::~Engine() = default;

void Engine::start() { state_->loop.start(); }

void Engine::run_until_idle() { state_->loop.run_until_idle(); }

RequestId Engine::submit(Request request, EventSink sink) {
  return state_->loop.submit(std::move(request), std::move(sink));
}

void Engine::abort(RequestId id) { state_->loop.abort(id); }

void Engine::drain(double timeout_s) { state_->loop.drain(timeout_s); }

std::optional<Overload> Engine::overload(const std::string& tenant, int64_t requests,
                                         int64_t prompt_tokens) const {
  return state_->loop.overload(tenant, requests, prompt_tokens);
}

bool Engine::reset_prefix_cache(Running running) {
  return state_->loop.reset_prefix_cache(running);
}

EngineSnapshot Engine::snapshot(double wait_s) const { return state_->loop.snapshot(wait_s); }

EngineStats Engine::stats() const { return state_->loop.stats(); }

const EngineOptions& Engine::options() const { return state_->loop.options(); }

const Model& Engine::model() const { return *state_->model; }

double Engine::stalled_s() const { return state_->loop.stalled_s(); }

}  // namespace octavo
