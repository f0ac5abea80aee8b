// One tile of attention: a few rows against up to 256 keys and values. Included inside a target
// region.
//
// A policy says how a lane of the cache (a float, two bf16, two fp8 or four int8; see kv_layout.h)
// is read and multiplied: those of this file in float, Bf16Dot and Fp8Dot of attention_dot.inl.h by
// vdpbf16ps. Both products have the same inner step: scores take a lane per token and broadcast the
// query, outputs take a lane per element and broadcast the probability. Each row has its own chain
// of additions, over the elements of the head and over the tokens, so its bits do not depend on the
// rows beside it.

// Rows whose sums are kept in registers: rows × 2 accumulators and 4 vectors of the cache.
inline constexpr int kFloatRows = kLanes == 16 ? 8 : 4;

// What the policies that add in float have in common.
struct FloatSums {
  using Sum = F;
  static constexpr int kRowTile = kFloatRows;
  static Sum zero() { return set(0); }
  static F score(Sum sum, const void*, int64_t) { return sum; }
  static F output(Sum sum, float) { return sum; }
};

struct F32Kv : FloatSums {
  using Factor = float;
  static constexpr int64_t kPack = 1;       // elements of a lane
  static constexpr int64_t kFactors = 1;    // factors that a lane is multiplied with
  static constexpr int64_t kLaneBytes = 4;  // in memory
  static constexpr bool kScaled = false;    // each token has a scale
  static constexpr bool kInteger = false;   // sums are whole numbers
  static F load_key(const std::byte* p) { return load(reinterpret_cast<const float*>(p)); }
  static F load_value(const std::byte* p) { return load(reinterpret_cast<const float*>(p)); }
  static void store_factors(Factor* to, F v) { store(to, v); }
  static F rounded(F v) { return v; }  // as store_factors keeps it

  template <int kRows>
  static inline void accumulate(F (&sums)[kRows][2], F v0, F v1, const Factor* factors,
                                int64_t stride) {
    OCTAVO_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const F factor = set(factors[r * stride]);
      sums[r][0] = fma(v0, factor, sums[r][0]);
      sums[r][1] = fma(v1, factor, sums[r][1]);
    }
  }
};

struct Bf16Kv : FloatSums {
  using Factor = float;
  static constexpr int64_t kPack = 2, kFactors = 2, kLaneBytes = 4;
  static constexpr bool kScaled = false, kInteger = false;
  static F load_key(const std::byte* p) { return load(reinterpret_cast<const float*>(p)); }
  static F load_value(const std::byte* p) { return load_key(p); }
  static void store_factors(Factor* to, F v) { store(to, v); }
  static F rounded(F v) { return v; }

  template <int kRows>
  static inline void accumulate(F (&sums)[kRows][2], F v0, F v1, const Factor* factors,
                                int64_t stride) {
    F32Kv::accumulate(sums, even_bf16(v0), even_bf16(v1), factors, stride);
    F32Kv::accumulate(sums, odd_bf16(v0), odd_bf16(v1), factors + 1, stride);
  }
};

// The numbers of widen_pairs: bf16 of the magnitudes below kSmalls; the others are (magnitude <<
// kShift) + kBias, from kFirstSpecial (NaN, infinity) on + kSpecialBias.
struct E4m3 {
  alignas(16) static constexpr uint16_t kSmall[8] = {0,      0x3B00, 0x3B80, 0x3BC0,
                                                     0x3C00, 0x3C20, 0x3C40, 0x3C60};
  static constexpr int kSmalls = 8, kShift = 4, kBias = 0x3C00;
  static constexpr int kFirstSpecial = 0x7F, kSpecialBias = 0x3BD0;
};
struct E5m2 {
  alignas(16) static constexpr uint16_t kSmall[8] = {0, 0x3780, 0x3800, 0x3840};
  static constexpr int kSmalls = 4, kShift = 5, kBias = 0x3800;
  static constexpr int kFirstSpecial = 0x7C, kSpecialBias = 0x3800;
};

// 8-bit floats, read as the pairs of bf16 that they are.
template <class Format, class Pairs>
struct Fp8As : Pairs {
  static constexpr int64_t kLaneBytes = 2;
  static F load_key(const std::byte* p) { return widen_pairs<Format>(p); }
  static F load_value(const std::byte* p) { return widen_pairs<Format>(p); }
};

struct Int8Kv : FloatSums {
  using Factor = float;
  static constexpr int64_t kPack = 4, kFactors = 4, kLaneBytes = 4;
  static constexpr bool kScaled = true, kInteger = false;
  static F load_key(const std::byte* p) { return flip_byte_signs(load_value(p)); }
  static F load_value(const std::byte* p) { return load(reinterpret_cast<const float*>(p)); }
  static void store_factors(Factor* to, F v) { store(to, v); }
  static F rounded(F v) { return v; }

  template <int kRows>
  static inline void accumulate(F (&sums)[kRows][2], F v0, F v1, const Factor* factors,
                                int64_t stride) {
    F32Kv::accumulate(sums, signed_byte<0>(v0), signed_byte<0>(v1), factors, stride);
    F32Kv::accumulate(sums, signed_byte<1>(v0), signed_byte<1>(v1), factors + 1, stride);
    F32Kv::accumulate(sums, signed_byte<2>(v0), signed_byte<2>(v1), factors + 2, stride);
    F32Kv::accumulate(sums, signed_byte<3>(v0), signed_byte<3>(v1), factors + 3, stride);
  }
};

template <class Kv>
using Factor = typename Kv::Factor;

template <class Kv, class Sums>
inline void add_keys(Sums& sums, F k0, F k1, const Factor<Kv>* factors, int64_t stride) {
  if constexpr (Kv::kInteger) {
    Kv::accumulate_keys(sums, k0, k1, factors, stride);
  } else {
    Kv::accumulate(sums, k0, k1, factors, stride);
  }
}
template <class Kv, class Sums>
inline void add_values(Sums& sums, F v0, F v1, const Factor<Kv>* factors, int64_t stride) {
  if constexpr (Kv::kInteger) {
    Kv::accumulate_values(sums, v0, v1, factors, stride);
  } else {
    Kv::accumulate(sums, v0, v1, factors, stride);
  }
}

// Calls f(rows as a constant) for 1 <= rows <= kMost.
template <int kMost, class Body>
inline void with_rows(int64_t rows, Body body) {
  if (rows == kMost) {
    body(std::integral_constant<int, kMost>{});
  } else if constexpr (kMost > 1) {
    with_rows<kMost - 1>(rows, body);
  }
}

// Blocks are too short and too scattered for the hardware's own prefetching, and a worker that
// first waits for memory and then computes gets neither's speed. So each product fetches what the
// next one reads, into L2: scores the values of their tile, outputs the keys of the next tile.
inline void fetch(const std::byte* line) { fetch_line(line); }

// Two vectors of tokens: where their keys and the values to fetch meanwhile begin.
struct KeyPair {
  const std::byte* keys[2];
  const std::byte* values[2];
};

// scores[row][0 .. 2 · kLanes) = query[row] · keys of two vectors of tokens.
template <class Kv, int kRows, bool kFetch>
inline void score_pair(const KeyPair& p, int64_t steps, const Factor<Kv>* query,
                       int64_t query_stride, float* scores) {
  constexpr int64_t kStep = kUnitTokens * Kv::kLaneBytes;
  typename Kv::Sum sums[kRows][2];
  OCTAVO_UNROLL
  for (int r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = Kv::zero();
  for (int64_t i = 0; i < steps; ++i) {
    if constexpr (kFetch) {
      fetch(p.values[0] + i * kStep);
      if constexpr (kLanes == kUnitTokens) fetch(p.values[1] + i * kStep);
    }
    const F k0 = Kv::load_key(p.keys[0] + i * kStep), k1 = Kv::load_key(p.keys[1] + i * kStep);
    add_keys<Kv>(sums, k0, k1, query + i * Kv::kFactors, query_stride);
  }
  OCTAVO_UNROLL
  for (int r = 0; r < kRows; ++r) {
    const Factor<Kv>* row = query + r * query_stride;
    store(scores + r * kTileTokens, Kv::score(sums[r][0], row, query_stride));
    store(scores + r * kTileTokens + kLanes, Kv::score(sums[r][1], row, query_stride));
  }
}

// Tokens of a tile, counted from its start: [begin, end) what was scored, [low, high)
// those that the row sees.
struct Seen {
  int64_t begin, end, low, high;
};

// The bias of one row of scores: tile token t is token origin + t of the sequence, the query's is
// `token`.
struct AlibiRow {
  float slope, scale;
  bool bf16;
  int64_t origin, token;
};

inline float rounded_to_bf16(float v) {
  const auto bits = std::bit_cast<uint32_t>(v);
  return std::bit_cast<float>((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000u);
}

inline void add_alibi(float* scores, const Seen& seen, const AlibiRow& row) {
  if (row.bf16) {
    const float slope = rounded_to_bf16(row.slope);
    for (int64_t t = seen.begin; t < seen.end; ++t)
      scores[t] += row.scale * rounded_to_bf16(slope * static_cast<float>(row.origin + t));
    return;
  }
  alignas(64) float ramp[kLanes];
  for (int i = 0; i < kLanes; ++i) ramp[i] = static_cast<float>(i);
  const F slope = set(row.slope * row.scale), lanes = load(ramp);
  for (int64_t t = seen.begin; t < seen.end; t += kLanes) {
    const F distance = add(lanes, set(static_cast<float>(row.origin + t - row.token)));
    store(scores + t, fma(slope, distance, load(scores + t)));
  }
}

// What softmax_row finds: the maximum and the sum of a row of a tile, and what its outputs are to
// be multiplied with (integer sums only).
struct RowSum {
  float best, total, scale;
};

// Scores of a row to probabilities over its maximum, in place; tokens out of sight get 0. Those of
// a scaled cache take the scales of their values, which `total` leaves out.
template <class Kv>
inline RowSum softmax_row(float* scores, const Seen& seen, float softcap,
                          const float* value_scales) {
  if (softcap > 0) {
    const F cap = set(softcap);
    for (int64_t t = seen.begin; t < seen.end; t += kLanes)
      store(scores + t, mul(cap, tanh(div(load(scores + t), cap))));
  }
  std::fill(scores + seen.begin, scores + seen.low, -INFINITY);
  std::fill(scores + seen.high, scores + seen.end, -INFINITY);
  F most = load(scores + seen.begin);
  for (int64_t t = seen.begin + kLanes; t < seen.end; t += kLanes)
    most = max(most, load(scores + t));
  const float best = reduce_max(most);
  const F offset = set(best);
  F sum = set(0);
  auto* factors = reinterpret_cast<Factor<Kv>*>(scores);
  for (int64_t t = seen.begin; t < seen.end; t += kLanes) {
    F p = exp(sub(load(scores + t), offset));
    sum = add(sum, Kv::rounded(p));
    if constexpr (Kv::kScaled) p = mul(p, load(value_scales + t));
    if constexpr (Kv::kInteger) {
      store(scores + t, p);
    } else {
      Kv::store_factors(factors + t / Kv::kPack * Kv::kFactors, p);
    }
  }
  float scale = 1;
  if constexpr (Kv::kInteger) scale = Kv::quantize_weights(scores, seen);
  return {best, reduce_add(sum), scale};
}

// Two vectors of elements of the values of the tile's units.
struct ValueColumns {
  const std::byte* const* units;  // of the tile, this kv head
  const std::byte* const* ahead;  // units to fetch meanwhile
  int64_t begin, end;             // tokens of the tile, begin at a unit
  int64_t offset[2], step[2];     // bytes: of the first token in a unit, and from lane to lane
  int64_t lanes[2];               // in use, of each vector
};

template <class Kv, bool kWhole>
inline F load_column(const ValueColumns& c, const std::byte* unit, int64_t step, int v) {
  const std::byte* at = unit + c.offset[v] + step * c.step[v];
  if constexpr (kWhole) return Kv::load_value(at);
  alignas(64) std::byte lanes[kLanes * Kv::kLaneBytes] = {};
  std::copy_n(at, c.lanes[v] * Kv::kLaneBytes, lanes);
  return Kv::load_value(lanes);
}

// out[row][columns] = probabilities[row] · values, over the tile, integer sums times the row's
// scale (of `scales`). Codes of tokens behind the end are another's, and may be anything. int8 ones
// have probabilities of 0; of a pair the half behind an odd end is cleared, since it may be NaN.
template <class Kv, int kRows, bool kWhole, bool kFetch>
inline void weigh_columns(const ValueColumns& c, const Factor<Kv>* factors, float* out,
                          int64_t out_stride, const float* scales) {
  typename Kv::Sum sums[kRows][2];
  OCTAVO_UNROLL
  for (int r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = Kv::zero();
  for (int64_t t = c.begin; t < c.end; t += kUnitTokens) {
    const std::byte* unit = c.units[t / kUnitTokens];
    const std::byte* ahead = c.ahead[t / kUnitTokens];
    const int64_t tokens = std::min(kUnitTokens, c.end - t);
    const int64_t steps = (tokens + (Kv::kPack == 2 ? 0 : Kv::kPack - 1)) / Kv::kPack;
    const Factor<Kv>* at = factors + t / Kv::kPack * Kv::kFactors;
    for (int64_t i = 0; i < steps; ++i, at += Kv::kFactors) {
      if constexpr (kFetch) {
        fetch(ahead + c.offset[0] + i * c.step[0]);
        if constexpr (kLanes == kStrip) fetch(ahead + c.offset[1] + i * c.step[1]);
      }
      add_values<Kv>(sums, load_column<Kv, kWhole>(c, unit, i, 0),
                     load_column<Kv, kWhole>(c, unit, i, 1), at, kTileTokens);
    }
    if constexpr (Kv::kPack == 2) {
      if (tokens % 2 != 0) {
        add_values<Kv>(sums, low_half(load_column<Kv, kWhole>(c, unit, steps, 0)),
                       low_half(load_column<Kv, kWhole>(c, unit, steps, 1)), at, kTileTokens);
      }
    }
  }
  OCTAVO_UNROLL
  for (int r = 0; r < kRows; ++r) {
    float* row = out + r * out_stride;
    const F v0 = Kv::output(sums[r][0], scales[r]), v1 = Kv::output(sums[r][1], scales[r]);
    if constexpr (kWhole) {
      store(row, v0);
      store(row + kLanes, v1);
    } else {
      store_partial(row, v0, c.lanes[0]);
      if (c.lanes[1] > 0) store_partial(row + kLanes, v1, c.lanes[1]);
    }
  }
}
