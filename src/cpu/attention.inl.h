// Attention over the paged cache: tiles of 256 tokens at fixed positions, computed alone and folded
// in ascending order (see attention_plan.h). Included inside a target region, behind
// attention_tile.inl.h.

// What one tile gives for each row; best = -infinity where the row sees none of its tokens.
struct Partial {
  float *best, *total;  // [rows]
  float* out;           // [rows, head_dim]
};

inline Partial partial_at(float* at, int64_t rows) { return {at, at + rows, at + 2 * rows}; }

// One set of rows while its tiles are computed.
template <class Kv>
struct RowsTask {
  const Attention& a;
  AttentionRows rows;
  KvLayout layout;
  int64_t group, count;     // query heads of a kv head; queries · group
  const Factor<Kv>* query;  // [count, query_stride], times scale
  int64_t query_stride;
  float* scores;  // [count, kTileTokens]
  float* scales;  // [count] of the outputs, see RowSum

  int64_t token(int64_t query) const { return query_place(a, rows, query).token; }
};

// Queries [begin, end) of the rows that see a token of [tile_begin, tile_end).
struct Active {
  int64_t begin, end;
};
template <class Kv>
inline Active active_queries(const RowsTask<Kv>& task, int64_t tile_begin, int64_t tile_end) {
  const int64_t queries = task.rows.queries;
  if (task.rows.members != nullptr) return {0, queries};  // shared tiles are seen by all
  const int64_t first = task.token(0);
  Active active{std::clamp<int64_t>(tile_begin - first, 0, queries), queries};
  if (task.a.window > 0)
    active.end = std::clamp<int64_t>(tile_end + task.a.window - 1 - first, 0, queries);
  return active;
}

constexpr int64_t kTileUnits = kTileTokens / kUnitTokens;
constexpr int64_t kPairTokens = 2 * kLanes;  // that score_pair takes
constexpr int64_t kStepTokens = std::max(kPairTokens, kUnitTokens);

// Keys and values of one tile, for one kv head, by units. Units that no row sees stand for their
// nearest neighbours: they are scored, since tokens come in pairs of vectors, but not looked at.
struct TileUnits {
  int64_t low, high;   // tokens of the tile that a row sees
  int64_t begin, end;  // whole units and pairs of vectors around them
  const std::byte* keys[kTileUnits];
  const std::byte* values[kTileUnits];
  const std::byte* next_keys[kTileUnits];  // of the tile behind, as far as it is read
  float key_scales[kTileTokens];           // of a scaled cache; 0 outside [low, high)
  float value_scales[kTileTokens];
};

template <class Kv>
inline void score_rows(const RowsTask<Kv>& task, const TileUnits& units, int64_t row_begin,
                       int64_t row_end) {
  const int64_t steps = task.layout.head_dim / Kv::kPack;
  for (int64_t t = units.begin; t < units.end; t += kPairTokens) {
    KeyPair pair;
    for (int v = 0; v < 2; ++v) {
      const int64_t token = t + v * kLanes, u = token / kUnitTokens;
      pair.keys[v] = units.keys[u] + token % kUnitTokens * Kv::kLaneBytes;
      pair.values[v] = units.values[u];
    }
    for (int64_t r = row_begin; r < row_end; r += Kv::kRowTile) {
      with_rows<Kv::kRowTile>(std::min<int64_t>(Kv::kRowTile, row_end - r), [&](auto rows) {
        auto* score = score_pair<Kv, rows(), false>;
        if (r == row_begin) score = score_pair<Kv, rows(), true>;
        score(pair, steps, task.query + r * task.query_stride, task.query_stride,
              task.scores + r * kTileTokens + t);
      });
    }
  }
}

template <class Kv>
inline void weigh_rows(const RowsTask<Kv>& task, const TileUnits& units, int64_t row_begin,
                       int64_t row_end, float* out) {
  const int64_t e = task.layout.head_dim;
  const auto* factors = reinterpret_cast<const Factor<Kv>*>(task.scores);
  ValueColumns c{.units = units.values,
                 .ahead = units.next_keys,
                 .begin = units.low / kUnitTokens * kUnitTokens,
                 .end = units.high,
                 .offset = {},
                 .step = {},
                 .lanes = {}};
  for (int64_t i = 0; i < e; i += 2 * kLanes) {
    for (int v = 0; v < 2; ++v) {
      const int64_t column = std::min(i + v * kLanes, e - 1);
      c.lanes[v] = std::clamp<int64_t>(e - i - v * kLanes, 0, kLanes);
      c.offset[v] = task.layout.value(0, column) * task.layout.element_bytes;
      c.step[v] = task.layout.strip_width(column) * Kv::kLaneBytes;
    }
    const bool whole = c.lanes[1] == kLanes;
    for (int64_t r = row_begin; r < row_end; r += Kv::kRowTile) {
      with_rows<Kv::kRowTile>(std::min<int64_t>(Kv::kRowTile, row_end - r), [&](auto rows) {
        auto* weigh = weigh_columns<Kv, rows(), false, false>;
        if (whole) weigh = weigh_columns<Kv, rows(), true, false>;
        if (whole && r == row_begin) weigh = weigh_columns<Kv, rows(), true, true>;
        weigh(c, factors + r * kTileTokens, out + r * e + i, e, task.scales + r);
      });
    }
  }
}

// Where a token's unit and scale are in the keys or values of the layer.
struct TokenPlace {
  int64_t unit, scale;
};

// From unit to unit of the rows' sequence, without a division for each.
template <class Kv>
struct UnitWalk {
  const RowsTask<Kv>& task;
  int64_t block, in_block;  // index in the sequence's table; token

  UnitWalk(const RowsTask<Kv>& t, int64_t token)
      : task(t),
        block(token / t.a.kv.shape.block_tokens),
        in_block(token % t.a.kv.shape.block_tokens) {}

  TokenPlace place() const {
    const KvShape& shape = task.a.kv.shape;
    const int64_t id = *task.a.block_table.at(task.rows.sequence, block);
    const int64_t head = (id * shape.kv_heads + task.rows.kv_head) * task.layout.head_bytes;
    return {head + in_block / kUnitTokens * task.layout.unit_bytes,
            head + task.layout.scales_at + in_block * 2};
  }
  void next() {
    in_block += kUnitTokens;
    if (in_block < task.a.kv.shape.block_tokens) return;
    in_block = 0;
    ++block;
  }
};

// The scales of the unit at token t of the tile.
inline void load_scales(TileUnits& units, const Attention& a, const TokenPlace& place, int64_t t) {
  const auto* keys = reinterpret_cast<const uint16_t*>(a.kv.k + place.scale);
  const auto* values = reinterpret_cast<const uint16_t*>(a.kv.v + place.scale);
  for (int64_t i = 0; i < kUnitTokens; i += kLanes) {
    const int64_t seen = units.high - t - i;  // behind them may be anything
    store(units.key_scales + t + i,
          first(load_bf16(keys + i), std::clamp<int64_t>(seen, 0, kLanes)));
    store(units.value_scales + t + i,
          first(load_bf16(values + i), std::clamp<int64_t>(seen, 0, kLanes)));
  }
}

template <class Kv>
inline void find_units(const RowsTask<Kv>& task, int64_t tile, TileUnits& units) {
  const Attention& a = task.a;
  const int64_t origin = tile * kTileTokens;
  const int64_t first = units.low / kUnitTokens, last = (units.high - 1) / kUnitTokens;
  UnitWalk<Kv> walk(task, origin + first * kUnitTokens);
  for (int64_t u = first; u <= last; ++u, walk.next()) {
    const TokenPlace place = walk.place();
    units.keys[u] = a.kv.k + place.unit;
    units.values[u] = a.kv.v + place.unit;
    if constexpr (Kv::kScaled) load_scales(units, a, place, u * kUnitTokens);
  }
  for (int64_t u = units.begin / kUnitTokens; u < units.end / kUnitTokens; ++u) {
    const int64_t nearest = std::clamp(u, first, last);
    units.keys[u] = units.keys[nearest];
    units.values[u] = units.values[nearest];
    if (Kv::kScaled && u != nearest) {
      std::fill_n(units.key_scales + u * kUnitTokens, kUnitTokens, 0.0f);
      std::fill_n(units.value_scales + u * kUnitTokens, kUnitTokens, 0.0f);
    }
  }
  const int64_t next = origin + kTileTokens, most = task.token(task.rows.queries - 1);
  UnitWalk<Kv> ahead(task, next + first * kUnitTokens);
  for (int64_t u = first; u <= last; ++u, ahead.next()) {
    const bool read = tile + 1 < task.rows.tile_end && next + u * kUnitTokens <= most;
    units.next_keys[u] = read ? a.kv.k + ahead.place().unit : units.keys[u];
  }
}

// Scores of row r to probabilities.
template <class Kv>
inline RowSum weigh_scores(const RowsTask<Kv>& task, const TileUnits& units, int64_t tile,
                           int64_t r) {
  const Attention& a = task.a;
  const int64_t token = task.token(r / task.group), origin = tile * kTileTokens;
  float* const scores = task.scores + r * kTileTokens;
  const Seen seen{.begin = units.begin,
                  .end = units.end,
                  .low = std::max<int64_t>(first_seen(a, token) - origin, units.begin),
                  .high = std::min(token + 1 - origin, units.end)};
  if constexpr (Kv::kScaled) {
    for (int64_t t = seen.begin; t < seen.end; t += kLanes)
      store(scores + t, mul(load(scores + t), load(units.key_scales + t)));
  }
  if (!a.alibi.slopes.empty()) {
    const int64_t head = task.rows.kv_head * task.group + r % task.group;
    add_alibi(scores, seen,
              {.slope = a.alibi.slopes[head],
               .scale = a.alibi.scale,
               .bf16 = a.alibi.bf16,
               .origin = origin,
               .token = token});
  }
  return softmax_row<Kv>(scores, seen, a.softcap, units.value_scales);
}

template <class Kv>
inline void compute_tile(const RowsTask<Kv>& task, int64_t tile, const Partial& result) {
  const Attention& a = task.a;
  const int64_t origin = tile * kTileTokens;
  std::fill_n(result.best, task.count, -INFINITY);
  const Active active = active_queries(task, origin, origin + kTileTokens);
  if (active.begin >= active.end) return;
  const int64_t row_begin = active.begin * task.group, row_end = active.end * task.group;
  TileUnits units;
  units.low = std::max<int64_t>(first_seen(a, task.token(active.begin)) - origin, 0);
  units.high = std::min(task.token(active.end - 1) + 1 - origin, kTileTokens);
  if (task.rows.members != nullptr) units.high = kTileTokens;
  units.begin = units.low / kStepTokens * kStepTokens;
  units.end = (units.high + kStepTokens - 1) / kStepTokens * kStepTokens;
  find_units(task, tile, units);

  score_rows(task, units, row_begin, row_end);
  for (int64_t r = row_begin; r < row_end; ++r) {
    const RowSum sum = weigh_scores(task, units, tile, r);
    result.best[r] = sum.best;
    result.total[r] = sum.total;
    task.scales[r] = sum.scale;
  }
  weigh_rows(task, units, row_begin, row_end, result.out);
}

inline float exp_of(float x) {
  alignas(64) float lanes[kLanes];
  store(lanes, exp(set(x)));
  return lanes[0];
}

// sum (+)= part, each row by itself. An empty sum takes the part as it is.
inline void fold(const Partial& part, int64_t rows, int64_t head_dim, const Partial& sum) {
  for (int64_t r = 0; r < rows; ++r) {
    if (part.best[r] == -INFINITY) continue;
    float* to = sum.out + r * head_dim;
    const float* from = part.out + r * head_dim;
    if (sum.best[r] == -INFINITY) {
      std::copy_n(from, head_dim, to);
      sum.best[r] = part.best[r];
      sum.total[r] = part.total[r];
      continue;
    }
    const float best = std::max(sum.best[r], part.best[r]);
    const float keep = exp_of(sum.best[r] - best), take = exp_of(part.best[r] - best);
    sum.best[r] = best;
    sum.total[r] = sum.total[r] * keep + part.total[r] * take;
    for_vectors(0, head_dim, [&](int64_t i, int64_t count) {
      const F old = mul(load_some(to + i, count), set(keep));
      store_some(to + i, fma(load_some(from + i, count), set(take), old), count);
    });
  }
}

inline void write_output(const Attention& a, const AttentionRows& rows, const Partial& sum) {
  const int64_t group = group_size(a), e = a.kv.shape.head_dim;
  for (int64_t r = 0; r < rows.queries * group; ++r) {
    const int64_t head = rows.kv_head * group + r % group;
    float* to = a.out.at(query_place(a, rows, r / group).row, head);
    float total = sum.total[r];
    if (!a.sinks.empty()) total += exp_of(a.sinks[head] - sum.best[r]);
    const F scale = set(1 / total);
    for_vectors(0, e, [&](int64_t i, int64_t count) {
      store_some(to + i, mul(load_some(sum.out + r * e + i, count), scale), count);
    });
  }
}

template <class Kv>
inline void pack_queries(const RowsTask<Kv>& task, Factor<Kv>* to) {
  const int64_t e = task.layout.head_dim;
  const F scale = set(task.a.scale);
  for (int64_t r = 0; r < task.count; ++r) {
    const int64_t n = query_place(task.a, task.rows, r / task.group).row;
    const float* from = task.a.q.at(n, task.rows.kv_head * task.group + r % task.group);
    Factor<Kv>* row = to + r * task.query_stride;
    if constexpr (Kv::kInteger) {
      Kv::quantize_query(from, e, task.a.scale, row, task.query_stride);
    } else {
      for_vectors(0, e, [&](int64_t i, int64_t count) {
        const F x = mul(load_some(from + i, count), scale);
        Kv::store_factors(row + i / Kv::kPack * Kv::kFactors, x);
      });
    }
  }
}

template <class Kv>
inline void run_item(Queue& queue, int worker, const Attention& a, const AttentionItem& item) {
  const int64_t e = a.kv.shape.head_dim, group = group_size(a), rows = item.rows.queries * group;
  const int64_t stride = (e + 15) / 16 * 16;  // whole vectors are stored
  const int64_t tile_floats = partial_floats(rows, e);
  const int64_t floats = rows * (stride + kTileTokens + 1) + 2 * tile_floats;
  auto* scratch = reinterpret_cast<float*>(queue.worker_scratch(worker, floats * sizeof(float)));
  auto* query = reinterpret_cast<Factor<Kv>*>(scratch);
  float* scores = scratch + rows * stride;
  float* scales = scores + rows * kTileTokens;
  const RowsTask<Kv> task{.a = a,
                          .rows = item.rows,
                          .layout = KvLayout(a.kv.shape),
                          .group = group,
                          .count = rows,
                          .query = query,
                          .query_stride = stride,
                          .scores = scores,
                          .scales = scales};
  pack_queries(task, query);
  if (item.partials != nullptr) {
    float* at = item.partials;
    for (int64_t tile = item.rows.tile_begin; tile < item.rows.tile_end; ++tile, at += tile_floats)
      compute_tile(task, tile, partial_at(at, rows));
    return;
  }
  const Partial part = partial_at(scales + rows, rows);
  const Partial sum = partial_at(scales + rows + tile_floats, rows);
  std::fill_n(sum.best, rows, -INFINITY);
  for (int64_t tile = item.rows.tile_begin; tile < item.rows.tile_end; ++tile) {
    compute_tile(task, tile, part);
    fold(part, rows, e, sum);
  }
  write_output(a, item.rows, sum);
}

inline void run_fold(Queue& queue, int worker, const Attention& a, const AttentionFold& f) {
  const int64_t e = a.kv.shape.head_dim, group = group_size(a), rows = f.rows.queries * group;
  const int64_t tile_floats = partial_floats(rows, e);
  auto* scratch =
      reinterpret_cast<float*>(queue.worker_scratch(worker, tile_floats * sizeof(float)));
  const Partial sum = partial_at(scratch, rows);
  std::fill_n(sum.best, rows, -INFINITY);
  const int64_t shared_rows = f.shared.queries * group, first = f.shared.first * group;
  float* at = f.shared.partials;
  for (int32_t tile = 0; tile < f.shared.tiles; ++tile, at += partial_floats(shared_rows, e)) {
    const Partial all = partial_at(at, shared_rows);
    fold({all.best + first, all.total + first, all.out + first * e}, rows, e, sum);
  }
  at = f.partials;
  for (int64_t tile = f.rows.tile_begin; tile < f.rows.tile_end; ++tile, at += tile_floats)
    fold(partial_at(at, rows), rows, e, sum);
  write_output(a, f.rows, sum);
}

template <class Kv>
inline void attend(Queue& queue, const Attention& a) {
  const AttentionPlan plan = plan_attention(queue, a);
  queue.pool().each(static_cast<int64_t>(plan.items.size()),
                    [&](int64_t i, int worker) { run_item<Kv>(queue, worker, a, plan.items[i]); });
  queue.pool().each(static_cast<int64_t>(plan.folds.size()),
                    [&](int64_t i, int worker) { run_fold(queue, worker, a, plan.folds[i]); });
}

// Attention by float products whatever the cache, and by `Pairs` and `Int8` where the ISA has more.
template <class Pairs, class Int8>
inline void attend_any(Queue& queue, const Attention& a) {
  if (!has_layout(a.kv.shape)) return reference::attention(queue, a);
  switch (a.kv.shape.dtype) {
    case DType::bf16:
      return attend<Pairs>(queue, a);
    case DType::i8:
      return attend<Int8>(queue, a);
    case DType::f8_e4m3:
      return attend<Fp8As<E4m3, Pairs>>(queue, a);
    case DType::f8_e5m2:
      return attend<Fp8As<E5m2, Pairs>>(queue, a);
    default:
      return attend<F32Kv>(queue, a);
  }
}
