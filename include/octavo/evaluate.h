#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "octavo/tokenizer.h"

namespace octavo {

class Model;
class ThreadPool;

// How a model's distribution differs from a baseline's at the same positions of the same text.
struct Comparison {
  double baseline_perplexity = 0;
  double kl = 0,
         kl_error =
             0;  // mean KL(baseline ‖ model) a token in nats, and its standard error over windows
  double top1_agreement = 0;  // share of positions where both choose the same token
};

struct Perplexity {
  double perplexity = 0;
  double standard_error = 0;  // of the perplexity, over windows
  int64_t tokens = 0;         // scored
  int64_t windows = 0;
  double seconds = 0;
  std::optional<Comparison> comparison;
};

// The whole text tokenized in one call, cut into consecutive windows of `window` tokens without
// overlap, the last short one dropped; each runs alone from position 0 and its tokens 2.. are
// scored. `limit` windows, 0: all. Throws Error when the text is shorter than one window or an id
// is beyond the model's vocabulary.
struct PerplexityRequest {
  std::vector<TokenId> ids;
  int64_t window = 512, limit = 0;
  std::function<void(int64_t done, int64_t all)> progress = {};
};
Perplexity measure_perplexity(const Model& model, ThreadPool& pool,
                              const PerplexityRequest& request, const Model* baseline = nullptr);

// A question with continuations to choose from.
struct ChoiceItem {
  std::string context;
  std::vector<std::string> continuations;  // as appended, with their leading space
  int64_t label = 0;
};

struct ChoiceResult {
  double acc = 0, acc_norm = 0, standard_error = 0;  // of acc
  int64_t items = 0;
  std::vector<int64_t> picked, picked_norm;  // by the sum of log p; by that sum over the bytes of
                                             // the ending without its space
  double seconds = 0;
};

struct ChoiceRequest {
  std::vector<ChoiceItem> items;
  int64_t max_tokens = 512;  // only the last so many tokens of context and continuation are run
  std::function<void(int64_t done, int64_t all)> progress = {};
};
ChoiceResult measure_choices(const Model& model, ThreadPool& pool, const Tokenizer& tokenizer,
                             const ChoiceRequest& request);

// Items of a task in its JSONL file: hellaswag form {"ctx", "endings", "label"} or mmlu form
// {"subject", "question", "choices", "answer"}. Throws Error naming file and line. `limit` items,
// 0: all.
enum class ChoiceForm : uint8_t { hellaswag, mmlu };
std::vector<ChoiceItem> read_choices(const std::filesystem::path& file, ChoiceForm form,
                                     int64_t limit);

}  // namespace octavo
