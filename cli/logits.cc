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
#include "model/forward.h"
#include "octavo/error.h"

// `octavo logits`: runs each prompt alone, without the engine, and writes the logits of every position.

namespace octavo::cli {
namespace {

constexpr int64_t kRows = 128;  // positions of one step

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
      throw Error(std::to_string(tokens) + " tokens are too many", where,
                  "this model has " + std::to_string(spec.embedding.learned_positions) +
                      " positions");
    }
    if (!names.insert(prompt.name).second)
      throw Error("name \"" + prompt.name + "\" occurs twice", where, "give each its own");
    prompts.push_back(std::move(prompt));
  }
  if (prompts.empty()) throw Error("no prompts", file, "give one JSON object a line");
  return prompts;
}

// The cache of one sequence at a time: blocks in order.
class SequenceCache {
 public:
  SequenceCache(const Model& model, int64_t tokens) {
    for (size_t layer = 0; layer < model.layers.size(); ++layer) {
      const KvShape shape = model.kv_shape(static_cast<int64_t>(layer));
      const int64_t blocks = (tokens + shape.block_tokens - 1) / shape.block_tokens;
      const auto bytes = static_cast<size_t>(blocks * shape.block_bytes());
      memory_.emplace_back(bytes);
      memory_.emplace_back(bytes);
      layers_.push_back({shape, memory_[memory_.size() - 2].data(), memory_.back().data()});
      for (auto next = static_cast<int32_t>(table_.size()); next < blocks; ++next)
        table_.push_back(next);
    }
  }
  KvLayers layers() const { return layers_; }
  View<const int32_t, 2> table() const {
    return {table_.data(), {1, static_cast<int64_t>(table_.size())}};
  }

 private:
  std::vector<HugeBuffer> memory_;
  std::vector<KvLayer> layers_;
  std::vector<int32_t> table_;
};

// Where the logits of all prompts go: their places in the file are known beforehand, so one step's
// rows are all that is held.
class LogitsFile {
 public:
  LogitsFile(const std::string& path, const std::vector<Prompt>& prompts, int64_t vocab)
      : file_(path) {
    std::vector<TensorOut> tensors;
    for (const Prompt& prompt : prompts) {
      const auto tokens = static_cast<int64_t>(prompt.ids.size());
      const std::optional<int64_t> bytes = checked_mul<int64_t>(tokens * vocab, sizeof(float));
      // Only the size of `bytes` enters the header.
      tensors.push_back({prompt.name + ".logits",
                         DType::f32,
                         {tokens, vocab},
                         {static_cast<const std::byte*>(nullptr), static_cast<size_t>(*bytes)}});
    }
    file_.write(safetensors_header(tensors));
  }
  void append(ConstMat rows) {
    for (int64_t i = 0; i < rows.rows(); ++i) file_.write(std::as_bytes(rows.row(i)));
  }
  void commit() { file_.commit(); }

 private:
  AtomicFile file_;
};

class Runner {
 public:
  Runner(const RunningModel& running, int64_t longest)
      : model_(*running.model),
        queue_(*running.pool),
        cache_(model_, longest),
        workspace_(workspace_bytes(model_, std::min(longest, kRows))),
        logits_(static_cast<size_t>(std::min(longest, kRows) * model_.spec.vocab)) {}

  void run(const Prompt& prompt, LogitsFile& out) {
    const auto tokens = static_cast<int32_t>(prompt.ids.size());
    for (int32_t begin = 0; begin < tokens; begin += kRows) {
      const int32_t end = std::min<int32_t>(tokens, begin + kRows);
      out.append(step(prompt, begin, end));
    }
  }

 private:
  ConstMat step(const Prompt& prompt, int32_t begin, int32_t end) {
    const int32_t rows = end - begin, all = static_cast<int32_t>(prompt.ids.size());
    std::vector<int32_t> positions, wanted;
    for (int32_t i = 0; i < rows; ++i) {
      positions.push_back(begin + i);
      wanted.push_back(i);
    }
    const int32_t row_begin[] = {0, rows};
    const Batch batch{.tokens = std::span(prompt.ids).subspan(begin, rows),
                      .positions = positions,
                      .row_begin = row_begin,
                      .kv_tokens = {&end, 1},
                      .prompt_tokens = {&all, 1},
                      .block_table = cache_.table(),
                      .logits_rows = wanted};
    const Mat logits(logits_.data(), {rows, model_.spec.vocab});
    forward(model_, queue_, batch, cache_.layers(), workspace_, logits);
    return logits;
  }

  const Model& model_;
  Queue queue_;
  SequenceCache cache_;
  Workspace workspace_;
  std::vector<float> logits_;  // [rows, vocab]
};

int run_logits(const Options& options) {
  const RunningModel running = load(options.model);
  const ModelSpec& spec = running.model->spec;
  const std::vector<Prompt> prompts = read_prompts(options.ids, spec);
  size_t longest = 0;
  for (const Prompt& prompt : prompts) longest = std::max(longest, prompt.ids.size());

  const InterruptRequest interrupt;
  LogitsFile out(options.out, prompts, spec.vocab);
  Runner runner(running, static_cast<int64_t>(longest));
  Progress progress("logits", "prompts", static_cast<int64_t>(prompts.size()));
  for (size_t i = 0; i < prompts.size(); ++i) {
    if (interrupt.requested()) throw Interrupted{};
    runner.run(prompts[i], out);
    progress.update(static_cast<int64_t>(i + 1));
  }
  out.commit();
  return 0;
}

}  // namespace

std::function<int()> add_logits(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  app.add_option("--ids", options->ids, "JSONL: {\"name\": \"p0\", \"ids\": [1, 2, 3]}")->required();
  app.add_option("--out", options->out, "safetensors file: NAME.logits, float32 [tokens, vocab]")
      ->required();
  return [options] { return run_logits(*options); };
}

}  // namespace octavo::cli
