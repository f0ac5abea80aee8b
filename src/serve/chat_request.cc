#include "serve/chat_request.h"

#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json.h"
#include "octavo/error.h"

namespace octavo::serve {

ChatInput::ChatInput()
    : messages(std::make_unique<Json>(Json::array())),
      arguments(std::make_unique<Json>(Json::object())) {}
ChatInput::~ChatInput() = default;
ChatInput::ChatInput(ChatInput&&) noexcept = default;
ChatInput& ChatInput::operator=(ChatInput&&) noexcept = default;

namespace {

constexpr size_t kMaxMessages = 4096, kMaxTools = 512, kMaxRoleBytes = 256;
constexpr size_t kMaxToolBytes = size_t{512} << 10;
constexpr int64_t kMaxInt = std::numeric_limits<int64_t>::max();

struct Messages {
  Fields& fields;
  size_t at = 0;
  void fail(const std::string& part, const std::string& message) {
    const std::string where = "messages[" + std::to_string(at) + "]" + part;
    fields.fail(where, where + " " + message);
  }
};

// The text of a content part; false: not a part that this server takes.
bool part_text(const Json& part, std::string& out) {
  if (part.is_string()) {
    out = part.get<std::string>();
    return true;
  }
  if (!part.is_object() || !part.contains("type") || !part["type"].is_string()) return false;
  const auto& type = part["type"].get_ref<const std::string&>();
  const bool is_text = type == "text" || type == "input_text" || type == "output_text";
  const char* key = is_text ? "text" : type == "refusal" ? "refusal" : nullptr;
  if (key == nullptr || !part.contains(key) || !part[key].is_string()) return false;
  out = part[key].get<std::string>();
  return true;
}

void read_content(Messages& at, const Json& message, Json& out) {
  const auto found = message.find("content");
  if (found == message.end() || found->is_null()) {
    out["content"] = nullptr;
    return;
  }
  if (found->is_string()) {
    out["content"] = *found;
    return;
  }
  if (!found->is_array()) return at.fail(".content", "must be a string or a list of parts");
  std::string joined;
  for (size_t i = 0; i < found->size(); ++i) {
    std::string text;
    if (!part_text((*found)[i], text)) {
      return at.fail(".content[" + std::to_string(i) + "]", "must be a part of type text");
    }
    joined += (i == 0 ? "" : "\n") + text;
  }
  out["content"] = std::move(joined);
}

// Templates expect the arguments of a call as an object, clients send them as text.
void read_tool_calls(Messages& at, const Json& message, Json& out) {
  const auto found = message.find("tool_calls");
  if (found == message.end() || found->is_null()) return;
  if (!found->is_array()) return at.fail(".tool_calls", "must be a list");
  Json calls = *found;
  for (Json& call : calls) {
    if (!call.is_object() || !call.contains("function") || !call["function"].is_object()) {
      return at.fail(".tool_calls", "must hold objects with a function");
    }
    Json& function = call["function"];
    if (!function.contains("name") || !function["name"].is_string()) {
      return at.fail(".tool_calls", "must name the function");
    }
    if (!function.contains("arguments") || !function["arguments"].is_string()) continue;
    const auto text = function["arguments"].get<std::string>();
    if (text.empty()) {
      function["arguments"] = Json::object();
      continue;
    }
    try {
      function["arguments"] = parse_json(text, "arguments");
    } catch (const Error&) {
      return at.fail(".tool_calls", "must have JSON as arguments");
    }
  }
  out["tool_calls"] = std::move(calls);
}

void read_message(Messages& at, const Json& message, Json& out) {
  if (!message.is_object()) return at.fail("", "must be an object");
  const auto role = message.find("role");
  if (role == message.end() || !role->is_string() || role->empty() ||
      role->get_ref<const std::string&>().size() > kMaxRoleBytes) {
    return at.fail(".role", "must be a string such as user");
  }
  out["role"] = *role;
  read_content(at, message, out);
  read_tool_calls(at, message, out);
  for (const char* key : {"name", "tool_call_id", "reasoning_content", "reasoning"}) {
    const auto found = message.find(key);
    if (found != message.end() && found->is_string()) out[key] = *found;
  }
}

void read_messages(Fields& fields, Json& out) {
  const Json* messages = fields.find("messages");
  if (!messages) return fields.fail("messages", "messages is missing");
  if (!messages->is_array() || messages->empty()) {
    return fields.fail("messages", "messages must be a list with at least one message");
  }
  if (messages->size() > kMaxMessages) {
    return fields.fail("messages", "messages must hold at most " + std::to_string(kMaxMessages));
  }
  Messages at{fields};
  for (const Json& message : *messages) {
    Json clean = Json::object();
    read_message(at, message, clean);
    if (fields.error()) return;
    out.push_back(std::move(clean));
    ++at.at;
  }
}

bool is_tool(const Json& tool) {
  if (!tool.is_object() || !tool.contains("function") || !tool["function"].is_object()) {
    return false;
  }
  const Json& function = tool["function"];
  const auto name = function.find("name");
  if (name == function.end() || !name->is_string() || name->get_ref<const std::string&>().empty()) {
    return false;
  }
  const auto parameters = function.find("parameters");
  return parameters == function.end() || parameters->is_null() || parameters->is_object();
}

void read_tool_choice(Fields& fields, const Json* tools) {
  const Json* choice = fields.find("tool_choice");
  if (!choice) return;
  if (choice->is_string()) {
    const auto& name = choice->get_ref<const std::string&>();
    if (name == "none") return;
    if (name != "auto" && name != "required") {
      return fields.fail("tool_choice", "tool_choice must be none, auto, required or a function");
    }
    if (!tools) return fields.fail("tool_choice", "tool_choice needs tools");
    if (name == "auto") return;
  } else if (!tools) {
    return fields.fail("tool_choice", "tool_choice needs tools");
  }
  fields.fail("tool_choice", "this server cannot force a function call: use auto or none");
}

void read_tools(Fields& fields, Json& arguments) {
  const Json* tools = fields.find("tools");
  if (tools) {
    if (!tools->is_array() || tools->empty() || tools->size() > kMaxTools) {
      return fields.fail("tools", "tools must be a list of 1 to " + std::to_string(kMaxTools));
    }
    for (size_t i = 0; i < tools->size(); ++i) {
      if (is_tool((*tools)[i])) continue;
      const std::string where = "tools[" + std::to_string(i) + "]";
      return fields.fail(where, where + " must be a function with a name and object parameters");
    }
    if (to_line(*tools).size() > kMaxToolBytes) {
      return fields.fail("tools",
                         "tools must be at most " + std::to_string(kMaxToolBytes) + " bytes");
    }
    const Json* choice = fields.find("tool_choice");
    if (!choice || *choice != "none") arguments["tools"] = *tools;
  }
  read_tool_choice(fields, tools);
}

}  // namespace

void read_chat_input(Fields& fields, ChatInput& out) {
  read_messages(fields, *out.messages);
  if (const Json* extra = fields.find("chat_template_kwargs")) {
    if (!extra->is_object()) {
      return fields.fail("chat_template_kwargs", "chat_template_kwargs must be an object");
    }
    *out.arguments = *extra;
  }
  read_tools(fields, *out.arguments);
  if (const Json* documents = fields.find("documents")) (*out.arguments)["documents"] = *documents;
  fields.flag("add_generation_prompt", out.add_generation_prompt);
  fields.flag("continue_final_message", out.continue_final_message);
  fields.flag("add_special_tokens", out.add_special_tokens);
  if (out.add_generation_prompt && out.continue_final_message) {
    fields.fail("continue_final_message",
                "continue_final_message and add_generation_prompt cannot both be true");
  }
  if (fields.find("chat_template")) {
    fields.fail("chat_template", "a chat template from the request is not trusted here");
  }
}

std::optional<ApiError> parse_chat_request(const Json& body, const ServeLimits& limits,
                                           const SamplingDefaults& defaults, ChatRequest& out) {
  if (!body.is_object()) return bad_request("", "the body must be a JSON object");
  Fields fields(body);
  read_chat_input(fields, out.input);
  read_sampling(fields, limits, defaults, out.sampling);
  fields.flag("echo", out.echo);
  fields.integer("max_tokens", out.sampling.max_tokens, {1, kMaxInt});
  fields.integer("max_completion_tokens", out.sampling.max_tokens, {1, kMaxInt});
  bool logprobs = false;
  int64_t top_logprobs = 0;
  fields.flag("logprobs", logprobs);
  fields.integer("top_logprobs", top_logprobs, {0, limits.max_logprobs});
  if (top_logprobs > 0 && !logprobs) {
    fields.fail("top_logprobs", "top_logprobs needs logprobs to be true");
  }
  if (logprobs) out.sampling.params.logprobs = static_cast<int32_t>(top_logprobs);
  return fields.error();
}

}  // namespace octavo::serve
