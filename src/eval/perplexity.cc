#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>

#include "base/thread_pool.h"
#include "eval/logits.h"
#include "model/model.h"
#include "model/session.h"
#include "octavo/error.h"
#include "octavo/evaluate.h"

namespace octavo {
namespace {

// Sums over one window.
struct WindowScore {
  double loss = 0, baseline_loss = 0, kl = 0;
  int64_t agreements = 0;
};

// Scores windows one after another; with a baseline, both models see the same window and its logits
// are compared.
class Scorer {
 public:
  Scorer(const Model& model, ThreadPool& pool, int64_t window, const Model* baseline)
      : pool_(pool), vocab_(model.spec.vocab), session_(model, pool, window), rows_(window) {
    if (baseline == nullptr) return;
    baseline_.emplace(*baseline, pool, window);
    kept_.resize(static_cast<size_t>(window * vocab_));
  }

  WindowScore score(std::span<const TokenId> ids) {
    if (baseline_) {
      baseline_->run(ids, [&](int64_t first, Mat logits) {
        for (int64_t i = 0; i < logits.rows(); ++i)
          std::ranges::copy(logits.row(i), kept_.begin() + (first + i) * vocab_);
      });
    }
    session_.run(ids, [&](int64_t first, Mat logits) { score_rows(ids, first, logits); });
    WindowScore sum;
    for (size_t i = 0; i + 1 < ids.size(); ++i) {
      sum.loss += rows_[i].loss;
      sum.baseline_loss += rows_[i].baseline_loss;
      sum.kl += rows_[i].kl;
      sum.agreements += rows_[i].agreements;
    }
    return sum;
  }

 private:
  void score_rows(std::span<const TokenId> ids, int64_t first, Mat logits) {
    const int64_t count =
        std::min<int64_t>(logits.rows(), static_cast<int64_t>(ids.size()) - 1 - first);
    pool_.each(std::max<int64_t>(count, 0), [&](int64_t i, int) {
      const auto row = logits.row(i);
      const TokenId next = ids[first + i + 1];
      WindowScore& score = rows_[first + i];
      score.loss = eval::log_sum_exp(row) - row[next];
      if (!baseline_) return;
      const std::span<const float> kept(kept_.data() + (first + i) * vocab_, vocab_);
      score.baseline_loss = eval::log_sum_exp(kept) - kept[next];
      score.kl = eval::kl_divergence(kept, row);
      score.agreements = eval::largest(kept) == eval::largest(row);
    });
  }

  ThreadPool& pool_;
  int64_t vocab_;
  Session session_;
  std::optional<Session> baseline_;
  std::vector<float> kept_;        // the baseline's logits of the window [window, vocab]
  std::vector<WindowScore> rows_;  // [window]
};

// Standard error of the mean of `values`.
double standard_error(const std::vector<double>& values) {
  const auto n = static_cast<double>(values.size());
  if (n < 2) return 0;
  double mean = 0, squares = 0;
  for (double v : values) mean += v / n;
  for (double v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / (n - 1) / n);
}

void check(const PerplexityRequest& request, const Model& model, const Model* baseline) {
  if (request.window < 2)
    throw Error("window of " + std::to_string(request.window) + " tokens", "--max-model-len",
                "use at least 2");
  if (static_cast<int64_t>(request.ids.size()) < request.window) {
    throw Error("text of " + std::to_string(request.ids.size()) +
                    " tokens is shorter than one window of " + std::to_string(request.window),
                "--data", "give a longer text or a smaller --max-model-len");
  }
  if (model.spec.embedding.learned_positions > 0 &&
      request.window > model.spec.embedding.learned_positions) {
    throw Error(
        "the model has " + std::to_string(model.spec.embedding.learned_positions) + " positions",
        "--max-model-len", "use a smaller window");
  }
  const TokenId top = *std::ranges::max_element(request.ids);
  if (top >= model.spec.vocab)
    throw Error("token id " + std::to_string(top) + " is beyond the model's vocabulary",
                "tokenizer.json", "tokenizer and weights do not belong together");
  if (baseline != nullptr && baseline->spec.vocab != model.spec.vocab)
    throw Error("the baseline has another vocabulary", "--baseline",
                "give the model that this one was made from");
}

}  // namespace

Perplexity measure_perplexity(const Model& model, ThreadPool& pool,
                              const PerplexityRequest& request, const Model* baseline) {
  check(request, model, baseline);
  const auto start = std::chrono::steady_clock::now();
  const int64_t all = static_cast<int64_t>(request.ids.size()) / request.window;
  const int64_t windows = request.limit > 0 ? std::min(all, request.limit) : all;
  Scorer scorer(model, pool, request.window, baseline);
  WindowScore sum;
  std::vector<double> losses, divergences;
  const auto scored = static_cast<double>(request.window - 1);
  for (int64_t w = 0; w < windows; ++w) {
    const WindowScore score =
        scorer.score(std::span(request.ids).subspan(w * request.window, request.window));
    sum.loss += score.loss;
    sum.baseline_loss += score.baseline_loss;
    sum.kl += score.kl;
    sum.agreements += score.agreements;
    losses.push_back(score.loss / scored);
    divergences.push_back(score.kl / scored);
    if (request.progress) request.progress(w + 1, windows);
  }
  Perplexity result;
  result.windows = windows;
  result.tokens = windows * (request.window - 1);
  const auto tokens = static_cast<double>(result.tokens);
  result.perplexity = std::exp(sum.loss / tokens);
  result.standard_error = result.perplexity * standard_error(losses);
  if (baseline != nullptr) {
    result.comparison = {.baseline_perplexity = std::exp(sum.baseline_loss / tokens),
                         .kl = sum.kl / tokens,
                         .kl_error = standard_error(divergences),
                         .top1_agreement = static_cast<double>(sum.agreements) / tokens};
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return result;
}

}  // namespace octavo
