#include <CLI/CLI.hpp>

#include "cli/bench_load.h"

// The flags of `bench serve` and `bench throughput`.

namespace octavo::cli {
namespace {

constexpr int64_t kMost = int64_t{1} << 24;
const char* const kServe = "A server under load (serve)";
const char* const kPrompts = "Prompts (serve, throughput)";

void add_address(CLI::App& app, BenchLoadOptions& o) {
  app.add_option("--base-url", o.base_url,
                 "http://HOST:PORT of the server; without one, `octavo serve MODEL` is started")
      ->group(kServe);
  app.add_option("--host", o.host, "likewise, apart")->group(kServe);
  app.add_option("--port", o.port, "likewise")->check(CLI::Range(1, 65535))->group(kServe);
  app.add_option("--backend", o.backend, "openai, vllm, octavo: completions; openai-chat: chat")
      ->check(CLI::IsMember({"openai", "vllm", "octavo", "openai-chat"}))
      ->group(kServe);
  app.add_option("--endpoint", o.endpoint, "path; by the backend, /v1/completions")->group(kServe);
  app.add_option("--model,--served-model-name", o.name,
                 "name to ask for; without one, the first that the server offers")
      ->group(kServe);
  app.add_option("--api-key", o.api_key, "key to send (also OPENAI_API_KEY)")->group(kServe);
  app.add_option("--header", o.headers, "NAME=VALUE to send with every request")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(kServe);
  app.add_option("--extra-body", o.extra_body, "JSON object merged into every request")
      ->group(kServe);
  app.add_option("--server-arg", o.server_args,
                 "flag for the server that is started, as --server-arg=--max-num-seqs=64")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(kServe);
  app.add_option("--timeout", o.timeout_s, "seconds without a byte after which a request failed")
      ->check(CLI::Range(0.1, 1e6))
      ->group(kServe);
}

void add_traffic(CLI::App& app, BenchLoadOptions& o) {
  app.add_option("--request-rate", o.request_rate,
                 "requests a second; inf: all at once, or a trace's own times")
      ->check(CLI::IsMember({"inf"}) | CLI::PositiveNumber)
      ->group(kServe);
  app.add_option("--burstiness", o.burstiness,
                 "1: Poisson arrivals; less: more in bursts; more: more evenly")
      ->check(CLI::Range(1e-3, 1e6))
      ->group(kServe);
  app.add_option("--ramp-up-strategy", o.ramp_up, "linear or exponential growth of the rate")
      ->check(CLI::IsMember({"linear", "exponential"}))
      ->group(kServe);
  app.add_option("--ramp-up-start-rps", o.start_rps, "rate of the first requests")
      ->check(CLI::PositiveNumber)
      ->group(kServe);
  app.add_option("--ramp-up-end-rps", o.end_rps, "rate of the last ones")
      ->check(CLI::PositiveNumber)
      ->group(kServe);
  app.add_option("--max-concurrency", o.max_concurrency, "requests under way at most; 0: no bound")
      ->check(CLI::Range(int64_t{0}, kMost))
      ->group(kServe);
  app.add_option("--num-warmups", o.warm_ups, "requests before the load")
      ->check(CLI::Range(int64_t{0}, kMost))
      ->group(kServe);
  app.add_flag("--ignore-eos", o.ignore_eos, "answers run to their full length (vLLM, Octavo)")
      ->group(kServe);
  app.add_option("--logprobs", o.logprobs, "log-probabilities to ask for with every token")
      ->check(CLI::Range(int64_t{0}, int64_t{100}))
      ->group(kServe);
}

void add_results(CLI::App& app, BenchLoadOptions& o) {
  app.add_option("--goodput", o.goodput,
                 "what good requests keep, in ms: ttft:500 tpot:50 e2el:5000")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(kServe);
  app.add_option("--percentile-metrics", o.metrics, "of ttft, tpot, itl, e2el")
      ->delimiter(',')
      ->check(CLI::IsMember({"ttft", "tpot", "itl", "e2el"}))
      ->group(kServe);
  app.add_option("--metric-percentiles", o.percentiles, "such as 25,50,99")
      ->delimiter(',')
      ->check(CLI::Range(0.0, 100.0))
      ->group(kServe);
  app.add_flag("--save-result", o.save_result, "write the JSON document to a file of its own")
      ->group(kServe);
  app.add_flag("--save-detailed", o.save_detailed, "with every request's times, text and error")
      ->group(kServe);
  app.add_option("--result-dir", o.result_dir, "where that file goes")->group(kServe);
  app.add_option("--result-filename", o.result_filename,
                 "its name; by backend, rate, model and date without it")
      ->group(kServe);
  app.add_option("--label", o.label, "a name for this run in the document")->group(kServe);
  app.add_option("--metadata", o.metadata, "KEY=VALUE to note in the document")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->group(kServe);
}

CLI::Option* add_count(CLI::App& app, const char* name, int64_t& value, const char* help) {
  return app.add_option(name, value, help)
      ->check(CLI::Range(int64_t{0}, kMost))
      ->capture_default_str()
      ->group(kPrompts);
}

void add_prompts(CLI::App& app, BenchLoadOptions& o) {
  app.add_option("--dataset-name", o.dataset, "random, sharegpt, prefix_repetition or trace")
      ->check(CLI::IsMember({"random", "sharegpt", "prefix_repetition", "trace"}))
      ->group(kPrompts);
  app.add_option("--dataset-path", o.dataset_path,
                 "file of sharegpt (JSON, JSONL) or trace (Azure CSV, Mooncake JSONL)")
      ->group(kPrompts);
  measure::PromptOptions& p = o.prompts;
  add_count(app, "--num-prompts", p.num_prompts, "requests")->check(CLI::PositiveNumber);
  add_count(app, "--random-input-len", p.input_len, "tokens of a prompt");
  add_count(app, "--random-output-len", p.output_len, "tokens of an answer");
  add_count(app, "--random-prefix-len", p.prefix_len, "tokens that all prompts begin with");
  app.add_option("--random-range-ratio", p.range_ratio, "lengths vary by this share, 0 to 1")
      ->check(CLI::Range(0.0, 1.0))
      ->group(kPrompts);
  add_count(app, "--sharegpt-output-len", p.sharegpt_output_len,
            "tokens of an answer; 0: as long as the recorded one");
  add_count(app, "--prefix-repetition-prefix-len", p.repeated_prefix_len, "tokens of a prefix");
  add_count(app, "--prefix-repetition-suffix-len", p.suffix_len, "tokens after it");
  add_count(app, "--prefix-repetition-num-prefixes", p.num_prefixes, "different prefixes");
  add_count(app, "--prefix-repetition-output-len", p.repeated_output_len, "tokens of an answer");
  app.add_option("--trace-scale", p.trace_scale, "multiplies the trace's numbers of tokens")
      ->check(CLI::Range(1e-4, 1e3))
      ->group(kPrompts);
  add_count(app, "--max-input-tokens", p.max_input_tokens, "longest prompt; 0: no bound");
  add_count(app, "--max-output-tokens", p.max_output_tokens, "longest answer; 0: no bound");
  add_count(app, "--max-num-seqs", o.max_num_seqs, "sequences in one step (throughput)");
  app.add_flag("--enable-prefix-caching,!--no-enable-prefix-caching", o.prefix_caching,
               "find computed beginnings of prompts again (throughput)")
      ->group(kPrompts);
}

}  // namespace

void add_bench_load(CLI::App& app, BenchLoadOptions& options) {
  add_prompts(app, options);
  add_address(app, options);
  add_traffic(app, options);
  add_results(app, options);
}

}  // namespace octavo::cli
