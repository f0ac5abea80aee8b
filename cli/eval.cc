#include <CLI/CLI.hpp>
#include <memory>

#include "base/file.h"
#include "base/json.h"
#include "base/progress.h"
#include "cli/command.h"
#include "cli/model_options.h"
#include "model/companions.h"
#include "octavo/error.h"
#include "octavo/evaluate.h"
#include "octavo/tokenizer.h"

// `octavo eval MODEL`: measures what a model is worth, alone or against a baseline.

namespace octavo::cli {
namespace {

constexpr uint64_t kMaxTextBytes = uint64_t{1} << 30;
constexpr int64_t kDefaultWindow = 512;

struct Options {
  ModelOptions model;
  std::string baseline, max_degradation;
  std::vector<std::string> tasks;
  std::filesystem::path data;
  int64_t limit = 0, shots = 0;
  bool json = false;
};

// A task that picks among continuations: its form and where its items lie below --data.
struct ChoiceTask {
  std::string_view name, file;
  ChoiceForm form;
};
constexpr ChoiceTask kChoiceTasks[] = {{"hellaswag", "hellaswag/val.jsonl", ChoiceForm::hellaswag},
                                       {"mmlu", "mmlu/test.jsonl", ChoiceForm::mmlu},
                                       {"choices", "choices.jsonl", ChoiceForm::hellaswag}};

// `data` itself where it is a file, else the first of `names` in it.
std::filesystem::path data_file(const std::filesystem::path& data,
                                std::initializer_list<std::string_view> names) {
  if (std::filesystem::is_regular_file(data)) return data;
  for (std::string_view name : names) {
    if (std::filesystem::is_regular_file(data / name)) return data / name;
  }
  throw Error("no data for this task", (data / *names.begin()).string(),
              "give --data a file or the directory that holds it");
}

// The share that --max-degradation allows: "1%" or "0.01"; negative: no bound.
double allowed_degradation(const std::string& text) {
  if (text.empty()) return -1;
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  const bool percent = *end == '%';
  if (end == text.c_str() || end[percent ? 1 : 0] != '\0' || !(value >= 0))
    throw Error("value " + text + " is no share", "--max-degradation",
                "give for example 1% or 0.01");
  return percent ? value / 100 : value;
}

class Evaluation {
 public:
  explicit Evaluation(const Options& options)
      : options_(options),
        running_(load(options.model)),
        tokenizer_(read_tokenizer(running_.directory)) {
    if (options.baseline.empty()) return;
    ModelOptions other = options.model;
    other.model = options.baseline;
    baseline_ = load(other);
  }

  // Exit status: 1 past --max-degradation.
  int run() {
    const double allowed = allowed_degradation(options_.max_degradation);
    for (const std::string& task : options_.tasks) run_task(task);
    if (options_.json)
      std::printf("%s\n",
                  to_line({{"model", options_.model.model}, {"results", results_}}).c_str());
    return allowed >= 0 && worst_ > allowed ? 1 : 0;
  }

 private:
  void run_task(const std::string& task) {
    if (task == "perplexity") return perplexity();
    for (const ChoiceTask& known : kChoiceTasks) {
      if (known.name == task) return choices(known);
    }
    throw Error("unknown task " + task, "--tasks", "use perplexity, hellaswag, mmlu or choices");
  }

  int64_t window() const {
    return options_.model.max_model_len > 0
               ? options_.model.max_model_len
               : std::min(kDefaultWindow, running_.model->spec.max_positions);
  }

  void perplexity() {
    const auto file = data_file(options_.data, {"wikitext2/wiki.test.raw", "heldout.txt"});
    Progress bar("perplexity", "windows", 0);
    const PerplexityRequest request{
        .ids = tokenizer_.encode(read_file(file, kMaxTextBytes)),
        .window = window(),
        .limit = options_.limit,
        .progress = [&](int64_t done, int64_t all) { bar.update(done, all); }};
    const Perplexity p = measure_perplexity(*running_.model, *running_.pool, request,
                                            baseline_ ? baseline_->model.get() : nullptr);
    bar.finish();
    Json result = {{"perplexity", p.perplexity},
                   {"standard_error", p.standard_error},
                   {"tokens", p.tokens},
                   {"windows", p.windows},
                   {"seconds", p.seconds}};
    if (p.comparison) {
      const Comparison& c = *p.comparison;
      result["baseline_perplexity"] = c.baseline_perplexity;
      result["kl_divergence"] = c.kl;
      result["kl_standard_error"] = c.kl_error;
      result["top1_agreement"] = c.top1_agreement;
      worst_ = std::max(worst_, p.perplexity / c.baseline_perplexity - 1);
    }
    if (!options_.json) print(p);
    results_["perplexity"] = std::move(result);
  }

  void print(const Perplexity& p) const {
    std::printf("%-16s %-12s %-12s %-12s %-12s %s\n", "perplexity", "value", "± error", "tokens",
                "tokens/s", "weights");
    const auto speed = static_cast<double>(p.tokens) / p.seconds / (p.comparison ? 2 : 1);
    std::printf("%-16s %-12.4f %-12.4f %-12lld %-12.0f %.2f MB\n", "this model", p.perplexity,
                p.standard_error, static_cast<long long>(p.tokens), speed,
                static_cast<double>(running_.model->weight_bytes()) / 1e6);
    if (!p.comparison) return;
    const Comparison& c = *p.comparison;
    std::printf("%-16s %-12.4f %-12s %-12s %-12s %.2f MB\n", "baseline", c.baseline_perplexity, "",
                "", "", static_cast<double>(baseline_->model->weight_bytes()) / 1e6);
    std::printf("%-16s %+.2f %%\n", "difference", 100 * (p.perplexity / c.baseline_perplexity - 1));
    std::printf("%-16s %.5f ± %.5f nats a token\n", "KL divergence", c.kl, c.kl_error);
    std::printf("%-16s %.2f %%\n", "top-1 agreement", 100 * c.top1_agreement);
  }

  ChoiceResult measure(const RunningModel& running, const ChoiceTask& task,
                       std::vector<ChoiceItem> items) const {
    Progress bar(std::string(task.name), "items", static_cast<int64_t>(items.size()));
    ChoiceRequest request{.items = std::move(items),
                          .max_tokens = window(),
                          .progress = [&](int64_t done, int64_t all) { bar.update(done, all); }};
    return measure_choices(*running.model, *running.pool, tokenizer_, request);
  }

  void choices(const ChoiceTask& task) {
    if (options_.shots != 0)
      throw Error("examples before the question are not supported yet", "--shots", "use 0");
    const auto items =
        read_choices(data_file(options_.data, {task.file}), task.form, options_.limit);
    const ChoiceResult r = measure(running_, task, items);
    Json result = {
        {"acc", r.acc},        {"acc_norm", r.acc_norm}, {"standard_error", r.standard_error},
        {"items", r.items},    {"picked", r.picked},     {"picked_norm", r.picked_norm},
        {"seconds", r.seconds}};
    std::string note;
    if (baseline_) {
      const ChoiceResult b = measure(*baseline_, task, items);
      result["baseline_acc"] = b.acc;
      result["baseline_acc_norm"] = b.acc_norm;
      if (b.acc > 0) worst_ = std::max(worst_, 1 - r.acc / b.acc);
      note = ", baseline " + std::to_string(b.acc);
    }
    if (!options_.json)
      std::printf("%-16s accuracy %.4f ± %.4f (by length %.4f), %lld items%s\n",
                  std::string(task.name).c_str(), r.acc, r.standard_error, r.acc_norm,
                  static_cast<long long>(r.items), note.c_str());
    results_[std::string(task.name)] = std::move(result);
  }

  const Options& options_;
  RunningModel running_;
  std::optional<RunningModel> baseline_;
  Tokenizer tokenizer_;
  Json results_ = Json::object();
  double worst_ = 0;  // largest loss against the baseline, as a share
};

}  // namespace

std::function<int()> add_eval(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  add_model_options(app, options->model);
  app.add_option("--tasks", options->tasks,
                 "perplexity, hellaswag, mmlu, choices (comma-separated)")
      ->delimiter(',')
      ->default_val("perplexity");
  app.add_option("--data", options->data, "directory with the tasks' data, or one file")
      ->required();
  app.add_option("--baseline", options->baseline,
                 "model to compare with: KL divergence, agreement, accuracy");
  app.add_option("--limit", options->limit, "windows or items, from the first; 0: all");
  app.add_option("--shots", options->shots, "examples before each question");
  app.add_option("--max-degradation", options->max_degradation,
                 "exit status 1 when perplexity or accuracy is worse by more, for example 1%");
  app.add_flag("--json", options->json, "one JSON object on stdout");
  return [options] { return Evaluation(*options).run(); };
}

}  // namespace octavo::cli
