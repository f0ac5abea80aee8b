#include "engine/distribution.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace octavo {
namespace {

constexpr int kLanes = 16;

// e^x for x <= 0, relative error below 2e-7: branch-free, so that the compiler makes vectors of it
// (std::exp is a call for each element, and a row has 150,000). x = i·ln2 + r, |r| <= ln2/2, and a
// Taylor polynomial of degree 7.
inline float exp_negative(float x) {
  x = x < -87.0f ? -87.0f : x;
  const int i = static_cast<int>(x * 1.44269504f - 0.5f);
  const float f = static_cast<float>(i);
  const float r = (x - f * 0.693359375f) + f * 2.12194440e-4f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  return p * std::bit_cast<float>((i + 127) << 23);
}

// Weights of tokens first .. first + kLanes, zero where cut or beyond the row. Returns whether any
// is kept.
bool block_weights(std::span<const float> logits, int64_t first, const Weighing& w,
                   float (&out)[kLanes]) {
  const auto left = static_cast<int64_t>(logits.size()) - first;
  float x[kLanes];
  int any = 0;
  if (left >= kLanes) {
    for (int i = 0; i < kLanes; ++i) x[i] = logits[first + i];
    for (int i = 0; i < kLanes; ++i) any |= x[i] >= w.cut.last.logit;
    if (!any) return false;
  } else {
    for (int i = 0; i < kLanes; ++i)
      x[i] = i < left ? logits[first + i] : -std::numeric_limits<float>::infinity();
  }
  for (int i = 0; i < kLanes; ++i) out[i] = exp_negative((x[i] - w.peak) * w.scale);
  for (int i = 0; i < kLanes; ++i) {
    if (!w.cut.keeps(x[i], static_cast<TokenId>(first + i))) out[i] = 0;
  }
  return true;
}

double sum_of(const float (&weights)[kLanes]) {
  double sum = 0;
  for (const float weight : weights) sum += weight;
  return sum;
}

}  // namespace

Peak find_peak(std::span<const float> logits) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const auto count = static_cast<int64_t>(logits.size());
  float best[kLanes];
  int broken[kLanes] = {};
  std::fill(std::begin(best), std::end(best), -kInfinity);
  int64_t first = 0;
  for (; first + kLanes <= count; first += kLanes) {
    const float* const x = logits.data() + first;
    for (int i = 0; i < kLanes; ++i) best[i] = x[i] > best[i] ? x[i] : best[i];
    for (int i = 0; i < kLanes; ++i) broken[i] |= !(x[i] < kInfinity);
  }
  for (; first < count; ++first) {
    best[0] = std::max(best[0], logits[first]);
    broken[0] |= !(logits[first] < kInfinity);
  }
  Peak peak;
  for (int i = 0; i < kLanes; ++i) {
    peak.broken |= broken[i] != 0;
    peak.top.logit = std::max(peak.top.logit, best[i]);
  }
  if (peak.broken || peak.top.logit == -kInfinity) return peak;
  peak.top.id = static_cast<TokenId>(std::ranges::find(logits, peak.top.logit) - logits.begin());
  return peak;
}

float weight_of(float logit, const Weighing& w) { return exp_negative((logit - w.peak) * w.scale); }

double sum_weights(std::span<const float> logits, const Weighing& w) {
  double sum = 0;
  float weights[kLanes];
  for (int64_t first = 0; first < static_cast<int64_t>(logits.size()); first += kLanes) {
    if (block_weights(logits, first, w, weights)) sum += sum_of(weights);
  }
  return sum;
}

TokenId token_at(std::span<const float> logits, const Weighing& w, double target) {
  TokenId last = -1;
  double sum = 0;
  float weights[kLanes];
  for (int64_t first = 0; first < static_cast<int64_t>(logits.size()); first += kLanes) {
    if (!block_weights(logits, first, w, weights)) continue;
    const double after = sum + sum_of(weights);
    for (int i = 0; i < kLanes; ++i) {
      if (weights[i] == 0) continue;
      last = static_cast<TokenId>(first + i);
      sum += weights[i];
      if (sum > target) return last;
    }
    sum = after;
  }
  return last;
}

void select_top(std::span<const float> logits, const Cut& cut, int64_t count,
                std::vector<Scored>& out) {
  out.clear();
  if (count <= 0) return;
  const auto vocab = static_cast<int64_t>(logits.size());
  // Collect up to `full`, then keep the best `count` and raise the bar to the worst of them: each
  // token is compared once with the bar, and few pass it.
  const int64_t full = std::min(vocab, std::max<int64_t>(2 * count, 64));
  Cut bar = cut;
  const auto tighten = [&] {
    if (static_cast<int64_t>(out.size()) <= count) return;
    std::nth_element(out.begin(), out.begin() + (count - 1), out.end(), before);
    out.resize(count);
    bar.last = out.back();
  };
  for (TokenId id = 0; id < vocab; ++id) {
    if (!bar.keeps(logits[id], id)) continue;
    out.push_back({logits[id], id});
    if (static_cast<int64_t>(out.size()) >= full) tighten();
  }
  tighten();
}

void sorted_top(std::span<const float> logits, const Cut& cut, int64_t count,
                std::vector<Scored>& out) {
  select_top(logits, cut, count, out);
  std::ranges::sort(out, before);
}

double log_sum_exp(std::span<const float> logits, float peak) {
  return peak + std::log(sum_weights(logits, {.peak = peak, .scale = 1, .cut = {}}));
}

int32_t rank_of(std::span<const float> logits, TokenId id) {
  const float own = logits[id];
  int32_t rank = 1;
  for (const float logit : logits.first(id)) rank += logit >= own;
  for (const float logit : logits.subspan(id + 1)) rank += logit > own;
  return rank;
}

}  // namespace octavo
