#include <CLI/CLI.hpp>
#include <algorithm>
#include <fstream>
#include <memory>
#include <set>

#include "base/atomic_file.h"
#include "base/checked.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/interrupt.h"
#include "cli/model_options.h"
#include "io/safetensors.h"
#include "model/session.h"
#include "octavo/error.h"

// `octavo logits`: runs each prompt alone, without the engine, and writes the logits of every
// position.

namespace octavo::cli {
namespace {

struct Options {
  ModelOptions model;
  std::string ids, out;
};

struct Prompt {
  std::string name;
  std::vector<TokenId> ids;
};

std::vector<TokenId> read_ids(const Json& line, const std::string& where, int64_t vocab) {
  const auto found = line.find("ids");
  if (found == line.end() || !found->is_array() || found->empty())
    throw Error("no list \"ids\"", where, "give {\"name\": ..., \"ids\": [1, 2, 3]}");
  std::vector<TokenId> ids;
  for (const Json& id : *found) {
    const bool good = id.is_number_integer() && id >= 0 && id < vocab;
    if (!good) {
      throw Error("token id " + to_line(id) + " is not in the vocabulary", where,
                  "use integers from 0 to " + std::to_string(vocab - 1));
    }
    ids.push_back(id.get<TokenId>());
  }
  return ids;
}

std::vector<Prompt> read_prompts(const std::string& file, const ModelSpec& spec) {
  std::ifstream lines(file);
  if (!lines) throw Error("cannot open", file, "check the path and its permissions");
  std::vector<Prompt> prompts;
  std::set<std::string> names;
  int64_t number = 0;
  for (std::string text; std::getline(lines, text);) {
    const std::string where = file + " line " + std::to_string(++number);
    if (text.find_first_not_of(" \t\r") == std::string::npos) continue;
    const Json line = parse_json(text, where);
    if (!line.is_object()) throw Error("not a JSON object", where, "give one object a line");
    if (line.contains("images"))
      throw Error("pictures are not supported yet", where, "leave out \"images\"");
    Prompt prompt{.name = "p" + std::to_string(prompts.size()),
                  .ids = read_ids(line, where, spec.vocab)};
    if (line.contains("name") && line["name"].is_string()) prompt.name = line["name"];
    const auto tokens = static_cast<int64_t>(prompt.ids.size());
    if (spec.embedding.learned_positions > 0 && tokens > spec.embedding.learned_positions) {
      throw Error(
          std::to_string(tokens) + " tokens are too many", where,
          "this model has " + std::to_string(spec.embedding.learned_positions) + " positions");
    }
    if (!names.insert(prompt.name).second)
      throw Error("name \"" + prompt.name + "\" occurs twice", where, "give each its own");
    prompts.push_back(std::move(prompt));
  }
  if (prompts.empty()) throw Error("no prompts", file, "give one JSON object a line");
  return prompts;
}

// Where the logits of all prompts go: their places in the file are known beforehand, so one step's
// rows are all that is held.
SafetensorsWriter open_output(const std::string& path, const std::vector<Prompt>& prompts,
                              int64_t vocab) {
  std::vector<TensorPlan> tensors;
  for (const Prompt& prompt : prompts)
    tensors.push_back(
        {prompt.name + ".logits", DType::f32, {static_cast<int64_t>(prompt.ids.size()), vocab}});
  return SafetensorsWriter(path, tensors);
}

int run_logits(const Options& options) {
  const RunningModel running = load(options.model);
  const ModelSpec& spec = running.model->spec;
  const std::vector<Prompt> prompts = read_prompts(options.ids, spec);
  size_t longest = 0;
  for (const Prompt& prompt : prompts) longest = std::max(longest, prompt.ids.size());

  const InterruptRequest interrupt;
  SafetensorsWriter out = open_output(options.out, prompts, spec.vocab);
  Session session(*running.model, *running.pool, static_cast<int64_t>(longest));
  Progress progress("logits", "prompts", static_cast<int64_t>(prompts.size()));
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (interrupt.requested()) throw Interrupted{};
    session.run(prompts[i].ids, [&](int64_t, Mat rows) {
      out.append(
          std::as_bytes(std::span(rows.data, static_cast<size_t>(rows.rows() * rows.cols()))));
    });
    progress.update(static_cast<int64_t>(i + 1));
  }
  out.finish();
  return 0;
}

}  // namespace

std::function<int()> add_logits(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  app.add_option("--ids", options->ids, "JSONL: {\"name\": \"p0\", \"ids\": [1, 2, 3]}")
      ->required();
  app.add_option("--out", options->out, "safetensors file: NAME.logits, float32 [tokens, vocab]")
      ->required();
  return [options] { return run_logits(*options); };
}

}  // namespace octavo::cli
