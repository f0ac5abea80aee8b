#include <CLI/CLI.hpp>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "base/log.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/serve_models.h"
#include "octavo/error.h"
#include "serve/batch_run.h"
#include "serve/local_exchange.h"
#include "serve/service.h"

// `octavo run-batch`: the requests of an OpenAI batch file, answered by what the server answers
// with, without a socket.

namespace octavo::cli {
namespace {

namespace fs = std::filesystem;

struct Options {
  ServedModelOptions served;
  std::string input, output;
  int64_t in_flight = 0;
};

serve::ServiceOptions service_options() {
  serve::ServiceOptions options;
  options.max_queued_requests = 0;  // the run itself bounds what is in flight
  return options;
}

void say(const serve::BatchRun::Result& result) {
  std::string line =
      std::to_string(result.answered) + " answered, " + std::to_string(result.failed) + " failed";
  if (result.resumed > 0) line += ", " + std::to_string(result.resumed) + " done before";
  if (result.repeated > 0) {
    line +=
        ", " + std::to_string(result.repeated) + " left out as their custom_id was there already";
  }
  log_line(line);
}

int run(const Options& options) {
  ServedModelOptions served = options.served;
  served.engine.max_queued_requests = served.engine.max_queued_tokens = 0;
  if (!fs::is_regular_file(options.input)) {
    throw Error("no such file", options.input, "give -i a file of requests, one a line");
  }
  const InterruptRequest interrupt;
  Progress progress("batch", "requests", 0);
  serve::Service service(service_options(), servable_models(served));
  service.models().load_now(0);
  service.ready();
  const int64_t in_flight =
      options.in_flight > 0 ? options.in_flight : 2 * served.engine.max_num_seqs;
  const auto ask = [&](serve::HttpRequest request, serve::BatchRun::Done done) {
    if (auto refused = service.admit(request)) return done(std::move(*refused));
    service.handle(std::move(request), std::make_shared<serve::LocalExchange>(std::move(done)));
  };
  std::optional<serve::BatchRun::Result> result;
  std::exception_ptr failure;
  try {
    serve::BatchRun batch({.input = options.input,
                           .output = options.output,
                           .in_flight = in_flight,
                           .stop = [&] { return interrupt.requested(); },
                           .progress = [&](int64_t done) { progress.update(done); }},
                          ask);
    result = batch.run();
  } catch (...) {
    failure = std::current_exception();
  }
  progress.finish();
  service.drain();
  service.models().drain(0);
  service.stop();
  if (failure) std::rethrow_exception(failure);
  say(*result);
  if (interrupt.requested()) throw Interrupted{};
  return result->stopped ? 1 : 0;
}

}  // namespace

std::function<int()> add_run_batch(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  options->served.models.resize(1);
  app.add_option("MODEL", options->served.models[0], "as for serve")->required();
  add_model_flags(app, options->served.model);
  app.add_option("-i,--input-file", options->input,
                 "requests, {\"custom_id\", \"method\", \"url\", \"body\"} a line")
      ->required();
  app.add_option("-o,--output-file", options->output,
                 "answers, a line each as they are finished; what it holds is not done again")
      ->required();
  app.add_option("--in-flight", options->in_flight, "requests at a time; 0: twice --max-num-seqs")
      ->check(CLI::Range(0, 1 << 20));
  EngineOptions& engine = options->served.engine;
  app.add_option("--max-num-seqs", engine.max_num_seqs, "sequences in one step")
      ->check(CLI::Range(int64_t{1}, int64_t{65536}));
  app.add_option("--max-num-batched-tokens", engine.max_num_batched_tokens, "tokens in one step")
      ->check(CLI::Range(int64_t{1}, int64_t{1} << 20));
  app.add_option("--kv-cache-memory-bytes", engine.kv_cache_bytes, "size of the cache")
      ->transform(CLI::AsSizeValue(false));
  app.add_option("--prefix-cache-dir", engine.prefix_files.directory,
                 "keep the prefix cache here over runs");
  app.add_option("--served-model-name", options->served.names, "name that the requests may give");
  app.add_option("--chat-template", options->served.chat_template,
                 "file that replaces the model's template");
  return [options] { return run(*options); };
}

}  // namespace octavo::cli
