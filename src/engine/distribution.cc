#include "engine/distribution.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/row_math.h"

namespace octavo {

using row_math::Buckets;

Peak find_peak(std::span<const float> logits) {
  const row_math::Kernels math = row_math::kernels();
  Peak peak;
  math.peak(logits, peak.top.logit, peak.broken);
  if (peak.broken || peak.top.logit == -std::numeric_limits<float>::infinity()) return peak;
  peak.top.id = static_cast<TokenId>(math.next_at_least(logits, 0, peak.top.logit));
  return peak;
}

float weight_of(float logit, const Weighing& w) {
  return row_math::exp_negative((logit - w.peak) * w.scale);
}

double sum_weights(std::span<const float> logits, const Weighing& w, std::vector<double>& strips) {
  strips.resize(row_math::strips(static_cast<int64_t>(logits.size())));
  row_math::kernels().sum_strips(logits, w, strips.data());
  double sum = 0;
  for (const double strip : strips) sum += strip;
  return sum;
}

TokenId token_at(std::span<const float> logits, const Weighing& w, std::span<const double> strips,
                 double target) {
  const auto vocab = static_cast<int64_t>(logits.size());
  double sum = 0;
  int64_t strip = 0;
  for (; strip < static_cast<int64_t>(strips.size()); sum += strips[strip++]) {
    if (sum + strips[strip] > target) break;
  }
  const int64_t begin = strip * row_math::kStripTokens;
  const int64_t count = std::min(row_math::kStripTokens, vocab - begin);
  if (count <= 0) return -1;
  float weights[row_math::kStripTokens];
  row_math::kernels().weights(logits.first(begin + count), begin, w, weights);
  TokenId last = -1;
  for (int64_t i = 0; i < count; ++i) {
    if (weights[i] == 0) continue;
    last = static_cast<TokenId>(begin + i);
    sum += weights[i];
    if (sum > target) break;
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
  const row_math::Kernels math = row_math::kernels();
  for (int64_t at = 0;; ++at) {
    at = math.next_at_least(logits, at, bar.last.logit);
    if (at >= vocab) break;
    const auto id = static_cast<TokenId>(at);
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

// Tokens that the cut keeps and `histogram` puts into a bucket, in `out`.
void collect_bucket(std::span<const float> logits, const Weighing& w, const Buckets& buckets,
                    int64_t bucket, std::vector<Scored>& out) {
  const row_math::Kernels math = row_math::kernels();
  const auto vocab = static_cast<int64_t>(logits.size());
  // Generously: bucket_of tells apart.
  const float farthest = buckets.begin + static_cast<float>(bucket + 2) * buckets.width;
  const bool last = bucket + 1 == row_math::kBuckets;
  const float bar = last ? w.cut.last.logit : w.peak - farthest / w.scale;
  out.clear();
  for (int64_t at = 0; (at = math.next_at_least(logits, at, bar)) < vocab; ++at) {
    const auto id = static_cast<TokenId>(at);
    if (!w.cut.keeps(logits[at], id)) continue;
    if (row_math::bucket_of(logits[at], w, buckets) == bucket) out.push_back({logits[at], id});
  }
}

Cut cut_at_mass(std::span<const float> logits, const Weighing& w, double wanted,
                std::vector<Scored>& scratch) {
  constexpr size_t kFew = 4096;  // to sort
  constexpr int kRounds = 3;     // 2048 buckets, three times: finer than floats are
  Buckets buckets{.begin = 0, .width = 88.0f / (row_math::kBuckets - 1)};
  std::array<double, row_math::kBuckets> mass;
  double sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    mass.fill(0);
    row_math::kernels().histogram(logits, w, buckets, mass.data());
    int64_t bucket = 0;
    sum = 0;
    while (bucket + 1 < row_math::kBuckets && sum + mass[bucket] < wanted) sum += mass[bucket++];
    collect_bucket(logits, w, buckets, bucket, scratch);
    if (scratch.size() <= kFew) break;
    buckets.begin += static_cast<float>(bucket) * buckets.width;
    buckets.width /= row_math::kBuckets - 2;
  }
  std::ranges::sort(scratch, before);
  for (const Scored& token : scratch) {
    sum += weight_of(token.logit, w);
    if (sum >= wanted) return {.last = token};
  }
  return scratch.empty() ? w.cut : Cut{.last = scratch.back()};
}

double log_sum_exp(std::span<const float> logits, float peak) {
  constexpr size_t kAtOnce = 64;
  const Weighing w{.peak = peak, .scale = 1, .cut = {}};
  double strips[kAtOnce], sum = 0;
  for (size_t at = 0; at < logits.size(); at += kAtOnce * row_math::kStripTokens) {
    const size_t count = std::min(logits.size() - at, kAtOnce * row_math::kStripTokens);
    row_math::kernels().sum_strips(logits.subspan(at, count), w, strips);
    for (int64_t i = 0; i < row_math::strips(static_cast<int64_t>(count)); ++i) sum += strips[i];
  }
  return peak + std::log(sum);
}

int32_t rank_of(std::span<const float> logits, TokenId id) {
  return 1 + static_cast<int32_t>(row_math::kernels().count_before(logits, {logits[id], id}));
}

}  // namespace octavo
