#include <algorithm>
#include <chrono>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <utility>

#include "base/json.h"
#include "octavo/error.h"
#include "serve/auth.h"
#include "serve/chat_request.h"
#include "serve/completion_request.h"
#include "serve/engine_state.h"
#include "serve/service.h"
#include "serve/web_page.h"

namespace octavo::serve {
namespace {

constexpr int64_t kDefaultMaxTokens = 16;  // of /v1/completions, as OpenAI has it
constexpr size_t kMaxTokenizeBytes = size_t{8} << 20, kMaxDetokenize = size_t{1} << 20;
constexpr size_t kMaxIdBytes = 128;
constexpr std::string_view kOneModel = "/v1/models/", kWebFiles = "/web/";

HttpResponse json_response(const Json& json) { return {.body = to_line(json)}; }

HttpResponse error_response(const ApiError& error) {
  HttpResponse response{.status = error.status, .body = error_body(error)};
  if (error.retry_after_s > 0) {
    response.headers.emplace_back("Retry-After", std::to_string(error.retry_after_s));
  }
  return response;
}

int64_t now_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

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

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() + 0 &&
        std::sscanf(std::string(text.substr(i + 1, 2)).c_str(), "%2x", &value) == 1) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Json model_json(const ServedModel& model, const std::string& name) {
  Json json;
  json["id"] = name;
  json["object"] = "model";
  json["created"] = model.created;
  json["owned_by"] = "octavo";
  json["root"] = model.root;
  json["parent"] = nullptr;
  json["max_model_len"] = model.limits.max_model_len;
  json["permission"] = Json::array();
  return json;
}

std::optional<ApiError> check_model(const ServedModel& model, const std::string& name) {
  if (name.empty() || std::ranges::find(model.names, name) != model.names.end()) {
    return std::nullopt;
  }
  return not_found("model", "the model " + name + " does not exist");
}

bool is_json(std::string_view content_type) {
  std::string type(content_type.substr(0, content_type.find(';')));
  std::ranges::transform(type, type.begin(), [](unsigned char c) { return std::tolower(c); });
  while (!type.empty() && type.back() == ' ') type.pop_back();
  return type == "application/json" || type.ends_with("+json");
}

}  // namespace

// The table of routes and what each answers.
struct Routes {
  using Exchange = std::shared_ptr<HttpExchange>;
  enum class Auth { key, open };
  enum class Where { io_thread, worker };  // parsing, templates and tokenizing are for workers
  struct Route {
    std::string_view method, path;
    Auth auth;
    Where where;
    // An answer, or nothing where a generation will give it.
    std::optional<HttpResponse> (*run)(Service&, const HttpRequest&, const Exchange&);
  };
  static const std::vector<Route>& table();
  static const Route* find(std::string_view method, std::string_view path, bool& path_known);

  static std::optional<HttpResponse> page(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> engine_state(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> health(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> version(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> load(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> metrics(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> models(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> one_model(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> tokenize(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> detokenize(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> completion(Service&, const HttpRequest&, const Exchange&);
  static std::optional<HttpResponse> chat(Service&, const HttpRequest&, const Exchange&);

  static std::optional<ApiError> parse(const HttpRequest& request, Json& out);
  static std::optional<HttpResponse> generate(Service&, const HttpRequest&, GenerationPlan,
                                              const Exchange&);
  static std::optional<ApiError> settle(const ServedModel&, int64_t fallback, GenerationPlan&);
};

const std::vector<Routes::Route>& Routes::table() {
  using enum Auth;
  using enum Where;
  static const std::vector<Route> routes = {
      {"GET", "/", open, io_thread, page},
      {"GET", "/web/", open, io_thread, page},
      {"GET", "/engine/state", key, worker, engine_state},
      {"GET", "/health", open, io_thread, health},
      {"GET", "/ping", open, io_thread, health},
      {"POST", "/ping", open, io_thread, health},
      {"GET", "/version", key, io_thread, version},
      {"GET", "/load", key, io_thread, load},
      {"GET", "/metrics", key, worker, metrics},
      {"GET", "/v1/models", key, io_thread, models},
      {"GET", "/v1/models/", key, io_thread, one_model},
      {"POST", "/tokenize", key, worker, tokenize},
      {"POST", "/detokenize", key, worker, detokenize},
      {"POST", "/v1/completions", key, worker, completion},
      {"POST", "/v1/chat/completions", key, worker, chat},
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

std::optional<HttpResponse> Routes::page(Service&, const HttpRequest& request, const Exchange&) {
  const bool root = request.path == "/";
  return web_page(root ? "page.html" : std::string_view(request.path).substr(kWebFiles.size()));
}

std::optional<HttpResponse> Routes::engine_state(Service& service, const HttpRequest&,
                                                 const Exchange&) {
  const Service::Ready& ready = *service.ready_;
  Json json{{"version", OCTAVO_VERSION}, {"models", Json::array()}};
  const EngineSnapshot snapshot = ready.engine.snapshot();
  json["models"].push_back(engine_state_json({.name = ready.model->names.front(),
                                              .snapshot = snapshot,
                                              .options = ready.engine.options(),
                                              .stalled_s = ready.engine.stalled_s(),
                                              .ended = ready.metrics.recent().all(),
                                              .now = std::chrono::steady_clock::now(),
                                              .first_token = ready.metrics.fine_ttft(),
                                              .between_tokens = ready.metrics.fine_itl()}));
  return json_response(json);
}

std::optional<HttpResponse> Routes::health(Service& service, const HttpRequest&, const Exchange&) {
  const Service::Phase phase = service.phase();
  const char* status = "ok";
  if (phase == Service::Phase::loading) {
    status = "loading";
  } else if (phase == Service::Phase::draining) {
    status = "draining";
  } else if (service.ready_->engine.stalled_s() > service.options_.stuck_s) {
    status = "stuck";
  }
  HttpResponse response = json_response(Json{{"status", status}});
  if (std::string_view(status) != "ok") {
    response.status = 503;
    response.headers.emplace_back("Retry-After", "1");
  }
  return response;
}

std::optional<HttpResponse> Routes::version(Service&, const HttpRequest&, const Exchange&) {
  return json_response(Json{{"version", OCTAVO_VERSION}});
}

std::optional<HttpResponse> Routes::load(Service& service, const HttpRequest&, const Exchange&) {
  return json_response(Json{{"server_load", service.in_flight_.load()}});
}

std::optional<HttpResponse> Routes::metrics(Service& service, const HttpRequest&, const Exchange&) {
  const Service::Ready& ready = *service.ready_;
  return HttpResponse{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                      .body = ready.metrics.text(ready.engine.stats(), ready.engine.options())};
}

std::optional<HttpResponse> Routes::models(Service& service, const HttpRequest&, const Exchange&) {
  const ServedModel& model = *service.ready_->model;
  Json json;
  json["object"] = "list";
  json["data"] = Json::array();
  for (const std::string& name : model.names) json["data"].push_back(model_json(model, name));
  return json_response(json);
}

std::optional<HttpResponse> Routes::one_model(Service& service, const HttpRequest& request,
                                              const Exchange&) {
  const ServedModel& model = *service.ready_->model;
  const std::string name = percent_decoded(request.path.substr(kOneModel.size()));
  if (const auto error = check_model(model, name)) return error_response(*error);
  return json_response(model_json(model, name));
}

std::optional<ApiError> Routes::parse(const HttpRequest& request, Json& out) {
  try {
    out = parse_json(request.body, "body");
  } catch (const Error& error) {
    return bad_request("", "the body is not acceptable JSON: " + error.problem());
  }
  if (!out.is_object()) return bad_request("", "the body must be a JSON object");
  return std::nullopt;
}

std::optional<HttpResponse> Routes::tokenize(Service& service, const HttpRequest& request,
                                             const Exchange&) {
  const ServedModel& model = *service.ready_->model;
  Json body;
  if (const auto error = parse(request, body)) return error_response(*error);
  Fields fields(body);
  std::string name, prompt;
  bool with_strings = false, add_special = true;
  fields.text("model", name, kMaxTokenizeBytes);
  fields.flag("return_token_strs", with_strings);
  fields.flag("add_special_tokens", add_special);
  std::vector<TokenId> ids;
  if (fields.find("messages")) {
    ChatInput input;
    read_chat_input(fields, input);
    if (fields.error()) return error_response(*fields.error());
    PromptPlan plan;
    if (const auto error = plan_chat(model, input, std::nullopt, plan)) {
      return error_response(*error);
    }
    ids = std::move(plan.ids);
  } else {
    fields.text("prompt", prompt, kMaxTokenizeBytes);
    if (!fields.find("prompt")) fields.fail("prompt", "prompt or messages is missing");
    if (fields.error()) return error_response(*fields.error());
    ids = model.tokenizer.encode(
        prompt, add_special ? Tokenizer::Specials::add : Tokenizer::Specials::none);
  }
  if (const auto error = check_model(model, name)) return error_response(*error);
  Json json;
  json["count"] = ids.size();
  json["max_model_len"] = model.limits.max_model_len;
  json["tokens"] = ids;
  if (with_strings) {
    for (const TokenId id : ids) json["token_strs"].push_back(model.tokenizer.token(id));
  }
  return json_response(json);
}

std::optional<HttpResponse> Routes::detokenize(Service& service, const HttpRequest& request,
                                               const Exchange&) {
  const ServedModel& model = *service.ready_->model;
  Json body;
  if (const auto error = parse(request, body)) return error_response(*error);
  Fields fields(body);
  std::string name;
  std::vector<TokenId> ids;
  fields.text("model", name, kMaxTokenizeBytes);
  fields.token_ids("tokens", ids, std::max(model.limits.vocab, model.tokenizer.vocab_size()),
                   kMaxDetokenize);
  if (!fields.find("tokens")) fields.fail("tokens", "tokens is missing");
  if (fields.error()) return error_response(*fields.error());
  if (const auto error = check_model(model, name)) return error_response(*error);
  return json_response(
      Json{{"prompt", model.tokenizer.decode(ids, Tokenizer::InOutput::keep_special)}});
}

std::optional<ApiError> Routes::settle(const ServedModel& model, int64_t fallback,
                                       GenerationPlan& plan) {
  for (const PromptPlan& prompt : plan.prompts) {
    const auto tokens = static_cast<int64_t>(prompt.ids.size());
    if (auto error = settle_lengths(model.limits, tokens, fallback, plan.sampling)) return error;
    plan.max_tokens.push_back(plan.sampling.params.max_tokens);
  }
  plan.drop_output = plan.echo && plan.sampling.params.max_tokens == 0;
  plan.sampling.params.bad_words = encode_words(model.tokenizer, plan.sampling.bad_words);
  return std::nullopt;
}

std::optional<HttpResponse> Routes::generate(Service& service, const HttpRequest& request,
                                             GenerationPlan plan, const Exchange& exchange) {
  const ServedModel& model = *service.ready_->model;
  const std::string id = request_id(request);
  const bool chat = plan.head.kind == AnswerHead::Kind::chat;
  plan.head.id = (chat ? "chatcmpl-" : "cmpl-") + id;
  plan.head.model = plan.sampling.model.empty() ? model.names.front() : plan.sampling.model;
  plan.head.created = now_s();
  plan.show_cached = service.options_.prompt_tokens_details;
  if (service.options_.request_id_headers) plan.headers.emplace_back("X-Request-Id", id);
  const auto choices = static_cast<int64_t>(plan.prompts.size()) * plan.sampling.n;
  if (const auto error = service.reserve(choices)) return error_response(*error);
  service.count(request, 200);
  service.launch(std::move(plan), exchange);
  return std::nullopt;
}

std::optional<HttpResponse> Routes::completion(Service& service, const HttpRequest& request,
                                               const Exchange& exchange) {
  const ServedModel& model = *service.ready_->model;
  Json body;
  if (const auto error = parse(request, body)) return error_response(*error);
  CompletionRequest parsed;
  if (const auto error = parse_completion_request(body, model.limits, model.defaults, parsed)) {
    return error_response(*error);
  }
  if (const auto error = check_model(model, parsed.sampling.model)) return error_response(*error);
  GenerationPlan plan{.sampling = std::move(parsed.sampling), .echo = parsed.echo};
  plan.head.kind = AnswerHead::Kind::completion;
  const auto specials =
      parsed.add_special_tokens ? Tokenizer::Specials::add : Tokenizer::Specials::none;
  for (const Prompt& prompt : parsed.prompts) {
    const auto error = plan_prompt(model, prompt, specials, plan.sampling.truncate_prompt_tokens,
                                   plan.prompts.emplace_back());
    if (error) return error_response(*error);
  }
  if (const auto error = settle(model, kDefaultMaxTokens, plan)) return error_response(*error);
  return generate(service, request, std::move(plan), exchange);
}

std::optional<HttpResponse> Routes::chat(Service& service, const HttpRequest& request,
                                         const Exchange& exchange) {
  const ServedModel& model = *service.ready_->model;
  Json body;
  if (const auto error = parse(request, body)) return error_response(*error);
  ChatRequest parsed;
  if (const auto error = parse_chat_request(body, model.limits, model.defaults, parsed)) {
    return error_response(*error);
  }
  if (const auto error = check_model(model, parsed.sampling.model)) return error_response(*error);
  GenerationPlan plan{.sampling = std::move(parsed.sampling)};
  plan.head.kind = AnswerHead::Kind::chat;
  const auto error = plan_chat(model, parsed.input, plan.sampling.truncate_prompt_tokens,
                               plan.prompts.emplace_back());
  if (error) return error_response(*error);
  const int64_t whole_context = std::numeric_limits<int64_t>::max();
  if (const auto bad = settle(model, whole_context, plan)) return error_response(*bad);
  return generate(service, request, std::move(plan), exchange);
}

std::optional<HttpResponse> Service::admit(const HttpRequest& head) {
  bool path_known = false;
  const Routes::Route* route = Routes::find(head.method, head.path, path_known);
  const auto refuse = [&](int status, std::string message) {
    if (path_known) count(head, status);
    return error_response(http_error(status, std::move(message)));
  };
  const bool open = route != nullptr && route->auth == Routes::Auth::open;
  if (!open && !authorized(options_.api_keys, head.authorization)) {
    HttpResponse response = refuse(401, "a valid API key is needed: Authorization: Bearer KEY");
    response.headers.emplace_back("WWW-Authenticate", "Bearer");
    return response;
  }
  if (!path_known) return refuse(404, "there is no " + head.path.substr(0, 200) + " here");
  if (route == nullptr) {
    return refuse(405, head.method + " is not allowed on " + head.path.substr(0, 200));
  }
  if (!open && head.method == "POST" && !is_json(head.content_type)) {
    return refuse(415, "the Content-Type must be application/json");
  }
  if (open || phase() != Phase::loading) return std::nullopt;
  return error_response(overloaded("the model is still loading", 1));
}

void Service::handle(HttpRequest request, std::shared_ptr<HttpExchange> exchange) {
  bool path_known = false;
  const Routes::Route* route = Routes::find(request.method, request.path, path_known);
  const auto run = [this, route, request = std::move(request), exchange = std::move(exchange)] {
    std::optional<HttpResponse> response;
    try {
      response = route->run(*this, request, exchange);
    } catch (const std::exception&) {  // out of memory, or a bug: this request alone fails
      response = error_response(http_error(500, "the server failed on this request"));
    }
    if (!response) return;
    count(request, response->status);
    exchange->respond(std::move(*response));
  };
  if (route->where == Routes::Where::io_thread) return run();
  parse_workers_->post(run);
}

}  // namespace octavo::serve
