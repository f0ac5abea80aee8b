// One tile of attention: a few rows against up to 256 keys and values. Included inside a target
// region.
//
// A policy (F32Kv, Bf16Kv, and Bf16Dot of attention_dot.inl.h) says how a 32-bit lane of the cache
// (a float, or two bf16) is multiplied. Both products have the same inner step: scores take a lane
// per token and broadcast the query, outputs take a lane per element and broadcast the probability.
// Each row has its own chain of additions, over the elements of the head and over the tokens, so
// its bits do not depend on the rows beside it.

// Rows whose sums are kept in registers: rows × 2 accumulators and 4 vectors of the cache.
inline constexpr int kRowTile = kLanes == 16 ? 8 : 4;

struct F32Kv {
  using Factor = float;
  static constexpr int64_t kPack = 1;     // elements of a lane
  static constexpr int64_t kFactors = 1;  // factors that a lane is multiplied with
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

struct Bf16Kv {
  using Factor = float;
  static constexpr int64_t kPack = 2;
  static constexpr int64_t kFactors = 2;
  static void store_factors(Factor* to, F v) { store(to, v); }
  static F rounded(F v) { return v; }

  template <int kRows>
  static inline void accumulate(F (&sums)[kRows][2], F v0, F v1, const Factor* factors,
                                int64_t stride) {
    F32Kv::accumulate(sums, even_bf16(v0), even_bf16(v1), factors, stride);
    F32Kv::accumulate(sums, odd_bf16(v0), odd_bf16(v1), factors + 1, stride);
  }
};

template <class Kv>
using Factor = typename Kv::Factor;

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
inline void fetch(const float* lanes) {
  constexpr int64_t kLineLanes = 16;
  OCTAVO_UNROLL
  for (int64_t i = 0; i < 2 * kLanes; i += kLineLanes) fetch_line(lanes + i);
}

// scores[row][0..32) = query[row] · keys of a block, both [head_dim / kPack][32] lanes as is the
// block of `values` to fetch.
template <class Kv, int kRows, bool kFetch>
inline void score_block(const float* keys, int64_t steps, const Factor<Kv>* query,
                        int64_t query_stride, float* scores, const float* values) {
  for (int64_t half = 0; half < kBlockTokens; half += 2 * kLanes) {
    F sums[kRows][2];
    OCTAVO_UNROLL
    for (int r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = set(0);
    const float* at = keys + half;
    for (int64_t i = 0; i < steps; ++i, at += kBlockTokens) {
      if constexpr (kFetch) fetch(values + i * kBlockTokens + half);
      Kv::accumulate(sums, load(at), load(at + kLanes), query + i * Kv::kFactors, query_stride);
    }
    OCTAVO_UNROLL
    for (int r = 0; r < kRows; ++r) {
      store(scores + r * kTileTokens + half, sums[r][0]);
      store(scores + r * kTileTokens + half + kLanes, sums[r][1]);
    }
  }
}

// Tokens of a tile, counted from its start: [begin, end) whole blocks that were scored, [low, high)
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

// Scores of a row to probabilities over its maximum, in place; tokens out of sight get 0.
template <class Kv>
inline void softmax_row(float* scores, const Seen& seen, float softcap, float& best, float& total) {
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
  best = reduce_max(most);
  const F offset = set(best);
  F sum = set(0);
  auto* factors = reinterpret_cast<Factor<Kv>*>(scores);
  for (int64_t t = seen.begin; t < seen.end; t += kLanes) {
    const F p = exp(sub(load(scores + t), offset));
    sum = add(sum, Kv::rounded(p));
    Kv::store_factors(factors + t / Kv::kPack * Kv::kFactors, p);
  }
  total = reduce_add(sum);
}

// Two vectors of elements of the values of the tile's blocks.
struct ValueColumns {
  const float* const* blocks;  // of the tile; lanes of this kv head
  const float* const* ahead;   // blocks to fetch meanwhile
  int64_t ahead_lane;          // from here in each
  int64_t begin, end;          // tokens of the tile, begin at a block
  int64_t offset[2], step[2];  // lanes: of the first token in a block, and from token to token
  int64_t lanes[2];            // in use, of each vector
};

template <bool kWhole>
inline F load_column(const ValueColumns& c, const float* block, int64_t step, int v) {
  const float* at = block + c.offset[v] + step * c.step[v];
  if constexpr (kWhole) return load(at);
  return load_partial(at, c.lanes[v]);
}

// out[row][columns] = probabilities[row] · values, over the tile. The token behind an odd end is
// another's: its half of the lane is cleared, since it may be anything, NaN included.
template <class Kv, int kRows, bool kWhole, bool kFetch>
inline void weigh_columns(const ValueColumns& c, const Factor<Kv>* factors, float* out,
                          int64_t out_stride) {
  F sums[kRows][2];
  OCTAVO_UNROLL
  for (int r = 0; r < kRows; ++r) sums[r][0] = sums[r][1] = set(0);
  for (int64_t t = c.begin; t < c.end; t += kBlockTokens) {
    const float* block = c.blocks[t / kBlockTokens];
    const int64_t tokens = std::min(kBlockTokens, c.end - t), steps = tokens / Kv::kPack;
    const Factor<Kv>* at = factors + t / Kv::kPack * Kv::kFactors;
    const float* ahead = c.ahead[t / kBlockTokens] + c.ahead_lane;
    for (int64_t i = 0; i < steps; ++i, at += Kv::kFactors) {
      if constexpr (kFetch) fetch(ahead + i * 2 * kLanes);
      Kv::accumulate(sums, load_column<kWhole>(c, block, i, 0), load_column<kWhole>(c, block, i, 1),
                     at, kTileTokens);
    }
    if (tokens % Kv::kPack != 0) {
      Kv::accumulate(sums, low_half(load_column<kWhole>(c, block, steps, 0)),
                     low_half(load_column<kWhole>(c, block, steps, 1)), at, kTileTokens);
    }
  }
  OCTAVO_UNROLL
  for (int r = 0; r < kRows; ++r) {
    float* row = out + r * out_stride;
    if constexpr (kWhole) {
      store(row, sums[r][0]);
      store(row + kLanes, sums[r][1]);
    } else {
      store_partial(row, sums[r][0], c.lanes[0]);
      if (c.lanes[1] > 0) store_partial(row + kLanes, sums[r][1], c.lanes[1]);
    }
  }
}
