#include <algorithm>
#include <chrono>
#include <cmath>
#include <fstream>

#include "base/json.h"
#include "base/thread_pool.h"
#include "eval/logits.h"
#include "model/model.h"
#include "model/session.h"
#include "octavo/error.h"
#include "octavo/evaluate.h"

namespace octavo {
namespace {

constexpr int64_t kMaxItems = 1'000'000;

std::string text_at(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string())
    throw Error("missing or no string", where + ", field " + key, "correct the line");
  return found->get<std::string>();
}

std::vector<std::string> texts_at(const Json& object, const char* key, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array() || found->empty())
    throw Error("missing or no list", where + ", field " + key, "correct the line");
  std::vector<std::string> texts;
  for (const Json& item : *found) {
    if (!item.is_string())
      throw Error("list holds something else than strings", where + ", field " + key,
                  "correct the line");
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

int64_t label_at(const Json& object, const char* key, int64_t choices, const std::string& where) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_number_integer() || *found < 0 || *found >= choices)
    throw Error("missing or no index of a choice", where + ", field " + key, "correct the line");
  return found->get<int64_t>();
}

std::string trimmed(const std::string& text) {
  const auto first = text.find_first_not_of(" \t\r\n\f\v");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n\f\v") - first + 1);
}

ChoiceItem hellaswag_item(const Json& line, const std::string& where) {
  ChoiceItem item{.context = text_at(line, "ctx", where),
                  .continuations = texts_at(line, "endings", where),
                  .label = 0};
  for (std::string& ending : item.continuations) ending.insert(0, " ");
  item.label = label_at(line, "label", static_cast<int64_t>(item.continuations.size()), where);
  return item;
}

ChoiceItem mmlu_item(const Json& line, const std::string& where) {
  std::string subject = text_at(line, "subject", where);
  std::ranges::replace(subject, '_', ' ');
  const auto choices = texts_at(line, "choices", where);
  ChoiceItem item{.context = "The following are multiple choice questions (with answers) about " +
                             subject + ".\n\n" + trimmed(text_at(line, "question", where)) + "\n",
                  .continuations = {},
                  .label = 0};
  for (size_t i = 0; i < choices.size(); ++i) {
    const char letter = static_cast<char>('A' + i);
    item.context += std::string(1, letter) + ". " + choices[i] + "\n";
    item.continuations.push_back(std::string(" ") + letter);
  }
  item.context += "Answer:";
  item.label = label_at(line, "answer", static_cast<int64_t>(choices.size()), where);
  return item;
}

// Sum of log p of the last `scored` ids.
double log_probability(Session& session, std::span<const TokenId> ids, int64_t scored) {
  double sum = 0;
  const auto n = static_cast<int64_t>(ids.size());
  session.run(ids, [&](int64_t first, Mat logits) {
    for (int64_t i = 0; i < logits.rows(); ++i) {
      const int64_t next = first + i + 1;
      if (next < n - scored || next >= n) continue;
      const auto row = logits.row(i);
      sum += row[ids[next]] - eval::log_sum_exp(row);
    }
  });
  return sum;
}

}  // namespace

std::vector<ChoiceItem> read_choices(const std::filesystem::path& file, ChoiceForm form,
                                     int64_t limit) {
  std::ifstream stream(file);
  if (!stream) throw Error("cannot open", file.string(), "check the path");
  std::vector<ChoiceItem> items;
  std::string text;
  for (int64_t number = 1; std::getline(stream, text); ++number) {
    if (limit > 0 && static_cast<int64_t>(items.size()) == limit) break;
    const std::string where = file.string() + " line " + std::to_string(number);
    if (trimmed(text).empty()) continue;
    if (static_cast<int64_t>(items.size()) == kMaxItems)
      throw Error("more than a million items", where, "use --limit");
    const Json line = parse_json(text, where);
    if (!line.is_object()) throw Error("not a JSON object", where, "give one object a line");
    items.push_back(form == ChoiceForm::hellaswag ? hellaswag_item(line, where)
                                                  : mmlu_item(line, where));
  }
  if (items.empty()) throw Error("no items", file.string(), "give one JSON object a line");
  return items;
}

ChoiceResult measure_choices(const Model& model, ThreadPool& pool, const Tokenizer& tokenizer,
                             const ChoiceRequest& request) {
  const auto start = std::chrono::steady_clock::now();
  Session session(model, pool, request.max_tokens);
  ChoiceResult result;
  int64_t right = 0, right_norm = 0;
  for (const ChoiceItem& item : request.items) {
    std::vector<double> sums, normed;
    const auto context = static_cast<int64_t>(tokenizer.encode(item.context).size());
    for (const std::string& continuation : item.continuations) {
      auto ids = tokenizer.encode(item.context + continuation);
      const auto all = static_cast<int64_t>(ids.size());
      if (std::ranges::any_of(ids, [&](TokenId id) { return id >= model.spec.vocab; }))
        throw Error("token id beyond the model's vocabulary", "tokenizer.json",
                    "tokenizer and weights do not belong together");
      ids.erase(ids.begin(), ids.begin() + std::max<int64_t>(0, all - request.max_tokens));
      // The first token of all has no prediction of its own.
      const int64_t scored = std::min<int64_t>(all - context, static_cast<int64_t>(ids.size()) - 1);
      sums.push_back(ids.empty() ? 0 : log_probability(session, ids, scored));
      normed.push_back(sums.back() /
                       static_cast<double>(std::max<size_t>(1, continuation.size() - 1)));
    }
    result.picked.push_back(std::ranges::max_element(sums) - sums.begin());
    result.picked_norm.push_back(std::ranges::max_element(normed) - normed.begin());
    right += result.picked.back() == item.label;
    right_norm += result.picked_norm.back() == item.label;
    ++result.items;
    if (request.progress)
      request.progress(result.items, static_cast<int64_t>(request.items.size()));
  }
  const auto n = static_cast<double>(std::max<int64_t>(1, result.items));
  result.acc = static_cast<double>(right) / n;
  result.acc_norm = static_cast<double>(right_norm) / n;
  result.standard_error = std::sqrt(result.acc * (1 - result.acc) / n);
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace octavo
