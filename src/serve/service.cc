#include "serve/service.h"

#include <utility>

namespace octavo::serve {

Service::Service(ServiceOptions options)
    : options_(std::move(options)),
      stream_workers_(std::make_unique<Workers>(options_.stream_threads)),
      parse_workers_(std::make_unique<Workers>(options_.parse_threads)) {}

Service::~Service() { stop(); }

void Service::ready(std::shared_ptr<const ServedModel> model, EnginePort& engine) {
  const std::string name = model->names.front();
  const int64_t max_model_len = model->limits.max_model_len;
  ready_.reset(new Ready{std::move(model), engine, Metrics(name, max_model_len)});
  phase_ = Phase::serving;
}

void Service::drain() { phase_ = Phase::draining; }

void Service::abort_all() {
  std::vector<std::shared_ptr<Generation>> generations;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, weak] : generations_) {
      if (auto generation = weak.lock()) generations.push_back(std::move(generation));
    }
  }
  for (const auto& generation : generations) generation->cancel();
}

void Service::stop() {
  parse_workers_.reset();
  stream_workers_.reset();
}

std::optional<ApiError> Service::reserve(int64_t choices) {
  if (phase_ == Phase::draining) {
    ready_->metrics.rejected("draining");
    return overloaded("the server is shutting down",
                      ready_->metrics.retry_after_s(ready_->engine.stats()));
  }
  const int64_t now = in_flight_.fetch_add(choices) + choices;
  if (options_.max_queued_requests == 0 || now <= options_.max_queued_requests) {
    return std::nullopt;
  }
  in_flight_ -= choices;
  ready_->metrics.rejected("queue_full");
  return overloaded("too many requests in flight: " + std::to_string(now) + " of " +
                        std::to_string(options_.max_queued_requests),
                    ready_->metrics.retry_after_s(ready_->engine.stats()));
}

void Service::launch(GenerationPlan plan, std::shared_ptr<HttpExchange> exchange) {
  uint64_t key = 0;
  {
    const std::lock_guard lock(mutex_);
    key = next_key_++;
  }
  GenerationSeams seams{.engine = ready_->engine,
                        .workers = *stream_workers_,
                        .metrics = ready_->metrics,
                        .tokenizer = ready_->model->tokenizer,
                        .done = [this, key](int64_t choices) {
                          in_flight_ -= choices;
                          const std::lock_guard lock(mutex_);
                          generations_.erase(key);
                        }};
  const auto generation =
      std::make_shared<Generation>(std::move(plan), std::move(seams), std::move(exchange));
  {
    const std::lock_guard lock(mutex_);
    generations_[key] = generation;
  }
  generation->start();
}

void Service::count(const HttpRequest& request, int status) {
  if (phase_ == Phase::loading) return;
  const bool one_model = request.path.starts_with("/v1/models/");
  const bool web = request.path.starts_with("/web/");
  ready_->metrics.http(one_model ? "/v1/models/{model}"
                       : web     ? "/web/{file}"
                                 : request.path,
                       request.method, status);
}

}  // namespace octavo::serve
