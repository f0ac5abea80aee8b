#include <algorithm>
#include <charconv>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "serve/chat_request.h"
#include "serve/completion_request.h"
#include "serve/http_answers.h"
#include "serve/routes.h"

namespace octavo::serve {
namespace {

constexpr size_t kMaxSessionBytes = 128;
constexpr int64_t kDefaultMaxTokens = 16;  // of /v1/completions, as OpenAI has it

int64_t now_s() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

// X-Vllm-Priority overrides the body's priority.
std::optional<ApiError> read_priority(const std::string& header, int64_t& priority) {
  if (header.empty()) return std::nullopt;
  int64_t value = 0;
  const char* end = header.data() + header.size();
  const auto [stop, code] = std::from_chars(header.data(), end, value);
  if (code != std::errc() || stop != end) {
    return bad_request("priority", "X-Vllm-Priority must be an integer of 64 bits");
  }
  priority = value;
  return std::nullopt;
}

// No text of the request: it may be private.
void log_request(const Routes::Call& call, const GenerationPlan& plan) {
  const SamplingParams& p = plan.sampling.params;
  size_t tokens = 0;
  for (const PromptPlan& prompt : plan.prompts) tokens += prompt.ids.size();
  std::string line = "request " + plan.head.id + " of " + (plan.tenant.empty() ? "-" : plan.tenant);
  if (!call.request.session_id.empty()) {
    line += ", session " + call.request.session_id.substr(0, kMaxSessionBytes);
  }
  line += ": " + std::to_string(plan.prompts.size()) + " prompts, " + std::to_string(tokens) +
          " tokens, n " + std::to_string(plan.sampling.n) + ", max_tokens " +
          std::to_string(p.max_tokens) + ", temperature " + std::to_string(p.temperature);
  log_line(line);
}

}  // namespace

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

std::optional<HttpResponse> Routes::generate(Call& call, GenerationPlan plan) {
  const ServiceOptions& options = call.service.options_;
  SamplingFields& sampling = plan.sampling;
  if (const auto bad = read_priority(call.request.priority, sampling.priority)) {
    return error_response(*bad);
  }
  const bool chat = plan.head.kind == AnswerHead::Kind::chat;
  plan.head.id = (chat ? "chatcmpl-" : "cmpl-") + call.id;
  plan.head.model = sampling.model.empty() ? call.model().names.front() : sampling.model;
  plan.head.created = now_s();
  plan.show_cached = options.prompt_tokens_details;
  plan.arrival = call.arrival;
  plan.tenant = call.tenant();
  plan.timeout_s = sampling.timeout_s;
  if (options.request_timeout_s > 0) {
    plan.timeout_s = plan.timeout_s > 0 ? std::min(plan.timeout_s, options.request_timeout_s)
                                        : options.request_timeout_s;
  }
  if (options.api_keys.size() > 1) sampling.cache_salt = call.salt(sampling.cache_salt);
  sampling.tokens_as_ids = sampling.tokens_as_ids || options.tokens_as_ids;
  sampling.include_usage = sampling.include_usage || options.force_include_usage;
  if (options.request_id_headers) plan.headers.emplace_back("X-Request-Id", call.id);
  if (options.log_requests) log_request(call, plan);
  if (const auto error = call.service.reserve(call, plan)) return error_response(*error);
  call.service.launch(call, std::move(plan));
  return std::nullopt;
}

std::optional<HttpResponse> Routes::completion(Call& call) {
  const ServedModel& model = call.model();
  CompletionRequest parsed;
  if (const auto error =
          parse_completion_request(*call.body, model.limits, model.defaults, parsed)) {
    return error_response(*error);
  }
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
  return generate(call, std::move(plan));
}

std::optional<HttpResponse> Routes::chat(Call& call) {
  const ServedModel& model = call.model();
  ChatRequest parsed;
  if (const auto error = parse_chat_request(*call.body, model.limits, model.defaults, parsed)) {
    return error_response(*error);
  }
  GenerationPlan plan{.sampling = std::move(parsed.sampling)};
  plan.head.kind = AnswerHead::Kind::chat;
  const auto error = plan_chat(model, parsed.input, plan.sampling.truncate_prompt_tokens,
                               plan.prompts.emplace_back());
  if (error) return error_response(*error);
  const int64_t whole_context = std::numeric_limits<int64_t>::max();
  if (const auto bad = settle(model, whole_context, plan)) return error_response(*bad);
  return generate(call, std::move(plan));
}

}  // namespace octavo::serve
