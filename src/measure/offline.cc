#include "measure/offline.h"

#include <algorithm>

#include "base/json.h"
#include "octavo/engine.h"
#include "octavo/error.h"

namespace octavo::measure {

OfflineRun run_offline(const std::shared_ptr<const Model>& model, ThreadPool& pool,
                       const std::vector<LoadPrompt>& prompts, const OfflineOptions& options) {
  OfflineRun run{.requests = static_cast<int64_t>(prompts.size())};
  EngineOptions settings;
  settings.max_num_seqs = std::min(options.max_num_seqs, std::max<int64_t>(1, run.requests));
  settings.max_num_batched_tokens = std::max(options.max_batched_tokens, settings.max_num_seqs);
  settings.prefix_caching = options.prefix_caching;
  settings.max_queued_requests = settings.max_queued_tokens = 0;  // the bounds are for clients
  settings.max_model_len = options.max_model_len;
  if (settings.max_model_len == 0) {
    for (const LoadPrompt& prompt : prompts) {
      const auto tokens = static_cast<int64_t>(prompt.ids.size()) + prompt.output_tokens;
      settings.max_model_len = std::max(settings.max_model_len, tokens + 1);
    }
  }
  Engine engine(model, pool, settings);
  int64_t done = 0;
  std::string failure;
  run.seconds = seconds([&] {
    for (const LoadPrompt& prompt : prompts) {
      Request request;
      request.prompt = prompt.ids;
      request.sampling.temperature = 0;
      request.sampling.max_tokens = prompt.output_tokens;
      request.sampling.ignore_eos = true;
      run.input_tokens += static_cast<int64_t>(prompt.ids.size());
      engine.submit(std::move(request), [&](const Event& event) {
        run.output_tokens += static_cast<int64_t>(event.tokens.size());
        if (event.finish == Finish::none) return;
        if (event.finish != Finish::length && event.finish != Finish::stop) failure = event.reason;
        run.cached_tokens += event.cached_tokens;
        if (options.progress) options.progress(++done);
      });
    }
    engine.run_until_idle();
  });
  if (!failure.empty())
    throw Error(failure, "octavo bench throughput", "use shorter lengths", Error::Kind::failure);
  run.steps = engine.stats().steps;
  run.preemptions = engine.stats().preemptions;
  return run;
}

Json to_json(const OfflineRun& run) {
  const auto rate = [&](int64_t count) { return static_cast<double>(count) / run.seconds; };
  const int64_t tokens = run.input_tokens + run.output_tokens;
  return {
      {"elapsed_time", run.seconds},        {"num_requests", run.requests},
      {"total_num_tokens", tokens},         {"requests_per_second", rate(run.requests)},
      {"tokens_per_second", rate(tokens)},  {"output_tokens_per_second", rate(run.output_tokens)},
      {"input_tokens", run.input_tokens},   {"output_tokens", run.output_tokens},
      {"cached_tokens", run.cached_tokens}, {"steps", run.steps},
      {"preemptions", run.preemptions}};
}

void show(const OfflineRun& run, BenchReport& report) {
  const auto rate = [&](int64_t count) {
    return fixed("%.2f", static_cast<double>(count) / run.seconds);
  };
  report.heading("Throughput");
  report.table({"measure", "value"},
               {{"requests", std::to_string(run.requests)},
                {"seconds", fixed("%.2f", run.seconds)},
                {"requests/s", rate(run.requests)},
                {"tokens/s", rate(run.input_tokens + run.output_tokens)},
                {"output tokens/s", rate(run.output_tokens)},
                {"input tokens", std::to_string(run.input_tokens)},
                {"of them found in the prefix cache", std::to_string(run.cached_tokens)},
                {"output tokens", std::to_string(run.output_tokens)},
                {"steps", std::to_string(run.steps)},
                {"preemptions", std::to_string(run.preemptions)}});
  report.page().bars("Tokens", {{"input", static_cast<double>(run.input_tokens)},
                                {"input, cached", static_cast<double>(run.cached_tokens)},
                                {"output", static_cast<double>(run.output_tokens)}});
}

}  // namespace octavo::measure
