#include <algorithm>
#include <cstdio>
#include <functional>
#include <utility>

#include "serve/metrics.h"

namespace octavo::serve {

// Writes each family once, with the samples of all models below its head.
class MetricsWriter {
 public:
  explicit MetricsWriter(std::span<const MetricsSource> sources) : sources_(sources) {}

  void engine_gauges();
  void engine_counters();
  void request_counters();
  void histograms();
  std::string take() { return std::move(out_); }

 private:
  using Value = std::function<double(const MetricsSource&)>;

  void head(const std::string& name, const char* type, const char* help) {
    out_ += "# HELP " + name + " " + help + "\n# TYPE " + name + " " + type + "\n";
  }
  void sample(const std::string& name, const std::string& labels, double value) {
    char text[40];
    std::snprintf(text, sizeof text, "%.15g\n", value);
    out_ += name + "{" + labels + "} " + text;
  }
  void family(const std::string& name, const char* type, const char* help, const Value& value) {
    head(name, type, help);
    for (const MetricsSource& s : sources_) sample(name, s.metrics->labels_, value(s));
  }
  void gauge(const char* name, const char* help, const Value& value) {
    family(std::string("vllm:") + name, "gauge", help, value);
  }
  void counter(const char* name, const char* help, const Value& value) {
    family(std::string("vllm:") + name + "_total", "counter", help, value);
  }
  // One sample a value of `label`.
  struct Part {
    const char* name;
    Value value;
  };
  void split(const std::string& name, const char* type, const char* help, const char* label,
             const std::vector<Part>& parts) {
    head(name, type, help);
    for (const MetricsSource& s : sources_) {
      for (const Part& part : parts) {
        sample(name, s.metrics->labels_ + "," + label + "=\"" + part.name + "\"", part.value(s));
      }
    }
  }
  void cache_config();
  void ends();
  void histogram(const char* name, const char* help, const Histogram Metrics::*member);
  void steps();

  std::span<const MetricsSource> sources_;
  std::string out_;
};

namespace {

template <typename T>
auto of(T EngineStats::*member) {
  return [member](const MetricsSource& s) { return static_cast<double>(s.stats->*member); };
}

}  // namespace

void MetricsWriter::cache_config() {
  head("vllm:cache_config_info", "gauge", "Shape of the cache.");
  for (const MetricsSource& s : sources_) {
    if (s.options == nullptr) continue;
    sample("vllm:cache_config_info",
           s.metrics->labels_ + ",block_size=\"" + std::to_string(s.options->block_tokens) +
               "\",num_gpu_blocks=\"" + std::to_string(s.stats->blocks_total) +
               "\",enable_prefix_caching=\"" + (s.options->prefix_caching ? "True" : "False") +
               "\"",
           1);
  }
}

void MetricsWriter::engine_gauges() {
  gauge("num_requests_running", "Requests in the running batch.", of(&EngineStats::running));
  gauge("num_requests_waiting", "Requests that wait to be scheduled.", of(&EngineStats::waiting));
  split("vllm:num_requests_waiting_by_reason", "gauge", "Requests that wait, by reason.", "reason",
        {{"capacity", of(&EngineStats::waiting_capacity)},
         {"deferred", of(&EngineStats::waiting_deferred)}});
  gauge("kv_cache_usage_perc", "Share of the cache in use, 0 to 1.", [](const MetricsSource& s) {
    return static_cast<double>(s.stats->blocks_used) /
           static_cast<double>(std::max<int64_t>(1, s.stats->blocks_total));
  });
  const auto asleep = [](const MetricsSource& s) { return s.options == nullptr ? 1.0 : 0.0; };
  const auto awake = [](const MetricsSource& s) { return s.options == nullptr ? 0.0 : 1.0; };
  const auto never = [](const MetricsSource&) { return 0.0; };
  split("vllm:engine_sleep_state", "gauge", "Whether the model is in memory.", "sleep_state",
        {{"awake", awake}, {"weights_offloaded", never}, {"discard_all", asleep}});
  cache_config();
}

void MetricsWriter::engine_counters() {
  counter("prefix_cache_queries", "Prompt tokens looked up in the prefix cache.",
          of(&EngineStats::prefix_queries_tokens));
  counter("prefix_cache_hits", "Prompt tokens found in the prefix cache.",
          of(&EngineStats::prefix_hits_tokens));
  counter("num_preemptions", "Requests set back by the scheduler.", of(&EngineStats::preemptions));
  counter("corrupted_requests", "Requests ended by logits that are not finite.",
          of(&EngineStats::corrupted_requests));
  family("octavo:prefix_disk_blocks", "gauge", "Blocks in the directory of the prefix cache.",
         of(&EngineStats::disk_blocks));
  family("octavo:prefix_disk_files_rejected_total", "counter", "Damaged or foreign cache files.",
         of(&EngineStats::disk_files_rejected));
  split("octavo:step_seconds_total", "counter", "Time of all steps, by part.", "part",
        {{"plan", of(&EngineStats::plan_s)},
         {"forward", of(&EngineStats::forward_s)},
         {"sample", of(&EngineStats::sample_s)},
         {"deliver", of(&EngineStats::deliver_s)}});
}

void MetricsWriter::ends() {
  head("vllm:request_success_total", "counter", "Requests that ended, by how.");
  for (const MetricsSource& s : sources_) {
    const std::lock_guard lock(s.metrics->mutex_);
    for (const auto& [reason, count] : s.metrics->success_) {
      sample("vllm:request_success_total",
             s.metrics->labels_ + ",finished_reason=\"" + reason + "\"",
             static_cast<double>(count));
    }
  }
  head("vllm:admission_rejections_total", "counter", "Requests refused for load.");
  for (const MetricsSource& s : sources_) {
    const std::lock_guard lock(s.metrics->mutex_);
    for (const auto& [reason, count] : s.metrics->rejections_) {
      sample("vllm:admission_rejections_total", s.metrics->labels_ + ",reason=\"" + reason + "\"",
             static_cast<double>(count));
    }
  }
}

void MetricsWriter::request_counters() {
  const auto cached = [](const MetricsSource& s) {
    return static_cast<double>(s.metrics->cached_tokens_);
  };
  const auto disk = [](const MetricsSource& s) {
    return static_cast<double>(s.metrics->disk_tokens_);
  };
  const auto prompt = [](const MetricsSource& s) {
    return static_cast<double>(s.metrics->prompt_tokens_);
  };
  const auto minus = [](Value a, Value b) {
    return [a = std::move(a), b = std::move(b)](const MetricsSource& s) {
      return std::max(0.0, a(s) - b(s));
    };
  };
  counter("prompt_tokens", "Prompt tokens taken in.", prompt);
  counter("generation_tokens", "Tokens generated.", [](const MetricsSource& s) {
    return static_cast<double>(s.metrics->generation_tokens_);
  });
  counter("prompt_tokens_cached", "Prompt tokens that were not computed again.", cached);
  split("vllm:prompt_tokens_by_source_total", "counter",
        "Prompt tokens by where their keys and values came from.", "source",
        {{"local_compute", minus(prompt, cached)},
         {"local_cache_hit", cached},
         {"external_kv_transfer", [](const MetricsSource&) { return 0.0; }}});
  split("vllm:prompt_tokens_cached_by_source_total", "counter",
        "Cached prompt tokens by where they were.", "source",
        {{"device", minus(cached, disk)}, {"disk", disk}});
  ends();
}

void MetricsWriter::histogram(const char* name, const char* help,
                              const Histogram Metrics::*member) {
  const std::string full = std::string("vllm:") + name;
  head(full, "histogram", help);
  for (const MetricsSource& s : sources_)
    (s.metrics->*member).write(full, s.metrics->labels_, out_);
}

// The engine counts its steps itself, in the same buckets.
void MetricsWriter::steps() {
  const std::string name = "vllm:iteration_tokens_total";
  head(name, "histogram", "Tokens of a step of the engine.");
  for (const MetricsSource& s : sources_) {
    const std::string& labels = s.metrics->labels_;
    int64_t total = 0;
    for (size_t i = 0; i < s.stats->steps_by_rows.size(); ++i) {
      total += s.stats->steps_by_rows[i];
      const bool last = i == kStepRowBounds.size();
      const std::string bound = last ? "+Inf" : std::to_string(kStepRowBounds[i]);
      sample(name + "_bucket", labels + ",le=\"" + bound + "\"", static_cast<double>(total));
    }
    sample(name + "_sum", labels, static_cast<double>(s.stats->step_rows));
    sample(name + "_count", labels, static_cast<double>(total));
  }
}

void MetricsWriter::histograms() {
  using M = Metrics;
  histogram("time_to_first_token_seconds", "From arrival to the first token.", &M::ttft_);
  histogram("inter_token_latency_seconds", "Between two tokens of a request.", &M::itl_);
  histogram("request_time_per_output_token_seconds", "Decode time over tokens.", &M::tpot_);
  histogram("e2e_request_latency_seconds", "From arrival to the end.", &M::e2e_);
  histogram("request_queue_time_seconds", "From arrival to the first step.", &M::queue_);
  histogram("request_inference_time_seconds", "First step to the end.", &M::inference_);
  histogram("request_prefill_time_seconds", "First step to the first token.", &M::prefill_);
  histogram("request_decode_time_seconds", "First token to the end.", &M::decode_);
  histogram("request_prompt_tokens", "Prompt tokens of a request.", &M::prompt_);
  histogram("request_generation_tokens", "Generated tokens of a request.", &M::generation_);
  histogram("request_max_num_generation_tokens", "Most tokens of a request's choices.",
            &M::max_generation_);
  histogram("request_params_max_tokens", "max_tokens of a request.", &M::params_max_tokens_);
  histogram("request_prefill_kv_computed_tokens", "Prompt tokens computed for a request.",
            &M::computed_);
  histogram("request_params_n", "n of a request.", &M::n_);
  histogram("request_num_preemptions", "Preemptions of a request.", &M::preemptions_);
  steps();
}

std::string metrics_text(std::span<const MetricsSource> sources) {
  MetricsWriter writer(sources);
  writer.engine_gauges();
  writer.engine_counters();
  writer.request_counters();
  writer.histograms();
  return writer.take();
}

}  // namespace octavo::serve
