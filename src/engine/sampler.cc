#include "engine/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/random.h"
#include "engine/request.h"
#include "engine/row_math.h"

namespace octavo {
namespace {

constexpr float kMinusInfinity = -std::numeric_limits<float>::infinity();
constexpr float kLowestTemperature = 0.01f;  // below it the division would lose all but the top
constexpr float kMaxBias = 100;

void keep_allowed(const SampleTask& task, std::vector<Scored>& scratch) {
  const std::vector<TokenId>& allowed = task.params->allowed_token_ids;
  if (allowed.empty()) return;
  scratch.clear();
  for (const TokenId id : allowed) scratch.push_back({task.logits[id], id});
  std::ranges::fill(task.logits, kMinusInfinity);
  for (const Scored& kept : scratch) task.logits[kept.id] = kept.logit;
}

void mask_bad_words(const SampleTask& task) {
  for (const std::vector<TokenId>& word : task.params->bad_words) {
    const size_t before_last = word.size() - 1;
    if (before_last > task.output.size()) continue;
    const auto recent = task.output.last(before_last);
    if (std::equal(recent.begin(), recent.end(), word.begin())) {
      task.logits[word.back()] = kMinusInfinity;
    }
  }
}

void mask_early_stops(const SampleTask& task) {
  const SamplingParams& p = *task.params;
  if (static_cast<int64_t>(task.output.size()) >= p.min_tokens) return;
  for (const TokenId id : p.stop_token_ids) task.logits[id] = kMinusInfinity;
  if (p.ignore_eos) return;
  for (const TokenId id : task.eos) {
    if (id >= 0 && id < static_cast<int64_t>(task.logits.size())) task.logits[id] = kMinusInfinity;
  }
}

void add_penalties(const SampleTask& task) {
  const SamplingParams& p = *task.params;
  if (task.counts == nullptr) return;
  for (const auto& [id, count] : *task.counts) {
    float& logit = task.logits[id];
    if (p.repetition_penalty != 1) {
      logit = logit > 0 ? logit / p.repetition_penalty : logit * p.repetition_penalty;
    }
    if (count > 0) {
      logit -= p.frequency_penalty * static_cast<float>(count) + p.presence_penalty;
    }
  }
}

// min_p, top_k, top_p, each on what the one before left. All are cuts of one order, and temperature
// keeps the order, so nothing is sorted but the few that top_p has to walk.
template <class Worker>
Cut filter(const SampleTask& task, const Scored& top, float scale, Worker& worker) {
  std::vector<Scored>& scratch = worker.scratch;
  const SamplingParams& p = *task.params;
  const auto vocab = static_cast<int64_t>(task.logits.size());
  Weighing w{.peak = top.logit, .scale = scale, .cut = {}};
  if (p.min_p > 0) {
    w.cut.last = {std::min(top.logit, top.logit + std::log(p.min_p) / scale),
                  std::numeric_limits<TokenId>::max()};
  }
  if (p.top_k > 0 && p.top_k < vocab) {
    select_top(task.logits, w.cut, p.top_k, scratch);
    if (static_cast<int64_t>(scratch.size()) == p.top_k) {
      w.cut.last = *std::ranges::max_element(scratch, before);
    }
  }
  if (p.top_p >= 1) return w.cut;
  const double wanted = p.top_p * sum_weights(task.logits, w, worker.strips);
  // Mostly a few tokens hold that much.
  constexpr int64_t kFew = 64;
  sorted_top(task.logits, w.cut, kFew, scratch);
  double sum = 0;
  for (const Scored& token : scratch) {
    sum += weight_of(token.logit, w);
    if (sum >= wanted) return {.last = token};
  }
  if (static_cast<int64_t>(scratch.size()) < kFew) return w.cut;
  return cut_at_mass(task.logits, w, wanted, scratch);
}

template <class Worker>
TokenId draw(const SampleTask& task, const Scored& top, Worker& worker) {
  const float temperature = task.params->temperature;
  if (temperature < kGreedyTemperature || task.params->top_k == 1) return top.id;
  const float scale = 1 / std::max(temperature, kLowestTemperature);
  const Weighing w{.peak = top.logit, .scale = scale, .cut = filter(task, top, scale, worker)};
  const double sum = sum_weights(task.logits, w, worker.strips);
  const double target = uniform(task.seed, task.position) * sum;
  const TokenId token = token_at(task.logits, w, worker.strips, target);
  return token >= 0 ? token : top.id;
}

bool edits(const SampleTask& task) {
  const SamplingParams& p = *task.params;
  return !p.allowed_token_ids.empty() || !p.bad_words.empty() || !p.logit_bias.empty() ||
         (task.counts != nullptr && !task.counts->empty()) ||
         static_cast<int64_t>(task.output.size()) < p.min_tokens;
}

}  // namespace

void describe(std::span<const float> logits, TokenId token, int32_t top,
              std::vector<Scored>& scratch, PositionLogprobs& out) {
  const Peak peak = find_peak(logits);
  out.top.clear();
  if (peak.broken || peak.top.id < 0) {
    out.chosen = {token, std::numeric_limits<float>::quiet_NaN(), 0};
    return;
  }
  const double total = log_sum_exp(logits, peak.top.logit);
  out.chosen = {token, static_cast<float>(logits[token] - total), rank_of(logits, token)};
  sorted_top(logits, Cut{}, top, scratch);
  for (int32_t rank = 1; const Scored& scored : scratch) {
    out.top.push_back({scored.id, static_cast<float>(scored.logit - total), rank++});
  }
}

void edit_logits(const SampleTask& task, std::vector<Scored>& scratch) {
  keep_allowed(task, scratch);
  mask_bad_words(task);
  mask_early_stops(task);
  for (const auto& [id, bias] : task.params->logit_bias) {
    task.logits[id] += std::clamp(bias, -kMaxBias, kMaxBias);
  }
  add_penalties(task);
}

Sampler::Sampler(ThreadPool& pool, int64_t vocab) : pool_(pool), workers_(pool.threads()) {
  for (Worker& worker : workers_) {
    worker.scratch.reserve(vocab);
    worker.raw.reserve(vocab);
    worker.strips.reserve(row_math::strips(vocab));
  }
}

void Sampler::choose_one(const SampleTask& task, Worker& worker, Sample& sample) noexcept {
  sample.token = -1;
  sample.failure = nullptr;
  Peak peak = find_peak(task.logits);
  sample.corrupted = peak.broken;
  if (peak.broken) {
    sample.failure = "the model computed a number that is not finite";
    return;
  }
  const bool scored = task.params->logprobs >= 0, edited = edits(task);
  std::span<const float> raw = task.logits;
  if (edited) {
    if (scored) {
      worker.raw.assign(task.logits.begin(), task.logits.end());
      raw = worker.raw;
    }
    edit_logits(task, worker.scratch);
    peak = find_peak(task.logits);
  }
  if (peak.top.id < 0 || peak.broken) {
    sample.failure = "the constraints of this request leave no token to choose";
    return;
  }
  sample.token = draw(task, peak.top, worker);
  if (scored) describe(raw, sample.token, task.params->logprobs, worker.scratch, sample.logprobs);
}

void Sampler::choose(std::span<const SampleTask> tasks, std::span<Sample> samples) noexcept {
  pool_.each(static_cast<int64_t>(tasks.size()),
             [&](int64_t i, int worker) { choose_one(tasks[i], workers_[worker], samples[i]); });
}

void Sampler::score(std::span<const ScoreTask> tasks) noexcept {
  pool_.each(static_cast<int64_t>(tasks.size()), [&](int64_t i, int worker) {
    const ScoreTask& task = tasks[i];
    describe(task.logits, task.token, task.top, workers_[worker].scratch, *task.result);
  });
}

}  // namespace octavo
