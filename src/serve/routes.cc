#include "serve/routes.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "base/json.h"
#include "octavo/error.h"
#include "serve/fields.h"
#include "serve/http_answers.h"

namespace octavo::serve {
namespace {

constexpr size_t kMaxIdBytes = 128, kMaxNameBytes = 1024;
constexpr std::string_view kOneModel = "/v1/models/", kWebFiles = "/web/";

// The client's X-Request-Id where it is a plain word, else one of our own.
std::string request_id(const HttpRequest& request) {
  const std::string& given = request.request_id;
  const bool plain = std::ranges::all_of(given, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '-' || c == '_' || c == '.';
  });
  if (!given.empty() && given.size() <= kMaxIdBytes && plain) return given;
  std::random_device random;
  char text[33];
  std::snprintf(text, sizeof text, "%08x%08x%08x%08x", random(), random(), random(), random());
  return text;
}

bool is_json(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  std::ranges::transform(type, type.begin(), [](unsigned char c) { return std::tolower(c); });
  while (!type.empty() && type.back() == ' ') type.pop_back();
  return type == "application/json" || type.ends_with("+json");
}

std::optional<ApiError> parse(const HttpRequest& request, Json& out) {
  try {
    out = parse_json(request.body, "body");
  } catch (const Error& error) {
    return bad_request("", "the body is not acceptable JSON: " + error.problem());
  }
  if (!out.is_object()) return bad_request("", "the body must be a JSON object");
  return std::nullopt;
}

}  // namespace

const std::vector<Routes::Route>& Routes::table() {
  using enum Auth;
  using enum Needs;
  using enum Where;
  static const std::vector<Route> routes = {
      {"GET", "/", open, nothing, io_thread, page},
      {"GET", kWebFiles, open, nothing, io_thread, page},
      {"GET", "/engine/state", key, nothing, worker, engine_state},
      {"GET", "/health", open, nothing, io_thread, health},
      {"GET", "/health/ready", open, nothing, io_thread, health},
      {"GET", "/health/live", open, nothing, io_thread, alive},
      {"GET", "/ping", open, nothing, io_thread, health},
      {"POST", "/ping", open, nothing, io_thread, health},
      {"GET", "/version", key, nothing, io_thread, version},
      {"GET", "/load", key, nothing, io_thread, load},
      {"GET", "/metrics", key, nothing, worker, metrics},
      {"GET", "/v1/models", key, nothing, worker, models},
      {"GET", kOneModel, key, nothing, worker, one_model},
      {"POST", "/models/load", admin, body, worker, load_model},
      {"POST", "/models/unload", admin, body, worker, unload_model},
      {"POST", "/reset_prefix_cache", key, nothing, worker, reset_prefix_cache},
      {"POST", "/tokenize", key, model, worker, tokenize},
      {"POST", "/detokenize", key, model, worker, detokenize},
      {"GET", "/tokenizer_info", key, nothing, worker, tokenizer_info},
      {"POST", "/v1/completions", key, model, worker, completion},
      {"POST", "/v1/chat/completions", key, model, worker, chat},
      {"POST", "/v1/embeddings", key, model, worker, embeddings},
      {"POST", "/v1/responses", key, model, worker, responses},
      {"POST", "/v1/messages", key, model, worker, messages},
  };
  return routes;
}

const Routes::Route* Routes::find(std::string_view method, std::string_view path,
                                  bool& path_known) {
  for (const std::string_view folder : {kOneModel, kWebFiles}) {
    if (path.starts_with(folder) && path.size() > folder.size()) path = folder;
  }
  for (const Route& route : table()) {
    if (route.path != path) continue;
    path_known = true;
    if (route.method == method) return &route;
  }
  return nullptr;
}

std::string Service::Call::tenant() const {
  if (key) return service.options_.api_keys[*key].name;
  return request.fairness_id.substr(0, kMaxIdBytes);
}

std::optional<HttpResponse> Service::admit(const HttpRequest& head) {
  bool path_known = false;
  const Routes::Route* route = Routes::find(head.method, head.path, path_known);
  const bool hidden = (head.path == "/reset_prefix_cache" && !options_.dev_routes) ||
                      (head.path == "/tokenizer_info" && !options_.tokenizer_info);
  if (hidden) {
    route = nullptr;
    path_known = false;
  }
  const auto refuse = [&](int status, std::string message) {
    if (path_known) count(head, status, Clock::now());
    return error_response(http_error(status, std::move(message)));
  };
  const bool open = route != nullptr && route->auth == Routes::Auth::open;
  const std::optional<size_t> key = identify(options_.api_keys, head.authorization);
  if (!open && !options_.api_keys.empty() && !key) {
    HttpResponse response = refuse(401, "a valid API key is needed: Authorization: Bearer KEY");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  if (!path_known) return refuse(404, "there is no " + head.path.substr(0, 200) + " here");
  if (route == nullptr) {
    return refuse(405, head.method + " is not allowed on " + head.path.substr(0, 200));
  }
  if (route->auth == Routes::Auth::admin && !(key && options_.api_keys[*key].admin)) {
    return refuse(403, "this needs an administrator's API key");
  }
  if (!open && head.method == "POST" && route->needs != Routes::Needs::nothing &&
      !is_json(head.content_type)) {
    return refuse(415, "the Content-Type must be application/json");
  }
  if (open || phase() != Phase::loading) return std::nullopt;
  return error_response(overloaded("the model is still loading", 1));
}

void Service::handle(HttpRequest request, std::shared_ptr<HttpExchange> exchange) {
  bool path_known = false;
  const Routes::Route* route = Routes::find(request.method, request.path, path_known);
  auto call = std::make_shared<Call>(
      Call{.service = *this, .request = std::move(request), .exchange = std::move(exchange)});
  call->arrival = Clock::now();
  call->id = request_id(call->request);
  call->key = identify(options_.api_keys, call->request.authorization);
  if (route->where == Routes::Where::io_thread) return Routes::answer(*route, call);
  parse_workers_->post([route, call = std::move(call)] { Routes::answer(*route, call); });
}

// The body, the model, and then the route itself; nothing when it waits for its model.
std::optional<HttpResponse> Routes::resolve(const Route& route, std::shared_ptr<Call> call) {
  if (route.needs == Needs::nothing || call->host) return route.run(*call);
  Json body;
  if (const auto error = parse(call->request, body)) return error_response(*error);
  call->request.body.clear();
  Fields fields(body);
  std::string name;
  fields.text("model", name, kMaxNameBytes);
  if (fields.error()) return error_response(*fields.error());
  call->body = std::make_shared<const Json>(std::move(body));
  if (route.needs == Needs::body) return route.run(*call);
  Service& service = call->service;
  if (Lease host = service.registry_->find_ready(name)) {
    call->host = std::move(host);
    return route.run(*call);
  }
  service.registry_->acquire(
      name, [&route, call, &service](Lease host, const std::optional<ApiError>& error) {
        if (error) {
          service.count(call->request, error->status, call->arrival);
          return call->exchange->respond(error_response(*error));
        }
        call->host = std::move(host);
        service.parse_workers_->post([&route, call] { answer(route, call); });
      });
  return std::nullopt;
}

void Routes::answer(const Route& route, const std::shared_ptr<Call>& call) {
  std::optional<HttpResponse> response;
  try {
    response = resolve(route, call);
  } catch (const std::exception&) {  // out of memory, or a bug: this request alone fails
    response = error_response(http_error(500, "the server failed on this request"));
  }
  if (!response) return;
  Service& service = call->service;
  if (service.options_.request_id_headers) response->headers.emplace_back("X-Request-Id", call->id);
  service.count(call->request, response->status, call->arrival);
  call->exchange->respond(std::move(*response));
}

}  // namespace octavo::serve
