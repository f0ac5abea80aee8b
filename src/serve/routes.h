#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "serve/service.h"

namespace octavo::serve {

// One request on its way through a route.
struct Service::Call {
  Service& service;
  HttpRequest request;
  std::shared_ptr<HttpExchange> exchange;
  Clock::time_point arrival = {};
  std::string id = {};                    // told to the client
  std::optional<size_t> key = {};         // place in the options' api_keys
  std::shared_ptr<const Json> body = {};  // routes that take one
  Lease host = {};                        // routes that need a model

  const ServedModel& model() const { return *host->model; }
  // Among whom engines are fair, and whose prefixes nobody else can see.
  std::string tenant() const;
  std::string salt(const std::string& own) const;
};

// The table of routes and what each answers (routes_*.cc).
struct Routes {
  using Call = Service::Call;
  enum class Auth { open, key, admin };
  // Nothing; a JSON object; one that may name the model, which is then in memory.
  enum class Needs { nothing, body, model };
  enum class Where { io_thread, worker };  // parsing, templates and tokenizing are for workers
  // An answer, or nothing where one will be given later.
  using Run = std::optional<HttpResponse> (*)(Call&);
  struct Route {
    std::string_view method, path;
    Auth auth;
    Needs needs;
    Where where;
    Run run;
  };
  static const std::vector<Route>& table();
  static const Route* find(std::string_view method, std::string_view path, bool& path_known);

  static std::optional<HttpResponse> page(Call&);
  static std::optional<HttpResponse> engine_state(Call&);
  static std::optional<HttpResponse> health(Call&);
  static std::optional<HttpResponse> alive(Call&);
  static std::optional<HttpResponse> version(Call&);
  static std::optional<HttpResponse> load(Call&);
  static std::optional<HttpResponse> metrics(Call&);
  static std::optional<HttpResponse> reset_prefix_cache(Call&);

  static std::optional<HttpResponse> models(Call&);
  static std::optional<HttpResponse> one_model(Call&);
  static std::optional<HttpResponse> load_model(Call&);
  static std::optional<HttpResponse> unload_model(Call&);

  static std::optional<HttpResponse> tokenize(Call&);
  static std::optional<HttpResponse> detokenize(Call&);
  static std::optional<HttpResponse> tokenizer_info(Call&);

  static std::optional<HttpResponse> completion(Call&);
  static std::optional<HttpResponse> chat(Call&);
  static std::optional<HttpResponse> embeddings(Call&);
  static std::optional<HttpResponse> responses(Call&);
  static std::optional<HttpResponse> messages(Call&);

 private:
  friend class Service;
  static std::optional<HttpResponse> resolve(const Route& route, std::shared_ptr<Call> call);
  static void answer(const Route& route, const std::shared_ptr<Call>& call);
  static std::optional<HttpResponse> generate(Call&, GenerationPlan);
  static std::optional<ApiError> settle(const ServedModel&, int64_t fallback, GenerationPlan&);
};

}  // namespace octavo::serve
