#include <cstdio>
#include <nlohmann/json.hpp>

#include "serve/fields.h"
#include "serve/http_answers.h"
#include "serve/routes.h"

// Which models there are, and bringing them in and out of memory.

namespace octavo::serve {
namespace {

constexpr std::string_view kOneModel = "/v1/models/";
constexpr size_t kMaxNameBytes = 1024;

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned value = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::sscanf(std::string(text.substr(i + 1, 2)).c_str(), "%2x", &value) == 1) {
      out += static_cast<char>(value);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Json model_json(const ModelRegistry::Status& status, const std::string& name) {
  Json json;
  json["id"] = name;
  json["object"] = "model";
  json["created"] = status.servable->created;
  json["owned_by"] = "octavo";
  json["root"] = status.servable->root;
  json["parent"] = nullptr;
  json["max_model_len"] = status.max_model_len > 0 ? Json(status.max_model_len) : Json(nullptr);
  json["permission"] = Json::array();
  json["state"] = state_name(status.state);
  return json;
}

HttpResponse state_response(ModelRegistry& registry, const std::string& name) {
  for (const auto& status : registry.status()) {
    for (const std::string& known : status.servable->names) {
      if (name != known && !(name.empty() && known == status.servable->names.front())) continue;
      HttpResponse response = json_response(model_json(status, known));
      response.status = 202;
      return response;
    }
  }
  return error_response(not_found("model", "the model " + name + " does not exist"));
}

}  // namespace

std::optional<HttpResponse> Routes::models(Call& call) {
  Json json;
  json["object"] = "list";
  json["data"] = Json::array();
  for (const auto& status : call.service.registry_->status()) {
    for (const std::string& name : status.servable->names) {
      json["data"].push_back(model_json(status, name));
    }
  }
  return json_response(json);
}

std::optional<HttpResponse> Routes::one_model(Call& call) {
  const std::string wanted = percent_decoded(call.request.path.substr(kOneModel.size()));
  for (const auto& status : call.service.registry_->status()) {
    for (const std::string& name : status.servable->names) {
      if (name == wanted) return json_response(model_json(status, name));
    }
  }
  return error_response(not_found("model", "the model " + wanted + " does not exist"));
}

std::optional<HttpResponse> Routes::load_model(Call& call) {
  Fields fields(*call.body);
  std::string name;
  fields.text("model", name, kMaxNameBytes);
  if (fields.error()) return error_response(*fields.error());
  ModelRegistry& registry = *call.service.registry_;
  if (const auto error = registry.load(name)) return error_response(*error);
  return state_response(registry, name);
}

std::optional<HttpResponse> Routes::unload_model(Call& call) {
  Fields fields(*call.body);
  std::string name;
  fields.text("model", name, kMaxNameBytes);
  if (fields.error()) return error_response(*fields.error());
  ModelRegistry& registry = *call.service.registry_;
  if (const auto error = registry.unload(name)) return error_response(*error);
  return state_response(registry, name);
}

}  // namespace octavo::serve
