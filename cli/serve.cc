#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "cli/memory_report.h"
#include "cli/serve_models.h"
#include "octavo/error.h"
#include "serve/server.h"

// `octavo serve`: flags as vLLM names them.

namespace octavo::cli {
namespace {

constexpr int64_t kMany = int64_t{1} << 40;
constexpr uint64_t kMaxKeyFileBytes = 1 << 20;

struct Options {
  ServedModelOptions models;
  serve::ServerOptions server;
  std::vector<std::string> more_models, api_keys, admin_keys, quiet_paths;
  std::string api_keys_file, tool_call_parser, reasoning_parser;
  bool auto_tool_choice = false;
  bool no_access_log = false;
  bool dry_run = false;
  // Known, and not there yet.
  bool lora = false;
  std::string lora_modules, speculative_config;
  int64_t max_loras = 0, max_lora_rank = 0;
};

CLI::Option* add_list(CLI::App& app, const char* name, std::vector<std::string>& out,
                      const char* help) {
  return app.add_option(name, out, help)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void add_models(CLI::App& app, Options& o) {
  add_list(app, "MODEL", o.models.models,
           "directory with config.json and weights, a .gguf file, or OWNER/NAME in the hub cache; "
           "several: all are served");
  add_list(app, "--model", o.more_models, "one more model");
  add_list(app, "--served-model-name", o.models.names,
           "names in answers and requests; of several models, one each");
  add_model_flags(app, o.models.model);
  serve::RegistryOptions& registry = o.server.service.registry;
  app.add_option("--memory-budget", registry.memory_budget_bytes,
                 "bytes (or 8GiB) for weights and caches of all models; idle ones make room")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--idle-unload-s", registry.idle_unload_s,
                 "unload a model that was idle for so long; 0: never")
      ->check(CLI::Range(0.0, 1e9));
  app.add_option("--load-wait-s", registry.load_wait_s, "a request waits so long for its model")
      ->check(CLI::Range(0.0, 86400.0));
  app.add_flag("--dry-run", o.dry_run, "print what the models will hold in memory, and stop");
  app.add_flag("--load-on-demand", o.server.load_on_demand,
               "begin with the first model; load others when they are asked for");
}

void add_address(CLI::App& app, Options& o) {
  serve::HttpOptions& http = o.server.http;
  app.add_option("--host", http.host, "address to listen on")->capture_default_str();
  app.add_option("--port", http.port, "port; 0: any free one")
      ->check(CLI::Range(0, 65535))
      ->capture_default_str();
  app.add_option("--uds", http.unix_socket, "listen on this Unix socket instead");
  app.add_option("--ssl-certfile", http.tls_certificate, "PEM file: answer over TLS");
  app.add_option("--ssl-keyfile", http.tls_key, "PEM file of the certificate's key");
  app.add_option("--root-path", http.root_path, "prefix that a proxy leaves on paths");
  add_list(app, "--allowed-origins", http.allowed_origins,
           "web origins that may call (CORS); *: all");
  app.add_option("--max-connections", http.max_connections, "clients at once")
      ->check(CLI::Range(1, 1 << 20));
  app.add_option("--max-body-bytes", http.max_body_bytes, "of a request")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--max-header-bytes", http.max_header_bytes, "of a request")
      ->check(CLI::Range(1024, 1 << 22));
  app.add_option("--header-timeout", http.header_s, "seconds for a request's header to arrive")
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--body-timeout", http.body_s, "seconds for its body")
      ->check(CLI::Range(0.1, 3600.0));
  app.add_option("--shutdown-timeout", o.server.shutdown_timeout_s,
                 "seconds that running requests get after SIGTERM")
      ->check(CLI::Range(0.0, 86400.0));
}

void add_access(CLI::App& app, Options& o) {
  serve::ServiceOptions& service = o.server.service;
  add_list(app, "--api-key", o.api_keys,
           "keys that clients may use (also VLLM_API_KEY, OCTAVO_API_KEY)");
  add_list(app, "--admin-key", o.admin_keys, "keys that may also load and unload models");
  app.add_option("--api-keys-file", o.api_keys_file, "JSON file of named keys with their quotas");
  app.add_option("--request-timeout", service.request_timeout_s,
                 "longest time of a request in seconds; 0: none")
      ->check(CLI::Range(0.0, 1e6));
  add_list(app, "--disable-access-log-for-endpoints", o.quiet_paths, "paths, comma separated")
      ->delimiter(',');
  app.add_flag("--disable-access-log,--disable-uvicorn-access-log", o.no_access_log,
               "no line a request");
  app.add_flag("--enable-log-requests", service.log_requests, "log parameters of each request");
  app.add_flag("--enable-request-id-headers", service.request_id_headers, "send X-Request-Id back");
  app.add_option("--engine-stuck-s", service.stuck_s,
                 "an engine without progress for so long counts as dead")
      ->check(CLI::Range(1.0, 86400.0));
  app.add_flag("--enable-dev-routes", service.dev_routes, "POST /reset_prefix_cache");
  app.add_flag("--enable-tokenizer-info-endpoint", service.tokenizer_info, "GET /tokenizer_info");
}

void add_engine(CLI::App& app, Options& o) {
  EngineOptions& engine = o.models.engine;
  app.add_option("--max-num-seqs", engine.max_num_seqs, "sequences in one step")
      ->check(CLI::Range(int64_t{1}, int64_t{65536}));
  app.add_option("--max-num-batched-tokens", engine.max_num_batched_tokens, "tokens in one step")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  app.add_option("--block-size", engine.block_tokens, "tokens of a cache block, multiple of 16")
      ->check(CLI::Range(int64_t{16}, int64_t{1024}));
  app.add_option("--num-gpu-blocks-override", engine.num_blocks, "blocks of the cache")
      ->check(CLI::Range(int64_t{1}, kMany));
  app.add_option("--kv-cache-memory-bytes", engine.kv_cache_bytes, "size of the cache")
      ->check(CLI::Range(int64_t{1}, kMany));
  app.add_flag("--enable-prefix-caching,!--no-enable-prefix-caching", engine.prefix_caching,
               "find computed beginnings of prompts again (on by default)");
  app.add_option("--prefix-cache-dir", engine.prefix_files.directory,
                 "keep the prefix cache here over restarts");
  app.add_option("--prefix-cache-max-bytes", engine.prefix_files.max_bytes, "at most so much")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--scheduling-policy", o.models.scheduling_policy, "fcfs or priority")
      ->check(CLI::IsMember({"fcfs", "priority"}));
  app.add_option("--step-target-s", engine.step_target_s,
                 "time that a step with answers in it should take, prompts included; 0: any")
      ->check(CLI::Range(0.0, 60.0));
  app.add_option("--max-num-queued-reqs", engine.max_queued_requests,
                 "requests in flight, each choice counted; more get 503; 0: no bound")
      ->check(CLI::Range(int64_t{0}, kMany));
  app.add_option("--max-num-queued-tokens", engine.max_queued_tokens,
                 "prompt tokens that wait for their first answer; more get 503; 0: no bound")
      ->check(CLI::Range(int64_t{0}, kMany));
}

void add_requests(CLI::App& app, Options& o) {
  serve::ServiceOptions& service = o.server.service;
  app.add_option("--chat-template", o.models.chat_template,
                 "file that replaces the model's template");
  app.add_option("--generation-config", o.models.generation_config,
                 "auto: the model's sampling defaults; vllm: none; or a directory")
      ->capture_default_str();
  app.add_option("--max-logprobs", o.models.max_logprobs, "alternatives that a request may ask for")
      ->check(CLI::Range(int64_t{0}, int64_t{128}));
  app.add_flag("--enable-prompt-tokens-details", service.prompt_tokens_details,
               "show cached prompt tokens in usage");
  app.add_flag("--enable-force-include-usage", service.force_include_usage,
               "usage at the end of every stream");
  app.add_flag("--return-tokens-as-token-ids", service.tokens_as_ids,
               "log-probabilities name tokens token_id:17");
  app.add_option("--sse-keep-alive-interval", service.sse_keep_alive_s,
                 "seconds of silence after which a stream gets a comment; 0: none")
      ->check(CLI::Range(0.0, 3600.0));
  app.add_flag("--enable-auto-tool-choice", o.auto_tool_choice, "let the model call tools");
  app.add_option("--tool-call-parser", o.tool_call_parser,
                 "taken for compatibility: calls come as text");
}

void add_later(CLI::App& app, Options& o) {
  app.add_option("--reasoning-parser", o.reasoning_parser, "not supported yet");
  app.add_flag("--enable-lora", o.lora, "not supported yet");
  app.add_option("--lora-modules", o.lora_modules, "not supported yet");
  app.add_option("--max-loras", o.max_loras, "not supported yet");
  app.add_option("--max-lora-rank", o.max_lora_rank, "not supported yet");
  app.add_option("--speculative-config", o.speculative_config, "not supported yet");
}

void refuse_later(const Options& o) {
  const auto refuse = [](bool given, const char* flag) {
    if (given) throw Error("is not supported yet", flag, "leave it out");
  };
  refuse(!o.reasoning_parser.empty(), "--reasoning-parser");
  refuse(o.lora || !o.lora_modules.empty() || o.max_loras > 0 || o.max_lora_rank > 0,
         "--enable-lora");
  refuse(!o.speculative_config.empty(), "--speculative-config");
}

void add_key(const std::string& key, bool admin, std::vector<serve::ApiKey>& keys) {
  if (key.empty()) throw Error("an API key is empty", "--api-key", "give a long random word");
  for (serve::ApiKey& known : keys) {
    if (known.key != key) continue;
    known.admin = known.admin || admin;
    return;
  }
  const std::string name = (admin ? "admin-" : "key-") + std::to_string(keys.size() + 1);
  keys.push_back({.name = name, .key = key, .admin = admin});
}

std::vector<serve::ApiKey> collect_keys(const Options& o) {
  std::vector<serve::ApiKey> keys;
  if (!o.api_keys_file.empty()) {
    const std::string& file = o.api_keys_file;
    keys = serve::read_api_keys(parse_json(read_file(file, kMaxKeyFileBytes), file), file);
  }
  for (const std::string& key : o.api_keys) add_key(key, false, keys);
  for (const char* name : {"VLLM_API_KEY", "OCTAVO_API_KEY"}) {
    const char* key = std::getenv(name);
    if (key != nullptr && *key != '\0') add_key(key, false, keys);
  }
  for (const std::string& key : o.admin_keys) add_key(key, true, keys);
  return keys;
}

int run_serve(Options& o) {
  refuse_later(o);
  EngineOptions& engine = o.models.engine;
  if (engine.block_tokens % 16 != 0) {
    throw Error("not a multiple of 16", "--block-size", "use 16, 32, 64 or 128");
  }
  o.models.models.insert(o.models.models.end(), o.more_models.begin(), o.more_models.end());
  if (o.models.models.empty()) {
    throw Error("MODEL is required", "octavo serve", "see `octavo serve --help`");
  }
  serve::ServiceOptions& service = o.server.service;
  service.api_keys = collect_keys(o);
  service.max_queued_requests = engine.max_queued_requests;
  service.access_log = !o.no_access_log;
  service.unlogged_paths.insert(o.quiet_paths.begin(), o.quiet_paths.end());
  for (const serve::ApiKey& key : service.api_keys) {
    engine.tenants.emplace_back(key.name, key.limits);
  }
  if (o.dry_run) {
    for (const std::string& name : o.models.models) {
      ModelOptions model = o.models.model;
      model.model = name;
      print_memory_plan(name, memory_plan(model, engine));
    }
    return 0;
  }
  return serve::run_server(o.server, servable_models(o.models));
}

}  // namespace

std::function<int()> add_serve(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_models(app, *options);
  add_address(app, *options);
  add_access(app, *options);
  add_engine(app, *options);
  add_requests(app, *options);
  add_later(app, *options);
  return [options] { return run_serve(*options); };
}

}  // namespace octavo::cli
