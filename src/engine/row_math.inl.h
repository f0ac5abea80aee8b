// The loops of row_math.h over vectors of 16 floats, which the compiler splits into the registers
// of the target region that this file is included in. Fused multiply-adds would differ between
// targets: the file is compiled with -ffp-contract=off.

constexpr int64_t kLanes = 16;
using F = float __attribute__((vector_size(64)));
using I = int32_t __attribute__((vector_size(64)));
using F8 = float __attribute__((vector_size(32)));
using D = double __attribute__((vector_size(64)));
using Words = uint64_t __attribute__((vector_size(64)));

inline void load(const float* from, F& to) { __builtin_memcpy(&to, from, sizeof(F)); }
// Minus infinity behind the end of the row.
inline void load_tail(std::span<const float> x, int64_t first, F& to) {
  float lanes[kLanes];
  for (int64_t i = 0; i < kLanes; ++i) {
    const bool in = first + i < static_cast<int64_t>(x.size());
    lanes[i] = in ? x[first + i] : -std::numeric_limits<float>::infinity();
  }
  load(lanes, to);
}
inline void load_at(std::span<const float> x, int64_t first, F& to) {
  if (first + kLanes <= static_cast<int64_t>(x.size())) return load(x.data() + first, to);
  load_tail(x, first, to);
}

inline bool any(const I& mask) {
  const auto words = (Words)mask;
  uint64_t all = 0;
  for (int i = 0; i < 8; ++i) all |= words[i];
  return all != 0;
}

// e^x for x <= 0, relative error below 2e-7: x = i·ln2 + r, |r| <= ln2/2, and a Taylor polynomial
// of degree 7.
inline void exp_in_place(F& x) {
  x = x < -87.0f ? F{} - 87.0f : x;
  const I i = __builtin_convertvector(x * 1.44269504f - 0.5f, I);
  const F f = __builtin_convertvector(i, F);
  const F r = (x - f * 0.693359375f) + f * 2.12194440e-4f;
  F p = F{} + 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  x = p * (F)((i + 127) << 23);
}

inline void set_ids(int64_t first, I& ids) {
  for (int i = 0; i < kLanes; ++i) ids[i] = i;
  ids += static_cast<int32_t>(first);
}
// Tokens of x, of ids first.., that the cut keeps.
inline void keeps(const F& x, int64_t first, const Cut& cut, I& kept) {
  I ids;
  set_ids(first, ids);
  kept = (x > cut.last.logit) | ((x == cut.last.logit) & (ids <= cut.last.id));
}

inline void weigh(const F& x, int64_t first, const Weighing& w, F& weights) {
  weights = (x - w.peak) * w.scale;
  exp_in_place(weights);
  I kept;
  keeps(x, first, w.cut, kept);
  weights = kept ? weights : F{};
}

void peak(std::span<const float> x, float& most, bool& broken) noexcept {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  F best[2] = {F{} - kInfinity, F{} - kInfinity};
  I bad{};
  for (int64_t i = 0; i < static_cast<int64_t>(x.size()); i += 2 * kLanes) {
    F v[2];
    load_at(x, i, v[0]);
    load_at(x, i + kLanes, v[1]);
    for (int j = 0; j < 2; ++j) {
      best[j] = v[j] > best[j] ? v[j] : best[j];
      bad |= ~(v[j] < kInfinity);
    }
  }
  broken = any(bad);
  most = -kInfinity;
  for (int i = 0; i < kLanes; ++i) most = std::max({most, best[0][i], best[1][i]});
}

int64_t next_at_least(std::span<const float> x, int64_t from, float bar) noexcept {
  const auto count = static_cast<int64_t>(x.size());
  int64_t i = from;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    F v[4];
    for (int j = 0; j < 4; ++j) load(x.data() + i + j * kLanes, v[j]);
    if (any((v[0] >= bar) | (v[1] >= bar) | (v[2] >= bar) | (v[3] >= bar))) break;
  }
  while (i < count && !(x[i] >= bar)) ++i;
  return i;
}

void sum_strips(std::span<const float> x, const Weighing& w, double* sums) noexcept {
  const auto count = static_cast<int64_t>(x.size());
  for (int64_t begin = 0; begin < count; begin += kStripTokens) {
    const int64_t end = std::min(begin + kStripTokens, count);
    D low{}, high{};
    for (int64_t i = begin; i < end; i += kLanes) {
      F v;
      load_at(x, i, v);
      if (!any(v >= w.cut.last.logit)) continue;
      F weights;
      weigh(v, i, w, weights);
      const F8 first = __builtin_shufflevector(weights, weights, 0, 1, 2, 3, 4, 5, 6, 7);
      const F8 second = __builtin_shufflevector(weights, weights, 8, 9, 10, 11, 12, 13, 14, 15);
      low += __builtin_convertvector(first, D);
      high += __builtin_convertvector(second, D);
    }
    low += high;
    double sum = 0;
    for (int i = 0; i < 8; ++i) sum += low[i];
    *sums++ = sum;
  }
}

void weights(std::span<const float> x, int64_t begin, const Weighing& w, float* out) noexcept {
  const auto count = static_cast<int64_t>(x.size());
  for (int64_t i = begin; i < count; i += kLanes) {
    F v, weights;
    load_at(x, i, v);
    weigh(v, i, w, weights);
    for (int64_t j = 0; j < std::min(kLanes, count - i); ++j) out[i - begin + j] = weights[j];
  }
}

inline void find_buckets(const F& x, const Weighing& w, const Buckets& b, I& buckets) {
  const F place = ((w.peak - x) * w.scale - b.begin) / b.width;
  const F inside =
      place < static_cast<float>(kBuckets - 1) ? place : F{} + static_cast<float>(kBuckets - 1);
  buckets = __builtin_convertvector(inside > 0.0f ? inside : F{}, I);
}

void histogram(std::span<const float> x, const Weighing& w, const Buckets& b,
               double* mass) noexcept {
  for (int64_t i = 0; i < static_cast<int64_t>(x.size()); i += kLanes) {
    F v, weights;
    load_at(x, i, v);
    if (!any(v >= w.cut.last.logit)) continue;
    weigh(v, i, w, weights);
    I buckets;
    find_buckets(v, w, b, buckets);
    for (int j = 0; j < kLanes; ++j) mass[buckets[j]] += weights[j];
  }
}

int64_t count_before(std::span<const float> x, const Scored& token) noexcept {
  I before{};
  for (int64_t i = 0; i < static_cast<int64_t>(x.size()); i += kLanes) {
    F v;
    I ids;
    load_at(x, i, v);
    set_ids(i, ids);
    before -= (v > token.logit) | ((v == token.logit) & (ids < token.id));
  }
  int64_t count = 0;
  for (int i = 0; i < kLanes; ++i) count += before[i];
  return count;
}
