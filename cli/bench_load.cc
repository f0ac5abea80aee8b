#include "cli/bench_load.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/interrupt.h"
#include "measure/load/child_server.h"
#include "measure/load/generator.h"
#include "measure/offline.h"
#include "model/companions.h"
#include "model/derive.h"
#include "octavo/error.h"

// A server, or the engine alone, under a load of made or recorded requests.

namespace octavo::cli {
namespace {

namespace fs = std::filesystem;
using measure::LoadPrompt;

constexpr uint64_t kMaxDataset = uint64_t{2} << 30;

std::string dataset_text(const BenchLoadOptions& o) {
  if (o.dataset_path.empty()) throw Error("no file for this dataset", "--dataset-path", "name one");
  return read_file(o.dataset_path, kMaxDataset);
}

std::vector<LoadPrompt> make_prompts(const BenchLoadOptions& o, std::optional<Tokenizer> tokenizer,
                                     uint64_t seed) {
  measure::PromptMaker maker(std::move(tokenizer), seed);
  if (o.dataset == "sharegpt")
    return maker.sharegpt(measure::parse_conversations(dataset_text(o), o.dataset_path), o.prompts);
  if (o.dataset == "prefix_repetition") return maker.prefix_repetition(o.prompts);
  if (o.dataset == "trace") {
    return maker.trace(measure::parse_trace(dataset_text(o), o.dataset_path, o.prompts.num_prompts),
                       o.prompts);
  }
  return maker.random(o.prompts);
}

std::optional<Tokenizer> tokenizer_of(const fs::path& directory) {
  if (!has_tokenizer(directory)) return std::nullopt;
  return read_tokenizer(directory);
}

// ---- serve

measure::ArrivalOptions arrival_options(const BenchLoadOptions& o) {
  measure::ArrivalOptions a{
      .request_rate = o.request_rate == "inf" ? 0 : std::strtod(o.request_rate.c_str(), nullptr),
      .burstiness = o.burstiness};
  if (o.ramp_up.empty()) return a;
  if (o.start_rps <= 0 || o.end_rps <= 0) {
    throw Error("the rate grows from nowhere", "--ramp-up-strategy",
                "give --ramp-up-start-rps and --ramp-up-end-rps");
  }
  a.ramp_up = o.ramp_up == "linear" ? measure::RampUp::linear : measure::RampUp::exponential;
  a.start_rps = o.start_rps;
  a.end_rps = o.end_rps;
  return a;
}

std::vector<double> times_of(const std::vector<LoadPrompt>& prompts, const BenchLoadOptions& o,
                             uint64_t seed) {
  const measure::ArrivalOptions arrivals = arrival_options(o);
  std::mt19937_64 random(seed);
  if (prompts.front().at_s < 0 || arrivals.ramp_up != measure::RampUp::none)
    return measure::arrivals(arrivals, static_cast<int64_t>(prompts.size()), random);
  std::vector<double> times;
  for (const LoadPrompt& prompt : prompts) times.push_back(prompt.at_s);
  measure::stretch(times, arrivals.request_rate);
  return times;
}

std::vector<std::pair<std::string, std::string>> pairs_of(const std::vector<std::string>& words,
                                                          const char* flag) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const std::string& word : words) {
    const size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos)
      throw Error("not NAME=VALUE: " + word, flag, "write NAME=VALUE");
    pairs.emplace_back(word.substr(0, equals), word.substr(equals + 1));
  }
  return pairs;
}

std::vector<std::string> server_command(const BenchOptions& options) {
  const ModelOptions& m = options.model;
  std::vector<std::string> command = {
      "/proc/self/exe",   "serve",         m.model,     "--host",
      "127.0.0.1",        "--port=0",      "--dtype",   m.dtype,
      "--device",         m.device,        "--threads", std::to_string(m.threads),
      "--kv-cache-dtype", m.kv_cache_dtype};
  if (m.max_model_len > 0) command.push_back("--max-model-len=" + std::to_string(m.max_model_len));
  if (!m.hf_overrides.empty()) command.push_back("--hf-overrides=" + m.hf_overrides);
  if (m.seed) command.push_back("--seed=" + std::to_string(*m.seed));
  if (!options.load->api_key.empty()) command.push_back("--api-key=" + options.load->api_key);
  const auto& own = options.load->server_args;
  command.insert(command.end(), own.begin(), own.end());
  return command;
}

std::string date() {
  const std::time_t now = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm local{};
  ::localtime_r(&now, &local);
  char text[32];
  std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &local);
  return text;
}

Json rate_json(const BenchLoadOptions& o) {
  if (o.request_rate == "inf") return "inf";
  return std::strtod(o.request_rate.c_str(), nullptr);
}

// The head of the document, with vLLM's names.
Json head(const BenchOptions& options, const std::string& name, size_t prompts) {
  const BenchLoadOptions& o = *options.load;
  Json out = {{"date", date()},
              {"backend", o.backend},
              {"endpoint_type", o.backend},
              {"label", o.label.empty() ? Json(nullptr) : Json(o.label)},
              {"model_id", name},
              {"tokenizer_id", options.model.model.empty() ? name : options.model.model},
              {"num_prompts", prompts}};
  for (const auto& [key, value] : pairs_of(o.metadata, "--metadata")) out[key] = value;
  out["request_rate"] = rate_json(o);
  out["burstiness"] = o.burstiness;
  out["max_concurrency"] = o.max_concurrency > 0 ? Json(o.max_concurrency) : Json(nullptr);
  if (!o.ramp_up.empty()) {
    out["ramp_up_strategy"] = o.ramp_up;
    out["ramp_up_start_rps"] = o.start_rps;
    out["ramp_up_end_rps"] = o.end_rps;
  }
  return out;
}

void save(const BenchLoadOptions& o, const Json& document) {
  if (!o.save_result && !o.save_detailed) return;
  std::string name = o.result_filename;
  if (name.empty()) {
    const std::string model = document["model_id"].get<std::string>();
    name = o.backend + "-" + o.request_rate + "qps-" + model.substr(model.find_last_of('/') + 1) +
           "-" + document["date"].get<std::string>() + ".json";
  }
  const fs::path path = fs::path(o.result_dir) / name;
  if (!o.result_dir.empty()) fs::create_directories(o.result_dir);
  write_file_atomically(path, to_line(document) + "\n");
}

// What a load is sent with, and where to.
measure::LoadOptions load_options(const BenchLoadOptions& o, const std::string& url,
                                  const InterruptRequest& interrupt) {
  const bool chat = o.backend == "openai-chat";
  measure::LoadOptions load{
      .url = url,
      .path = !o.endpoint.empty() ? o.endpoint
              : chat              ? "/v1/chat/completions"
                                  : "/v1/completions",
      .endpoint = chat ? measure::Endpoint::chat : measure::Endpoint::completions,
      .model = o.name,
      .api_key = o.api_key,
      .max_concurrency = o.max_concurrency,
      .ignore_eos = o.ignore_eos,
      .logprobs = o.logprobs,
      .timeout_s = o.timeout_s,
      .headers = pairs_of(o.headers, "--header"),
      .stop = [&interrupt] { return interrupt.requested(); }};
  if (const char* key = std::getenv("OPENAI_API_KEY"); load.api_key.empty() && key != nullptr)
    load.api_key = key;
  return load;
}

std::string url_of(const BenchLoadOptions& o) {
  if (!o.base_url.empty() || o.port == 0) return o.base_url;
  return "http://" + o.host + ":" + std::to_string(o.port);
}

void warm_up(const std::vector<LoadPrompt>& prompts, const measure::LoadOptions& load,
             int64_t count) {
  measure::check_server(prompts.front(), load);
  if (count == 0) return;
  std::vector<LoadPrompt> some;
  for (int64_t i = 0; i < count; ++i)
    some.push_back(prompts[static_cast<size_t>(i) % prompts.size()]);
  measure::run_load(some, std::vector<double>(some.size()), load);
}

}  // namespace

void bench_serve(const BenchOptions& options, BenchResult result) {
  const BenchLoadOptions& o = *options.load;
  const measure::MetricOptions metrics{.goodput = measure::parse_goodput(o.goodput),
                                       .metrics = o.metrics,
                                       .percentiles = o.percentiles};
  const auto seed = static_cast<uint64_t>(options.model.seed.value_or(0));
  std::optional<Tokenizer> tokenizer;
  if (!options.model.model.empty()) tokenizer = tokenizer_of(model_directory(options.model));
  const std::vector<LoadPrompt> prompts = make_prompts(o, tokenizer, seed);
  if (prompts.empty())
    throw Error("no prompt is short enough", "--max-input-tokens", "allow longer ones");

  const InterruptRequest interrupt;
  std::unique_ptr<measure::ChildServer> server;
  std::string url = url_of(o);
  if (url.empty()) {
    if (options.model.model.empty())
      throw Error("neither a model nor a server", "octavo bench serve",
                  "name a model directory, or a server with --base-url");
    server = std::make_unique<measure::ChildServer>(server_command(options));
    url = server->url();
  }
  Json extra;
  measure::LoadOptions load = load_options(o, url, interrupt);
  if (!o.extra_body.empty()) {
    extra = parse_json(o.extra_body, "--extra-body");
    if (!extra.is_object()) throw Error("not a JSON object", "--extra-body", "give {...}");
    load.extra_body = &extra;
  }
  if (load.model.empty()) load.model = measure::served_model(load);
  warm_up(prompts, load, o.warm_ups);

  Progress bar("sending", "requests", static_cast<int64_t>(prompts.size()));
  load.progress = [&](int64_t done, int64_t failed) {
    if (failed > 0) bar.note(std::to_string(failed) + " failed");
    bar.update(done);
  };
  const measure::LoadRun run = measure::run_load(prompts, times_of(prompts, o, seed), load);
  bar.finish();
  if (interrupt.requested()) throw Interrupted{};

  const measure::LoadSummary summary = measure::summarize(run, metrics.goodput);
  result.json.update(head(options, load.model, prompts.size()));
  result.json.update(measure::to_json(summary, metrics));
  if (o.save_detailed) result.json.update(measure::details(run));
  result.report.line(load.model + " at " + url + load.path + ", " + o.dataset + ", rate " +
                     o.request_rate);
  measure::show(summary, metrics, result.report);
  if (summary.completed < static_cast<int64_t>(prompts.size())) {
    for (const measure::LoadResult& one : run.results) {
      if (one.success) continue;
      result.report.line("first failure: " + one.error);
      break;
    }
  }
  save(o, result.json);
}

void bench_throughput(const BenchOptions& options, BenchResult result) {
  const BenchLoadOptions& o = *options.load;
  const RunningModel running = load(options.model);
  const std::optional<Tokenizer> tokenizer = tokenizer_of(running.directory);
  if (!tokenizer)
    throw Error("the model has no tokenizer", options.model.model,
                "put its tokenizer.json beside the weights");
  std::vector<LoadPrompt> prompts =
      make_prompts(o, tokenizer, static_cast<uint64_t>(options.model.seed.value_or(0)));
  const int64_t longest = max_sequence_tokens(running.model->spec);
  std::erase_if(prompts, [&](const LoadPrompt& prompt) {
    return static_cast<int64_t>(prompt.ids.size()) + prompt.output_tokens > longest;
  });
  if (prompts.empty()) {
    throw Error("the model takes " + std::to_string(longest) + " tokens at most",
                "--random-input-len", "use shorter lengths");
  }
  Progress bar("generating", "requests", static_cast<int64_t>(prompts.size()));
  const measure::OfflineRun run =
      measure::run_offline(running.model, *running.pool, prompts,
                           {.max_num_seqs = std::max<int64_t>(1, o.max_num_seqs),
                            .max_batched_tokens = options.max_batched_tokens,
                            .max_model_len = options.model.max_model_len,
                            .prefix_caching = o.prefix_caching,
                            .progress = [&](int64_t done) { bar.update(done); }});
  bar.finish();
  result.json.update(measure::to_json(run));
  measure::show(run, result.report);
}

}  // namespace octavo::cli
