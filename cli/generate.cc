#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cstdio>
#include <iostream>
#include <memory>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "cli/answer.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "cli/sampling_options.h"
#include "model/companions.h"
#include "model/derive.h"
#include "octavo/error.h"

// `octavo generate`: one prompt, streamed, or many from stdin, batched through the engine.

namespace octavo::cli {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMaxPromptBytes = uint64_t{1} << 30;
constexpr int64_t kMaxBatch = 256;

struct Options {
  ModelOptions model;
  SamplingOptions sampling;
  std::optional<std::string> prompt, prompt_file, prompt_ids;
  bool jsonl = false, json = false;
};

struct Prompt {
  std::vector<TokenId> ids = {};
  Json id = {};  // of a JSONL line, given back with its answer
  SamplingParams sampling = {};
  std::string problem = {};  // of a JSONL line that is no prompt
};

// What turns requests into prompts: the model's tokenizer, if it has one.
struct Reader {
  const Options& options;
  const ModelSpec& spec;
  std::optional<Tokenizer> tokenizer;
  GenerationConfig defaults;

  std::vector<TokenId> encode(const std::string& text, const std::string& where) const {
    if (!tokenizer)
      throw Error("the model has no tokenizer", where,
                  "give token ids instead of text, or put its tokenizer.json or tokenizer.model "
                  "beside the weights");
    return tokenizer->encode(text, Tokenizer::Specials::add);
  }
  Prompt prompt(std::vector<TokenId> ids, const std::string& where) const {
    if (ids.empty()) throw Error("the prompt is empty", where, "give at least one token");
    for (const TokenId id : ids) {
      if (id < 0 || id >= spec.vocab) {
        throw Error("token id " + std::to_string(id) + " is not in the vocabulary", where,
                    "use ids from 0 to " + std::to_string(spec.vocab - 1));
      }
    }
    return {.ids = std::move(ids),
            .sampling = sampling_params(options.sampling, defaults, options.model.seed)};
  }
};

std::vector<TokenId> parse_ids(const std::string& text, const std::string& where) {
  std::vector<TokenId> ids;
  const char* at = text.data();
  const char* end = at + text.size();
  while (at != end) {
    if (*at == ',' || *at == ' ') {
      ++at;
      continue;
    }
    TokenId id = 0;
    const auto [rest, bad] = std::from_chars(at, end, id);
    if (bad != std::errc() || (rest != end && *rest != ',' && *rest != ' '))
      throw Error("bad value: " + text, where, "write token ids like 1,2,3");
    ids.push_back(id);
    at = rest;
  }
  return ids;
}

// A line's own values of the commonest settings.
void override_sampling(SamplingParams& sampling, const Json& line, const std::string& where) {
  const auto number = [&](const char* key, auto& value) {
    const auto found = line.find(key);
    if (found == line.end() || found->is_null()) return;
    if (!found->is_number()) throw Error("not a number", where + ", field " + key, "give a number");
    value = found->get<std::remove_reference_t<decltype(value)>>();
  };
  number("max_tokens", sampling.max_tokens);
  number("min_tokens", sampling.min_tokens);
  number("temperature", sampling.temperature);
  number("top_p", sampling.top_p);
  number("top_k", sampling.top_k);
  number("min_p", sampling.min_p);
  int64_t seed = 0;
  if (line.contains("seed")) {
    number("seed", seed);
    sampling.seed = seed;
  }
}

Prompt read_line(const Reader& reader, const std::string& text, const std::string& where,
                 Json& line) {
  line = parse_json(text, where);
  if (line.is_string()) line = Json{{"prompt", line}};
  if (!line.is_object())
    throw Error("neither an object nor a string", where, "give {\"prompt\": \"...\"}");
  std::vector<TokenId> ids;
  if (line.contains("prompt") && line["prompt"].is_string()) {
    ids = reader.encode(line["prompt"].get<std::string>(), where);
  } else {
    const char* key = line.contains("ids") ? "ids" : "prompt_ids";
    const auto list = line.find(key);
    if (list == line.end() || !list->is_array())
      throw Error("neither \"prompt\" nor \"ids\"", where, "give one of them");
    for (const Json& id : *list) {
      if (!id.is_number_integer() || id < 0 || id >= reader.spec.vocab) {
        throw Error("token id " + to_line(id) + " is not in the vocabulary", where,
                    "use ids from 0 to " + std::to_string(reader.spec.vocab - 1));
      }
      ids.push_back(id.get<TokenId>());
    }
  }
  Prompt prompt = reader.prompt(std::move(ids), where);
  override_sampling(prompt.sampling, line, where);
  return prompt;
}

std::vector<Prompt> read_prompts(const Reader& reader) {
  const Options& o = reader.options;
  const int given = o.prompt.has_value() + o.prompt_file.has_value() + o.prompt_ids.has_value() +
                    static_cast<int>(o.jsonl);
  if (given != 1) {
    throw Error(given == 0 ? "no prompt" : "more than one kind of prompt", "octavo generate",
                "give one of --prompt, --prompt-file, --prompt-ids, --jsonl");
  }
  if (o.prompt) return {reader.prompt(reader.encode(*o.prompt, "--prompt"), "--prompt")};
  if (o.prompt_ids)
    return {reader.prompt(parse_ids(*o.prompt_ids, "--prompt-ids"), "--prompt-ids")};
  if (o.prompt_file) {
    const std::string text = read_file(*o.prompt_file, kMaxPromptBytes);
    return {reader.prompt(reader.encode(text, *o.prompt_file), *o.prompt_file)};
  }
  std::vector<Prompt> prompts;
  int64_t number = 0;
  for (std::string text; std::getline(std::cin, text);) {
    const std::string where = "standard input, line " + std::to_string(++number);
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    Json line;
    try {
      prompts.push_back(read_line(reader, text, where, line));
    } catch (const Error& error) {  // this line's; the others go on
      prompts.push_back({.problem = error.what()});
    }
    if (line.is_object()) prompts.back().id = line.value("id", Json());
  }
  return prompts;
}

EngineOptions engine_options(const Options& options, const ModelSpec& spec,
                             const std::vector<Prompt>& prompts) {
  int64_t longest = 2;
  for (const Prompt& prompt : prompts) {
    const auto tokens = static_cast<int64_t>(prompt.ids.size());
    longest = std::max(longest, tokens + std::max<int64_t>(prompt.sampling.max_tokens, 1));
  }
  const int64_t limit =
      options.model.max_model_len > 0 ? options.model.max_model_len : max_sequence_tokens(spec);
  EngineOptions engine;
  engine.max_model_len = std::min(limit, longest);
  engine.max_num_seqs = std::min<int64_t>(kMaxBatch, static_cast<int64_t>(prompts.size()));
  engine.max_queued_requests = engine.max_queued_tokens = 0;  // all prompts are submitted at once
  return engine;
}

void print_now(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

std::optional<TextStream> text_stream(const Reader& reader) {
  if (!reader.tokenizer) return std::nullopt;
  const SamplingOptions& o = reader.options.sampling;
  const auto special =
      o.keep_special ? Tokenizer::InOutput::keep_special : Tokenizer::InOutput::skip_special;
  return TextStream(*reader.tokenizer, special, {.texts = o.stop, .include = o.include_stop});
}

// The answers in the order of the prompts, each printed as soon as those before it are.
class Run {
 public:
  Run(const Reader& reader, Engine& engine, double load_s)
      : reader_(reader), engine_(engine), load_s_(load_s) {}

  int operator()(std::vector<Prompt> prompts) {
    const bool stream = !reader_.options.json && !reader_.options.jsonl;
    answers_.reserve(prompts.size());
    ids_.resize(prompts.size());
    for (const Prompt& prompt : prompts) problems_.push_back(prompt.problem);
    for (Prompt& prompt : prompts) {
      const size_t i = answers_.size();
      names_.push_back(std::move(prompt.id));
      answers_.emplace_back(static_cast<int64_t>(prompt.ids.size()), text_stream(reader_),
                            stream ? Answer::Print(print_now) : Answer::Print());
      if (!problems_[i].empty()) continue;
      Request request;
      request.prompt = std::move(prompt.ids);
      request.sampling = std::move(prompt.sampling);
      ids_[i] = engine_.submit(std::move(request), [this, i](const Event& e) { on_event(i, e); });
    }
    engine_.run_until_idle();
    print_finished();
    if (interrupt_.requested()) throw Interrupted{};
    return status_;
  }

 private:
  void on_event(size_t i, const Event& event) {
    const bool stop = answers_[i].take(event);
    if (stop || interrupt_.requested()) engine_.abort(ids_[i]);
    print_finished();
  }

  void print_finished() {
    for (; next_ < problems_.size(); ++next_) {
      if (!problems_[next_].empty()) {
        print_error(next_, problems_[next_]);
        status_ = 1;
      } else if (next_ < answers_.size() && answers_[next_].done()) {
        finish(next_);
      } else {
        return;
      }
    }
  }

  void print_error(size_t i, const std::string& problem) const {
    Json line{{"error", problem}};
    if (!names_[i].is_null()) line["id"] = names_[i];
    print_now(to_line(line) + "\n");
  }

  void finish(size_t i) {
    const Answer& answer = answers_[i];
    const bool bad = answer.finish() == Finish::rejected || answer.finish() == Finish::error;
    if (reader_.options.jsonl && bad) {
      print_error(i, answer.reason());
    } else if (reader_.options.jsonl) {
      Json line = answer.to_json(load_s_);
      if (!names_[i].is_null()) line["id"] = names_[i];
      print_now(to_line(line) + "\n");
    } else if (bad) {
      failure_ = answer.finish() == Finish::rejected ? Error::Kind::request : Error::Kind::failure;
    } else {
      print_now(reader_.options.json ? to_line(answer.to_json(load_s_)) + "\n" : "\n");
    }
    if (bad) status_ = 1;
  }

 public:
  // Of a single prompt that was refused or failed; main prints it.
  std::optional<Error> failure() const {
    if (!failure_) return std::nullopt;
    return Error(answers_[0].reason(), "the prompt", "change the request", *failure_);
  }

 private:
  const Reader& reader_;
  Engine& engine_;
  double load_s_;
  InterruptRequest interrupt_;
  std::vector<Answer> answers_;
  std::vector<Json> names_;
  std::vector<std::string> problems_;
  std::vector<RequestId> ids_;
  size_t next_ = 0;
  int status_ = 0;
  std::optional<Error::Kind> failure_;
};

// Where the time of the steps went.
void say_split(const EngineStats& stats) {
  const double all = stats.plan_s + stats.forward_s + stats.sample_s + stats.deliver_s;
  const auto share = [all](double part) {
    char text[24];
    std::snprintf(text, sizeof text, "%.2f %%", all > 0 ? 100 * part / all : 0);
    return std::string(text);
  };
  log_line(std::to_string(stats.steps) + " steps, " + std::to_string(stats.step_rows) +
           " rows in " + std::to_string(all) + " s: plan " + share(stats.plan_s) + ", forward " +
           share(stats.forward_s) + ", sample " + share(stats.sample_s) + ", deliver " +
           share(stats.deliver_s));
}

int run_generate(const Options& options) {
  const RunningModel running = load(options.model);
  const ModelSpec& spec = running.model->spec;
  Reader reader{.options = options,
                .spec = spec,
                .tokenizer = std::nullopt,
                .defaults = read_generation_config(running.directory, spec.vocab)};
  if (has_tokenizer(running.directory)) reader.tokenizer = read_tokenizer(running.directory);
  std::vector<Prompt> prompts = read_prompts(reader);
  if (prompts.empty()) return 0;

  EngineOptions engine_settings = engine_options(options, spec, prompts);
  engine_settings.eos = reader.defaults.eos;
  Engine engine(running.model, *running.pool, engine_settings);
  Run run(reader, engine, running.load_s);
  const int status = run(std::move(prompts));
  if (options.model.verbose) say_split(engine.stats());
  if (run.failure()) throw *run.failure();
  return status;
}

}  // namespace

std::function<int()> add_generate(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  app.add_option("--prompt", options->prompt, "the text to go on from");
  app.add_option("--prompt-file", options->prompt_file, "likewise, from a file");
  app.add_option("--prompt-ids", options->prompt_ids, "likewise, as token ids: \"1,2,3\"");
  app.add_flag("--jsonl", options->jsonl,
               "many prompts from stdin, {\"prompt\": \"...\"} or {\"ids\": [...]} a line");
  app.add_flag("--json", options->json, "one JSON document instead of text");
  add_sampling_options(app, options->sampling);
  return [options] { return run_generate(*options); };
}

}  // namespace octavo::cli
