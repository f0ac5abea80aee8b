#include "measure/latency.h"

#include <algorithm>
#include <random>

#include "base/json.h"
#include "measure/product_calls.h"
#include "measure/statistics.h"
#include "model/derive.h"
#include "octavo/engine.h"
#include "octavo/error.h"

namespace octavo::measure {
namespace {

// When each request's tokens came, in seconds after the first submission.
using TokenTimes = std::vector<std::vector<double>>;

struct Run {
  double latency_s = 0;
  TokenTimes times;
};

Run run_once(Engine& engine, const LatencyPoint& point, std::mt19937_64& random) {
  using Clock = std::chrono::steady_clock;
  Run run;
  run.times.resize(static_cast<size_t>(point.batch));
  std::string failure;
  std::uniform_int_distribution<TokenId> token(0,
                                               static_cast<TokenId>(engine.model().spec.vocab - 1));
  std::vector<Request> requests(run.times.size());
  for (Request& request : requests) {
    for (int64_t i = 0; i < point.input_len; ++i) request.prompt.push_back(token(random));
    request.sampling.temperature = 0;
    request.sampling.max_tokens = point.output_len;
    request.sampling.ignore_eos = true;
  }
  const auto begin = Clock::now();
  const auto now = [&] { return std::chrono::duration<double>(Clock::now() - begin).count(); };
  for (size_t i = 0; i < requests.size(); ++i) {
    engine.submit(std::move(requests[i]), [&, i](const Event& event) {
      const double at = now();
      run.times[i].insert(run.times[i].end(), event.tokens.size(), at);
      if (event.finish != Finish::none && event.finish != Finish::length) failure = event.reason;
    });
  }
  engine.run_until_idle();
  run.latency_s = now();
  if (!failure.empty())
    throw Error(failure, "octavo bench latency", "use shorter lengths", Error::Kind::failure);
  return run;
}

// Times between tokens of the first request after every request has its first one.
void add_step_times(const TokenTimes& times, std::vector<double>& steps) {
  double all_begun = 0;
  for (const auto& one : times) all_begun = std::max(all_begun, one.empty() ? 0 : one.front());
  const std::vector<double>& first = times.front();
  for (size_t i = 1; i < first.size(); ++i) {
    if (first[i - 1] >= all_begun) steps.push_back(first[i] - first[i - 1]);
  }
}

void measure(const std::shared_ptr<const Model>& model, const Machine& machine,
             const LatencyOptions& options, LatencyPoint& point) {
  EngineOptions settings;
  settings.max_model_len = point.input_len + point.output_len;
  settings.max_num_seqs = point.batch;
  settings.max_num_batched_tokens = std::max(options.max_batched_tokens, point.batch);
  settings.prefix_caching = false;
  settings.num_blocks = point.batch * (settings.max_model_len / settings.block_tokens + 1) + 1;
  Engine engine(model, *machine.pool, settings);
  std::mt19937_64 random(options.seed);
  std::vector<double> first, steps, read;
  for (int i = 0; i < options.warm_ups; ++i) run_once(engine, point, random);
  for (int i = 0; i < options.runs; ++i) {
    read.push_back(machine.read_rate());
    const Run run = run_once(engine, point, random);
    point.latencies.push_back(run.latency_s);
    std::vector<double> begun;
    for (const auto& times : run.times) begun.push_back(times.front());
    first.push_back(mean(begun));
    add_step_times(run.times, steps);
  }
  point.ttft_s = median(first);
  point.token_s = steps.empty() ? 0 : median(steps);
  point.read_rate = median(read);
  point.step_bytes = static_cast<double>(step_weight_bytes(*model)) +
                     static_cast<double>(point.batch) *
                         kv_read_bytes(*model, point.input_len + point.output_len / 2);
}

Json percentiles(const std::vector<double>& values) {
  Json all = Json::object();
  for (const int p : {10, 25, 50, 75, 90, 99}) all[std::to_string(p)] = percentile(values, p);
  return all;
}

Json to_json(const LatencyPoint& p) {
  Json row = {
      {"batch_size", p.batch},      {"input_len", p.input_len},
      {"output_len", p.output_len}, {"avg_latency", mean(p.latencies)},
      {"latencies", p.latencies},   {"percentiles", percentiles(p.latencies)},
      {"ttft_s", p.ttft_s},         {"prefill_tokens_per_second", p.prefill_tokens_per_s()}};
  if (p.token_s > 0) {
    row["time_per_token_s"] = p.token_s;
    row["decode_tokens_per_second"] = p.decode_tokens_per_s();
    row["step_bytes"] = p.step_bytes;
    row["read_gb_per_s"] = p.read_rate / 1e9;
    row["share_of_read"] = p.share_of_read();
  }
  return row;
}

}  // namespace

std::vector<LatencyPoint> measure_latency(const std::shared_ptr<const Model>& model,
                                          const Machine& machine, const LatencyOptions& options) {
  std::vector<LatencyPoint> points;
  const int64_t longest = max_sequence_tokens(model->spec);
  for (const int64_t batch : options.batch_sizes) {
    for (const int64_t input : options.input_lens) {
      for (const int64_t output : options.output_lens) {
        if (input + output <= longest)
          points.push_back({.batch = batch, .input_len = input, .output_len = output});
      }
    }
  }
  if (points.empty())
    throw Error("the model takes " + std::to_string(longest) + " tokens at most", "--input-len",
                "use shorter lengths");
  for (size_t i = 0; i < points.size(); ++i) {
    if (options.progress)
      options.progress(static_cast<int64_t>(i), static_cast<int64_t>(points.size()));
    measure(model, machine, options, points[i]);
  }
  return points;
}

Json to_json(const std::vector<LatencyPoint>& points) {
  Json out = Json::object();
  if (points.size() == 1) out = to_json(points.front());
  Json grid = Json::array();
  for (const LatencyPoint& p : points) grid.push_back(to_json(p));
  out["grid"] = std::move(grid);
  return out;
}

void show(const std::vector<LatencyPoint>& points, BenchReport& report) {
  std::vector<std::vector<std::string>> rows;
  std::vector<HtmlReport::Bar> first, speed, share;
  for (const LatencyPoint& p : points) {
    const bool decodes = p.token_s > 0;
    rows.push_back({std::to_string(p.batch), std::to_string(p.input_len),
                    std::to_string(p.output_len), duration(mean(p.latencies)), duration(p.ttft_s),
                    fixed("%.0f", p.prefill_tokens_per_s()), decodes ? duration(p.token_s) : "",
                    decodes ? fixed("%.1f", p.decode_tokens_per_s()) : "",
                    decodes ? percent(p.share_of_read()) : ""});
    const std::string name = std::to_string(p.batch) + " x " + std::to_string(p.input_len) +
                             " in, " + std::to_string(p.output_len) + " out";
    first.push_back({name, 1e3 * p.ttft_s});
    if (!decodes) continue;
    speed.push_back({name, p.decode_tokens_per_s()});
    share.push_back({name, 100 * p.share_of_read()});
  }
  report.heading("Latency");
  report.table({"batch", "input", "output", "latency", "first token", "prefill tok/s",
                "time per token", "decode tok/s", "of read"},
               rows);
  report.line("of read: (weights + keys and values) / time, beside the read bandwidth of " +
              fixed("%.1f GB/s", points.front().read_rate / 1e9) + " measured between the runs");
  report.page().bars("Time to the first token, ms", first);
  report.page().bars("Decode, tokens/s", speed);
  report.page().bars("Decode, % of the read bandwidth", share);
}

}  // namespace octavo::measure
