#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/command.h"
#include "cli/generation_config.h"
#include "cli/model_options.h"
#include "model/companions.h"
#include "octavo/error.h"
#include "serve/prompts.h"
#include "serve/server.h"
#include "text/template/model_template.h"

// `octavo serve`: flags as vLLM names them, and the model for the server.

namespace octavo::cli {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kMany = int64_t{1} << 40;
constexpr uint64_t kMaxTemplateBytes = uint64_t{4} << 20;

struct Options {
  ModelOptions model;
  serve::ServerOptions server;
  EngineOptions engine;
  std::vector<std::string> names;
  std::string chat_template, generation_config = "auto", scheduling_policy = "fcfs";
  std::string tool_call_parser;
  bool auto_tool_choice = false, prefix_caching = true;
};

void add_address(CLI::App& app, Options& o) {
  app.add_option("--host", o.server.http.host, "address to listen on")->capture_default_str();
  app.add_option("--port", o.server.http.port, "port; 0: any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  app.add_option("--api-key", o.server.service.api_keys,
                 "keys that clients may use (also VLLM_API_KEY, OCTAVO_API_KEY)")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--served-model-name", o.names, "names in answers and requests")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  app.add_option("--max-connections", o.server.http.max_connections, "clients at once")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--shutdown-timeout", o.server.shutdown_timeout_s,
                 "seconds that running requests get after SIGTERM")
      ->check(CLI::Range(0.0, 86400.0));
  app.add_flag("--enable-request-id-headers", o.server.service.request_id_headers,
               "send X-Request-Id back");
}

void add_engine(CLI::App& app, Options& o) {
  app.add_option("--max-num-seqs", o.engine.max_num_seqs, "sequences in one step")
      ->check(CLI::Range(int64_t{1}, int64_t{65536}));
  app.add_option("--max-num-batched-tokens", o.engine.max_num_batched_tokens, "tokens in one step")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  app.add_option("--block-size", o.engine.block_tokens, "tokens of a cache block, multiple of 16")
      ->check(CLI::Range(int64_t{16}, int64_t{1024}));
  app.add_option("--num-gpu-blocks-override", o.engine.num_blocks, "blocks of the cache")
      ->check(CLI::Range(int64_t{1}, kMany));
  app.add_option("--kv-cache-memory-bytes", o.engine.kv_cache_bytes, "size of the cache")
      ->check(CLI::Range(int64_t{1}, kMany));
  app.add_flag("--enable-prefix-caching,!--no-enable-prefix-caching", o.prefix_caching,
               "find computed beginnings of prompts again (on by default)");
  app.add_option("--scheduling-policy", o.scheduling_policy, "fcfs or priority")
      ->check(CLI::IsMember({"fcfs", "priority"}));
  app.add_option("--max-num-queued-reqs", o.server.service.max_queued_requests,
                 "requests in flight, each choice counted; more get 503; 0: no bound")
      ->check(CLI::Range(int64_t{0}, kMany));
}

void add_requests(CLI::App& app, Options& o) {
  app.add_option("--chat-template", o.chat_template, "file that replaces the model's template");
  app.add_option("--generation-config", o.generation_config,
                 "auto: the model's sampling defaults; vllm: none; or a directory")
      ->capture_default_str();
  app.add_flag("--enable-prompt-tokens-details", o.server.service.prompt_tokens_details,
               "show cached prompt tokens in usage");
  app.add_flag("--enable-auto-tool-choice", o.auto_tool_choice, "let the model call tools");
  app.add_option("--tool-call-parser", o.tool_call_parser,
                 "taken for compatibility: calls come as text");
}

void add_keys_of_environment(std::vector<std::string>& keys) {
  for (const char* name : {"VLLM_API_KEY", "OCTAVO_API_KEY"}) {
    const char* key = std::getenv(name);
    if (key != nullptr && *key != '\0') keys.emplace_back(key);
  }
  for (const std::string& key : keys) {
    if (key.empty()) throw Error("an API key is empty", "--api-key", "give a long random word");
  }
}

using Render = std::function<std::string(const Json&)>;

std::string render(const ChatTemplate& chosen, const ModelTemplates& model, const Json& variables) {
  Json context = variables;
  model.add_tokens(context);
  try {
    return chosen.render(context);
  } catch (const TemplateError& error) {
    throw Error(error.message(), "chat template", "change the messages");
  }
}

// The template of --chat-template, of the model, or a plain one of our own.
Render chat_renderer(const Options& options, const fs::path& directory) {
  const auto model = std::make_shared<const ModelTemplates>(read_templates(directory));
  if (!options.chat_template.empty()) {
    const std::string source = read_file(options.chat_template, kMaxTemplateBytes);
    const ChatTemplate chosen = ChatTemplate::compile(source, options.chat_template);
    return [chosen, model](const Json& variables) { return render(chosen, *model, variables); };
  }
  if (model->pick(false) == nullptr) {
    log_line("the model has no chat template: conversations become plain lines of text");
    return serve::render_plain;
  }
  return [model](const Json& variables) {
    const bool tools = variables.contains("tools") && !variables["tools"].is_null();
    return render(*model->pick(tools), *model, variables);
  };
}

std::optional<float> narrowed(const std::optional<double>& value) {
  return value ? std::optional(static_cast<float>(*value)) : std::nullopt;
}

serve::LoadedModel load_for_serving(const Options& options, RunningModel& running) {
  running = load(options.model);
  const int64_t vocab = running.model->spec.vocab;
  const std::string& from = options.generation_config;
  const fs::path directory = from == "auto" || from == "vllm" ? running.directory : fs::path(from);
  const GenerationConfig config = read_generation_config(directory, vocab);
  auto served = std::make_shared<serve::ServedModel>(serve::ServedModel{
      .names = options.names.empty() ? std::vector{options.model.model} : options.names,
      .root = options.model.model,
      .created = std::chrono::duration_cast<std::chrono::seconds>(
                     std::chrono::system_clock::now().time_since_epoch())
                     .count(),
      .tokenizer = read_tokenizer(running.directory),
      .render = chat_renderer(options, running.directory)});
  served->limits.vocab = vocab;
  if (from != "vllm") {
    served->defaults = {.temperature = narrowed(config.temperature),
                        .top_p = narrowed(config.top_p),
                        .min_p = narrowed(config.min_p),
                        .repetition_penalty = narrowed(config.repetition_penalty),
                        .top_k = config.top_k};
  }
  EngineOptions engine = options.engine;
  engine.max_model_len = options.model.max_model_len;
  engine.prefix_caching = options.prefix_caching;
  engine.priority_scheduling = options.scheduling_policy == "priority";
  engine.eos = config.eos;
  return {.served = std::move(served),
          .engine = std::make_unique<Engine>(running.model, *running.pool, engine)};
}

int run_serve(Options& options) {
  add_keys_of_environment(options.server.service.api_keys);
  if (options.engine.block_tokens % 16 != 0) {
    throw Error("not a multiple of 16", "--block-size", "use 16, 32, 64 or 128");
  }
  model_directory(options.model);  // a wrong path is told before anything starts
  RunningModel running;            // outlives the engine, which run_server ends
  return serve::run_server(options.server, [&] { return load_for_serving(options, running); });
}

}  // namespace

std::function<int()> add_serve(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  add_address(app, *options);
  add_engine(app, *options);
  add_requests(app, *options);
  return [options] { return run_serve(*options); };
}

}  // namespace octavo::cli
