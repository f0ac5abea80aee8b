#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "serve/api_keys.h"
#include "serve/generation.h"
#include "serve/http.h"
#include "serve/http_counters.h"
#include "serve/model_registry.h"
#include "serve/workers.h"

namespace octavo::serve {

struct ServiceOptions {
  std::vector<ApiKey> api_keys = {};  // none: everybody may ask
  RegistryOptions registry = {};
  int64_t max_queued_requests = 2048;  // choices waiting and running; 0: no bound
  double stuck_s = 120;                // without a step while there is work: not healthy
  double request_timeout_s = 0;        // a request's longest time and default; 0: none
  double sse_keep_alive_s = 0;         // a comment after so long a silence; 0: none
  bool prompt_tokens_details = false;
  bool request_id_headers = false;
  bool force_include_usage = false;  // in every stream
  bool tokens_as_ids = false;        // in log-probabilities, for every request
  bool dev_routes = false;           // /reset_prefix_cache
  bool tokenizer_info = false;       // /tokenizer_info
  bool access_log = false, log_requests = false;
  std::set<std::string> unlogged_paths = {};
  int parse_threads = 2, stream_threads = 2;
};

// What the server answers, route by route (routes*.cc), and all requests in flight. Any thread.
class Service {
 public:
  using Clock = std::chrono::steady_clock;
  Service(ServiceOptions options, std::vector<Servable> models);
  ~Service();

  ModelRegistry& models() { return *registry_; }
  // The models to begin with are there: until then every route that needs one says 503.
  void ready();

  std::optional<HttpResponse> admit(const HttpRequest& head);
  void handle(HttpRequest request, std::shared_ptr<HttpExchange> exchange);

  enum class Phase { loading, serving, draining };
  Phase phase() const { return phase_.load(); }
  void drain();      // new requests are refused from now on
  void abort_all();  // those in flight end with what they have

  // What is due: keep-alive comments, waits that end, idle models, the watchdog. Called about once
  // a second. `dead`: an engine is stuck for good, every client has been told, end the process.
  enum class Verdict { well, dead };
  Verdict tick(Clock::time_point now);

  // Finishes the work in hand. REQUIRES: nothing is handled any more.
  void stop();

 private:
  friend struct Routes;
  struct Call;

  // A place for so many choices in flight, or why there is none.
  std::optional<ApiError> reserve(const Call& call, const GenerationPlan& plan);
  void launch(Call& call, GenerationPlan plan);
  template <class Request>
  void start(uint64_t place, const std::shared_ptr<Request>& request);
  std::vector<std::shared_ptr<InFlight>> in_flight();
  void count(const HttpRequest& request, int status, Clock::time_point begin);
  bool stuck();
  double now_s() const;

  const ServiceOptions options_;
  std::atomic<Phase> phase_{Phase::loading};
  KeyLedger ledger_;
  HttpCounters http_;
  std::atomic<int64_t> in_flight_{0};
  std::vector<std::atomic<int64_t>> in_flight_by_key_;
  std::mutex mutex_;  // guards the next two
  std::map<uint64_t, std::weak_ptr<InFlight>> requests_;
  uint64_t next_place_ = 0;
  std::optional<Clock::time_point> dead_since_;  // of the thread that ticks
  std::unique_ptr<ModelRegistry> registry_;
  // Last, so that their jobs end first.
  std::unique_ptr<Workers> stream_workers_, parse_workers_;
};

}  // namespace octavo::serve
