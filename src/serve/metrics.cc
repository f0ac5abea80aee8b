#include "serve/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>
#include <vector>

#include "serve/engine_state.h"

namespace octavo::serve {
namespace {

using Bounds = std::vector<double>;

Bounds first_token_bounds() {
  return {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
          1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
}
Bounds token_bounds() {
  return {.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80};
}
Bounds request_bounds() {
  return {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
          30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
}
Bounds iteration_bounds() {
  return {1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384};
}

std::string escaped(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

void family(const std::string& name, const char* type, const char* help, std::string& out) {
  out += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
}

std::string braces(const std::string& labels) { return "{" + labels + "} "; }

}  // namespace

Metrics::Metrics(std::string model_name, int64_t max_model_len)
    : labels_("model_name=\"" + escaped(model_name) + "\",engine=\"0\""),
      ttft_(first_token_bounds()),
      itl_(token_bounds()),
      tpot_(token_bounds()),
      e2e_(request_bounds()),
      queue_(request_bounds()),
      inference_(request_bounds()),
      prefill_(request_bounds()),
      decode_(request_bounds()),
      prompt_(one_two_five(static_cast<double>(max_model_len))),
      generation_(one_two_five(static_cast<double>(max_model_len))),
      max_generation_(one_two_five(static_cast<double>(max_model_len))),
      params_max_tokens_(one_two_five(static_cast<double>(max_model_len))),
      computed_(one_two_five(static_cast<double>(max_model_len))),
      iteration_(iteration_bounds()),
      n_({1, 2, 5, 10, 20}),
      fine_ttft_(fine_latency_bounds()),
      fine_itl_(fine_latency_bounds()) {
  for (const char* reason : {"stop", "length", "abort", "error", "repetition", "timeout"}) {
    success_[reason] = 0;
  }
  for (const char* reason : {"queue_full", "draining"}) rejections_[reason] = 0;
}

void Metrics::accepted(int64_t n, int64_t max_tokens) {
  n_.observe(static_cast<double>(n));
  params_max_tokens_.observe(static_cast<double>(max_tokens));
}

void Metrics::rejected(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  ++rejections_[reason];
}

void Metrics::prompt_done(int64_t prompt_tokens, int64_t cached_tokens) {
  prompt_tokens_ += prompt_tokens;
  cached_tokens_ += cached_tokens;
}

void Metrics::first_token(double since_arrival_s) {
  ttft_.observe(since_arrival_s);
  fine_ttft_.observe(since_arrival_s);
}

void Metrics::next_tokens(double gap_s, int64_t count) {
  if (count < 1) return;
  const double each_s = gap_s / static_cast<double>(count);
  itl_.observe(each_s, static_cast<uint64_t>(count));
  fine_itl_.observe(each_s, static_cast<uint64_t>(count));
}

void Metrics::generated(int64_t tokens) { generation_tokens_ += tokens; }

void Metrics::ended(const Ending& ending) {
  recent_.add({.id = ending.id,
               .reason = ending.reason,
               .when = std::chrono::steady_clock::now(),
               .queue_s = ending.queue_s,
               .prefill_s = ending.prefill_s,
               .decode_s = ending.decode_s,
               .preempted_s = ending.preempted_s,
               .prompt_tokens = ending.prompt_tokens,
               .cached_tokens = ending.cached_tokens,
               .generated_tokens = ending.generated_tokens});
  {
    const std::lock_guard lock(mutex_);
    ++success_[ending.reason];
  }
  e2e_.observe(ending.e2e_s);
  queue_.observe(ending.queue_s);
  prefill_.observe(ending.prefill_s);
  decode_.observe(ending.decode_s);
  inference_.observe(ending.prefill_s + ending.decode_s);
  prompt_.observe(static_cast<double>(ending.prompt_tokens));
  generation_.observe(static_cast<double>(ending.generated_tokens));
  max_generation_.observe(static_cast<double>(ending.generated_tokens));
  computed_.observe(static_cast<double>(ending.prompt_tokens - ending.cached_tokens));
  if (ending.generated_tokens > 1) {
    tpot_.observe(ending.decode_s / static_cast<double>(ending.generated_tokens - 1));
  }
}

void Metrics::step_seen(const EngineStats& stats) {
  const int64_t before = seen_steps_.exchange(stats.steps);
  if (before != stats.steps) iteration_.observe(static_cast<double>(stats.last_batch_tokens));
}

void Metrics::http(const std::string& handler, const std::string& method, int status) {
  const std::string group = std::to_string(status / 100) + "xx";
  const std::lock_guard lock(mutex_);
  ++http_[{handler, method, group}];
}

int Metrics::retry_after_s(const EngineStats& stats) const {
  const double turns = 1 + static_cast<double>(stats.waiting) /
                               static_cast<double>(std::max<int64_t>(1, stats.running));
  return static_cast<int>(std::clamp(std::ceil(turns * e2e_.mean()), 1.0, 60.0));
}

void Metrics::write_engine(const EngineStats& stats, const EngineOptions& options,
                           std::string& out) const {
  const auto gauge = [&](const char* name, const char* help, const std::string& labels,
                         double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.9g\n", value);
    if (help) family(name, "gauge", help, out);
    out += name + braces(labels) + text;
  };
  gauge("vllm:num_requests_running", "Requests in the running batch.", labels_,
        static_cast<double>(stats.running));
  gauge("vllm:num_requests_waiting", "Requests that wait to be scheduled.", labels_,
        static_cast<double>(stats.waiting));
  gauge("vllm:num_requests_waiting_by_reason", "Requests that wait, by reason.",
        labels_ + ",reason=\"capacity\"", static_cast<double>(stats.waiting));
  gauge("vllm:num_requests_waiting_by_reason", nullptr, labels_ + ",reason=\"deferred\"", 0);
  const double all = static_cast<double>(std::max<int64_t>(1, stats.blocks_total));
  gauge("vllm:kv_cache_usage_perc", "Share of the cache in use, 0 to 1.", labels_,
        static_cast<double>(stats.blocks_used) / all);
  gauge("vllm:cache_config_info", "Shape of the cache.",
        labels_ + ",block_size=\"" + std::to_string(options.block_tokens) + "\",num_gpu_blocks=\"" +
            std::to_string(stats.blocks_total) + "\",enable_prefix_caching=\"" +
            (options.prefix_caching ? "True" : "False") + "\"",
        1);
}

void Metrics::write_counters(const EngineStats& stats, std::string& out) const {
  const auto counter = [&](const std::string& name, const char* help, int64_t value) {
    family(name, "counter", help, out);
    out += name + braces(labels_) + std::to_string(value) + "\n";
  };
  const int64_t prompt = prompt_tokens_, cached = cached_tokens_;
  counter("vllm:prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.",
          stats.prefix_queries_tokens);
  counter("vllm:prefix_cache_hits_total", "Prompt tokens found in the prefix cache.",
          stats.prefix_hits_tokens);
  counter("vllm:num_preemptions_total", "Requests set back by the scheduler.", stats.preemptions);
  counter("vllm:prompt_tokens_total", "Prompt tokens taken in.", prompt);
  counter("vllm:generation_tokens_total", "Tokens generated.", generation_tokens_);
  counter("vllm:prompt_tokens_cached_total", "Prompt tokens that were not computed again.", cached);
  const std::string name = "vllm:prompt_tokens_by_source_total";
  family(name, "counter", "Prompt tokens by where their keys and values came from.", out);
  out += name + braces(labels_ + ",source=\"local_compute\"") + std::to_string(prompt - cached) +
         "\n" + name + braces(labels_ + ",source=\"local_cache_hit\"") + std::to_string(cached) +
         "\n";
}

void Metrics::write_labelled(std::string& out) const {
  const std::lock_guard lock(mutex_);
  family("vllm:request_success_total", "counter", "Requests that ended, by how.", out);
  for (const auto& [reason, count] : success_) {
    out += "vllm:request_success_total" + braces(labels_ + ",finished_reason=\"" + reason + "\"") +
           std::to_string(count) + "\n";
  }
  family("vllm:admission_rejections_total", "counter", "Requests refused for load.", out);
  for (const auto& [reason, count] : rejections_) {
    out += "vllm:admission_rejections_total" + braces(labels_ + ",reason=\"" + reason + "\"") +
           std::to_string(count) + "\n";
  }
  family("http_requests_total", "counter", "Requests by route, method and status group.", out);
  for (const auto& [key, count] : http_) {
    out +=
        "http_requests_total" +
        braces("handler=\"" + key[0] + "\",method=\"" + key[1] + "\",status=\"" + key[2] + "\"") +
        std::to_string(count) + "\n";
  }
}

void Metrics::write_histograms(std::string& out) const {
  const struct {
    const char *name, *help;
    const Histogram& histogram;
  } all[] = {
      {"time_to_first_token_seconds", "From arrival to the first token.", ttft_},
      {"inter_token_latency_seconds", "Between two tokens of a request.", itl_},
      {"request_time_per_output_token_seconds", "Decode time over tokens, by request.", tpot_},
      {"e2e_request_latency_seconds", "From arrival to the end.", e2e_},
      {"request_queue_time_seconds", "From arrival to the first step.", queue_},
      {"request_inference_time_seconds", "From the first step to the end.", inference_},
      {"request_prefill_time_seconds", "From the first step to the first token.", prefill_},
      {"request_decode_time_seconds", "From the first token to the end.", decode_},
      {"request_prompt_tokens", "Prompt tokens of a request.", prompt_},
      {"request_generation_tokens", "Generated tokens of a request.", generation_},
      {"request_max_num_generation_tokens", "Most tokens of a request's choices.", max_generation_},
      {"request_params_max_tokens", "max_tokens of a request.", params_max_tokens_},
      {"request_prefill_kv_computed_tokens", "Prompt tokens computed for a request.", computed_},
      {"iteration_tokens_total", "Tokens of a step of the engine.", iteration_},
      {"request_params_n", "n of a request.", n_},
  };
  for (const auto& [name, help, histogram] : all) {
    const std::string full = std::string("vllm:") + name;
    family(full, "histogram", help, out);
    histogram.write(full, labels_, out);
  }
}

std::string Metrics::text(const EngineStats& stats, const EngineOptions& options) const {
  std::string out;
  write_engine(stats, options, out);
  write_counters(stats, out);
  write_labelled(out);
  write_histograms(out);
  return out;
}

}  // namespace octavo::serve
