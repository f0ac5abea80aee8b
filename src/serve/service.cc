#include "serve/service.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

#include "base/log.h"
#include "serve/beam_generation.h"
#include "serve/digest.h"
#include "serve/routes.h"

namespace octavo::serve {
namespace {

constexpr double kLastWords =
    5;  // seconds between telling the clients of a dead engine and the end
constexpr size_t kMaxSaltBytes = 1024;

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

int whole_seconds(double wait_s) {
  return static_cast<int>(std::clamp(std::ceil(wait_s), 1.0, 60.0));
}

ApiError as_error(const Overload& overload) {
  ApiError error = overloaded(overload.reason, whole_seconds(overload.retry_after_s));
  if (overload.scope != Refused::tenant) return error;
  error = http_error(429, overload.reason);
  error.retry_after_s = whole_seconds(overload.retry_after_s);
  return error;
}

}  // namespace

// The salt of a key's prefixes: nobody else's requests can have it, whatever they send.
std::string Service::Call::salt(const std::string& own) const {
  std::string salt = "key " + tenant() + "\n" + own;
  return salt.size() <= kMaxSaltBytes ? salt : "digest " + sha256_hex(salt);
}

Service::Service(ServiceOptions options, std::vector<Servable> models)
    : options_(std::move(options)),
      ledger_(options_.api_keys),
      in_flight_by_key_(options_.api_keys.size()),
      registry_(std::make_unique<ModelRegistry>(std::move(models), options_.registry)),
      stream_workers_(std::make_unique<Workers>(options_.stream_threads)),
      parse_workers_(std::make_unique<Workers>(options_.parse_threads)) {}

Service::~Service() { stop(); }

void Service::ready() { phase_ = Phase::serving; }

void Service::drain() { phase_ = Phase::draining; }

std::vector<std::shared_ptr<InFlight>> Service::in_flight() {
  std::vector<std::shared_ptr<InFlight>> all;
  const std::lock_guard lock(mutex_);
  for (const auto& [key, weak] : requests_) {
    if (auto request = weak.lock()) all.push_back(std::move(request));
  }
  return all;
}

void Service::abort_all() {
  for (const auto& request : in_flight()) request->cancel();
}

void Service::stop() {
  if (!parse_workers_) return;
  registry_->drain(0);
  registry_->stop_loading();  // nothing comes to the workers from there now
  parse_workers_.reset();
  stream_workers_.reset();
}

double Service::now_s() const { return seconds(Clock::now().time_since_epoch()); }

bool Service::stuck() {
  for (const auto& status : registry_->status()) {
    if (status.lease && status.lease->engine->stalled_s() > options_.stuck_s) return true;
  }
  return false;
}

Service::Verdict Service::tick(Clock::time_point now) {
  registry_->tick(now);
  if (options_.sse_keep_alive_s > 0) {
    const std::chrono::duration<double> interval(options_.sse_keep_alive_s);
    const auto since = now - std::chrono::duration_cast<Clock::duration>(interval);
    for (const auto& request : in_flight()) request->keep_alive(since);
  }
  if (phase_ == Phase::loading || !stuck()) {
    dead_since_.reset();
    return Verdict::well;
  }
  if (!dead_since_) {
    dead_since_ = now;
    log_line("an engine makes no progress: its requests fail, the process ends soon");
    for (const auto& request : in_flight()) request->fail("the engine makes no progress");
  }
  return seconds(now - *dead_since_) >= kLastWords ? Verdict::dead : Verdict::well;
}

std::optional<ApiError> Service::reserve(const Call& call, const GenerationPlan& plan) {
  Metrics& metrics = *call.host->metrics;
  EnginePort& engine = *call.host->engine;
  if (phase_ == Phase::draining) {
    metrics.rejected("draining");
    return overloaded("the server is shutting down", whole_seconds(metrics.mean_request_s()));
  }
  int64_t tokens = 0;
  for (const PromptPlan& prompt : plan.prompts) tokens += static_cast<int64_t>(prompt.ids.size());
  const int64_t choices = plan.choices();
  const auto refuse = [&](ApiError error, const char* reason) {
    metrics.rejected(reason);
    if (call.key && error.status == 429) ledger_.refused(*call.key);
    return error;
  };
  if (const auto overload = engine.overload(plan.tenant, choices, tokens)) {
    return refuse(as_error(*overload), rejection_name(overload->scope));
  }
  if (call.key) {
    const int64_t limit = options_.api_keys[*call.key].limits.max_queued_requests;
    const int64_t now = in_flight_by_key_[*call.key].load() + choices;
    if (limit > 0 && now > limit) {
      ApiError error =
          http_error(429, "too many requests of this key in flight: " + std::to_string(now) +
                              " of " + std::to_string(limit));
      error.retry_after_s = whole_seconds(metrics.mean_request_s());
      return refuse(std::move(error), "key_limit");
    }
    if (auto error = ledger_.admit(*call.key, now_s())) {
      metrics.rejected("key_limit");
      return error;
    }
  }
  const int64_t now = in_flight_.fetch_add(choices) + choices;
  if (options_.max_queued_requests == 0 || now <= options_.max_queued_requests) {
    if (call.key) in_flight_by_key_[*call.key] += choices;
    return std::nullopt;
  }
  in_flight_ -= choices;
  const EngineStats stats = engine.stats();
  const double rate = stats.requests_per_s;
  const double wait = rate > 0 ? static_cast<double>(now - choices) / rate : 1;
  return refuse(overloaded("too many requests in flight: " + std::to_string(now) + " of " +
                               std::to_string(options_.max_queued_requests),
                           whole_seconds(wait)),
                "queue_full");
}

void Service::launch(Call& call, GenerationPlan plan) {
  uint64_t place = 0;
  {
    const std::lock_guard lock(mutex_);
    place = next_place_++;
  }
  const int64_t choices = plan.choices();
  GenerationSeams seams{.host = call.host,
                        .workers = *stream_workers_,
                        .answered = [this, request = call.request, begin = call.arrival](
                                        int status) { count(request, status, begin); },
                        .done =
                            [this, place, choices, key = call.key](const Usage& usage) {
                              in_flight_ -= choices;
                              if (key) {
                                in_flight_by_key_[*key] -= choices;
                                ledger_.charge(*key,
                                               {.prompt_tokens = usage.prompt_tokens,
                                                .cached_tokens = usage.cached_tokens,
                                                .generation_tokens = usage.completion_tokens},
                                               now_s());
                              }
                              const std::lock_guard lock(mutex_);
                              requests_.erase(place);
                            }};
  if (plan.sampling.beam_search) {
    start(place, std::make_shared<BeamGeneration>(std::move(plan), std::move(seams),
                                                  std::move(call.exchange)));
  } else {
    start(place, std::make_shared<Generation>(std::move(plan), std::move(seams),
                                              std::move(call.exchange)));
  }
}

template <class Request>
void Service::start(uint64_t place, const std::shared_ptr<Request>& request) {
  {
    const std::lock_guard lock(mutex_);
    requests_[place] = request;
  }
  request->start();
}

void Service::count(const HttpRequest& request, int status, Clock::time_point begin) {
  const bool one_model = request.path.starts_with("/v1/models/");
  const bool web = request.path.starts_with("/web/");
  http_.count(one_model ? "/v1/models/{model}"
              : web     ? "/web/{file}"
                        : request.path,
              request.method, status);
  // A page that looks on asks every second; that is not news.
  if (!options_.access_log || web || request.path == "/engine/state") return;
  if (options_.unlogged_paths.contains(request.path)) return;
  char rest[64];
  std::snprintf(rest, sizeof rest, "\" %d %.3f s", status, seconds(Clock::now() - begin));
  log_line(request.client + " \"" + request.method + " " + request.path.substr(0, 200) + rest);
}

}  // namespace octavo::serve
