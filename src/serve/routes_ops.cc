#include <nlohmann/json.hpp>

#include "serve/engine_state.h"
#include "serve/http_answers.h"
#include "serve/routes.h"
#include "serve/web_page.h"

// Routes for those who run the server, and the page.

namespace octavo::serve {
namespace {

std::string escaped(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

// Tokens by API key, exact as told to the clients.
void write_keys(const std::vector<ApiKey>& keys, const KeyLedger& ledger, std::string& out) {
  const struct {
    const char *name, *help;
    int64_t KeyUsage::*count;
  } families[] = {
      {"octavo:key_requests_total", "Requests of an API key.", &KeyUsage::requests},
      {"octavo:key_refused_total", "Requests refused by limits of the key.", &KeyUsage::refused},
      {"octavo:key_prompt_tokens_total", "Prompt tokens of a key.", &KeyUsage::prompt_tokens},
      {"octavo:key_cached_tokens_total", "Of them, found in the cache.", &KeyUsage::cached_tokens},
      {"octavo:key_generation_tokens_total", "Tokens generated for a key.",
       &KeyUsage::generation_tokens},
  };
  if (keys.empty()) return;
  for (const auto& family : families) {
    out += std::string("# HELP ") + family.name + " " + family.help + "\n# TYPE " + family.name +
           " counter\n";
    for (size_t i = 0; i < keys.size(); ++i) {
      out += std::string(family.name) + "{key=\"" + escaped(keys[i].name) + "\"} " +
             std::to_string(ledger.usage(i).*family.count) + "\n";
    }
  }
}

}  // namespace

std::optional<HttpResponse> Routes::page(Call& call) {
  constexpr std::string_view kFolder = "/web/";
  const std::string_view path = call.request.path;
  return web_page(path == "/" ? "page.html" : path.substr(kFolder.size()));
}

std::optional<HttpResponse> Routes::engine_state(Call& call) {
  Json json{{"version", OCTAVO_VERSION}, {"models", Json::array()}};
  for (const auto& status : call.service.registry_->status()) {
    if (!status.lease) continue;
    const EnginePort& engine = *status.lease->engine;
    const Metrics& metrics = *status.lease->metrics;
    const EngineSnapshot snapshot = engine.snapshot();
    json["models"].push_back(engine_state_json({.name = status.servable->names.front(),
                                                .snapshot = snapshot,
                                                .options = engine.options(),
                                                .stalled_s = engine.stalled_s(),
                                                .ended = metrics.recent().all(),
                                                .now = Service::Clock::now(),
                                                .first_token = metrics.fine_ttft(),
                                                .between_tokens = metrics.fine_itl()}));
  }
  return json_response(json);
}

// Ready for requests? 503 says why not.
std::optional<HttpResponse> Routes::health(Call& call) {
  const Service::Phase phase = call.service.phase();
  const char* status = "ok";
  if (phase == Service::Phase::loading) {
    status = "loading";
  } else if (phase == Service::Phase::draining) {
    status = "draining";
  } else if (call.service.stuck()) {
    status = "stuck";
  }
  HttpResponse response = json_response(Json{{"status", status}});
  if (std::string_view(status) != "ok") {
    response.status = 503;
    response.headers.emplace_back("Retry-After", "1");
  }
  return response;
}

// Worth keeping? Only an engine that makes no progress says no.
std::optional<HttpResponse> Routes::alive(Call& call) {
  if (!call.service.stuck()) return json_response(Json{{"status", "ok"}});
  HttpResponse response = json_response(Json{{"status", "stuck"}});
  response.status = 503;
  return response;
}

std::optional<HttpResponse> Routes::version(Call&) {
  return json_response(Json{{"version", OCTAVO_VERSION}});
}

std::optional<HttpResponse> Routes::load(Call& call) {
  return json_response(Json{{"server_load", call.service.in_flight_.load()}});
}

std::optional<HttpResponse> Routes::metrics(Call& call) {
  Service& service = call.service;
  const std::vector<ModelRegistry::Status> models = service.registry_->status();
  std::vector<EngineStats> stats(models.size());
  std::vector<MetricsSource> sources;
  for (size_t i = 0; i < models.size(); ++i) {
    if (!models[i].metrics) continue;
    if (models[i].lease) stats[i] = models[i].lease->engine->stats();
    sources.push_back({.metrics = models[i].metrics.get(),
                       .stats = &stats[i],
                       .options = models[i].lease ? &models[i].lease->engine->options() : nullptr});
  }
  std::string text = metrics_text(sources);
  service.http_.write(text);
  write_keys(service.options_.api_keys, service.ledger_, text);
  return HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                      .body = std::move(text)};
}

std::optional<HttpResponse> Routes::reset_prefix_cache(Call& call) {
  const bool preempt = call.request.query.find("reset_running_requests=true") != std::string::npos;
  const auto running = preempt ? Engine::Running::preempt : Engine::Running::keep;
  bool done = true;
  for (const auto& status : call.service.registry_->status()) {
    if (status.lease) done = status.lease->engine->reset_prefix_cache(running) && done;
  }
  if (done) return json_response(Json{{"reset", true}});
  return error_response({.status = 409,
                         .type = "Conflict",
                         .param = {},
                         .message = "requests are running: add ?reset_running_requests=true"});
}

}  // namespace octavo::serve
