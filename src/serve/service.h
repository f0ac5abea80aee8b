#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/engine_port.h"
#include "serve/generation.h"
#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/served_model.h"
#include "serve/workers.h"

namespace octavo::serve {

struct ServiceOptions {
  std::vector<std::string> api_keys = {};
  int64_t max_queued_requests = 2048;  // choices waiting and running; 0: no bound
  double stuck_s = 120;                // without a step while there is work: not healthy
  bool prompt_tokens_details = false;
  bool request_id_headers = false;
  int parse_threads = 2, stream_threads = 2;
};

// What the server answers, route by route (routes.cc), and all requests in flight. Any thread.
class Service {
 public:
  explicit Service(ServiceOptions options);
  ~Service();

  // Until then every route that needs the model says 503.
  void ready(std::shared_ptr<const ServedModel> model, EnginePort& engine);

  std::optional<HttpResponse> admit(const HttpRequest& head);
  void handle(HttpRequest request, std::shared_ptr<HttpExchange> exchange);

  enum class Phase { loading, serving, draining };
  Phase phase() const { return phase_.load(); }
  void drain();      // new requests are refused from now on
  void abort_all();  // those in flight end with what they have
  // Finishes the work in hand. REQUIRES: nothing is handled any more, the engine is drained.
  void stop();

 private:
  friend struct Routes;
  struct Ready {
    std::shared_ptr<const ServedModel> model;
    EnginePort& engine;
    Metrics metrics;
  };

  // A place for so many choices in flight, or why there is none.
  std::optional<ApiError> reserve(int64_t choices);
  void launch(GenerationPlan plan, std::shared_ptr<HttpExchange> exchange);
  void count(const HttpRequest& request, int status);

  const ServiceOptions options_;
  std::atomic<Phase> phase_{Phase::loading};
  std::unique_ptr<Ready> ready_;  // written before phase_ leaves `loading`, constant after
  std::atomic<int64_t> in_flight_{0};
  std::mutex mutex_;  // guards the next two
  std::map<uint64_t, std::weak_ptr<Generation>> generations_;
  uint64_t next_key_ = 0;
  // Last, so that their jobs end first.
  std::unique_ptr<Workers> stream_workers_, parse_workers_;
};

}  // namespace octavo::serve
