#include "text/template/chat_template.h"

#include <utility>

#include "base/json.h"
#include "base/utf8.h"
#include "octavo/error.h"
#include "text/template/evaluator.h"
#include "text/template/parser.h"

namespace octavo {
namespace {

using jinja::Value;

constexpr size_t kMaxSourceBytes = size_t{4} << 20;

Value text_value(jinja::Runtime& runtime, const std::string& text) {
  return runtime.text(utf8::is_valid(text) ? text : utf8::sanitize(text));
}

// `depth` counts the containers around it.
Value from_json(jinja::Runtime& runtime, const Json& json, int depth);

jinja::Dict dict_from_json(jinja::Runtime& runtime, const Json& json, int depth) {
  depth = jinja::Runtime::deeper(depth);
  jinja::Dict dict;
  for (const auto& [key, value] : json.items()) {
    dict.set(runtime, text_value(runtime, key), from_json(runtime, value, depth));
  }
  return dict;
}

Value from_json(jinja::Runtime& runtime, const Json& json, int depth) {
  switch (json.type()) {
    case Json::value_t::boolean:
      return json.get<bool>();
    case Json::value_t::number_integer:
      return json.get<int64_t>();
    case Json::value_t::number_unsigned: {
      const auto value = json.get<uint64_t>();
      return value > INT64_MAX ? Value(static_cast<double>(value))
                               : Value(static_cast<int64_t>(value));
    }
    case Json::value_t::number_float:
      return json.get<double>();
    case Json::value_t::string:
      return text_value(runtime, json.get_ref<const std::string&>());
    case Json::value_t::array: {
      std::vector<Value> items;
      depth = jinja::Runtime::deeper(depth);
      for (const Json& item : json) items.push_back(from_json(runtime, item, depth));
      return runtime.list(std::move(items));
    }
    case Json::value_t::object:
      return runtime.dict(dict_from_json(runtime, json, depth));
    default:
      return jinja::None{};
  }
}

}  // namespace

struct ChatTemplate::Parsed {
  jinja::Body body;
};

ChatTemplate ChatTemplate::compile(std::string_view source, std::string_view where) {
  if (source.size() > kMaxSourceBytes) {
    throw Error("the chat template is larger than 4 MiB", std::string(where),
                "give a smaller template");
  }
  try {
    return ChatTemplate(std::make_shared<const Parsed>(Parsed{jinja::parse(source)}));
  } catch (const TemplateError& error) {
    throw Error("bad chat template: " + error.message(), std::string(where),
                "mend the template, or give another with --chat-template");
  }
}

std::string ChatTemplate::render(const Json& context, const TemplateOptions& options) const {
  jinja::Runtime runtime(options.limits, options.now);
  const jinja::Dict variables =
      context.is_object() ? dict_from_json(runtime, context, 0) : jinja::Dict{};
  return jinja::Evaluator(runtime, variables).render(parsed_->body);
}

}  // namespace octavo
