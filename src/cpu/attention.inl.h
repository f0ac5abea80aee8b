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

  int64_t first_token() const { return query_token(a, rows.sequence, rows.first_query); }
};

// Queries [begin, end) of the rows that see a token of [tile_begin, tile_end).
struct Active {
  int64_t begin, end;
};
template <class Kv>
inline Active active_queries(const RowsTask<Kv>& task, int64_t tile_begin, int64_t tile_end) {
  const int64_t queries = task.rows.queries, first = task.first_token();
  Active active{std::clamp<int64_t>(tile_begin - first, 0, queries), queries};
  if (task.a.window > 0)
    active.end = std::clamp<int64_t>(tile_end + task.a.window - 1 - first, 0, queries);
  return active;
}

// Keys and values of the blocks of one tile, for one kv head.
struct TileBlocks {
  int64_t begin, end;  // tokens of the tile, whole blocks
  const float* keys[kTileTokens / kBlockTokens];
  const float* values[kTileTokens / kBlockTokens];
  const float* next_keys[kTileTokens / kBlockTokens];  // of the tile behind, as far as it is read
};

template <class Kv>
inline void score_rows(const RowsTask<Kv>& task, const TileBlocks& blocks, int64_t row_begin,
                       int64_t row_end) {
  const int64_t steps = task.layout.head_dim / Kv::kPack;
  for (int64_t t = blocks.begin; t < blocks.end; t += kBlockTokens) {
    const int64_t block = t / kBlockTokens;
    for (int64_t r = row_begin; r < row_end; r += kRowTile) {
      with_rows<kRowTile>(std::min<int64_t>(kRowTile, row_end - r), [&](auto rows) {
        auto* score = score_block<Kv, rows(), false>;
        if (r == row_begin) score = score_block<Kv, rows(), true>;
        score(blocks.keys[block], steps, task.query + r * task.query_stride, task.query_stride,
              task.scores + r * kTileTokens + t, blocks.values[block]);
      });
    }
  }
}

template <class Kv>
inline void weigh_rows(const RowsTask<Kv>& task, ValueColumns c, int64_t row_begin, int64_t row_end,
                       float* out) {
  const int64_t e = task.layout.head_dim;
  const auto* factors = reinterpret_cast<const Factor<Kv>*>(task.scores);
  for (int64_t i = 0; i < e; i += 2 * kLanes) {
    for (int v = 0; v < 2; ++v) {
      const int64_t column = std::min(i + v * kLanes, e - 1);
      c.lanes[v] = std::clamp<int64_t>(e - i - v * kLanes, 0, kLanes);
      c.offset[v] = task.layout.value(0, column) / Kv::kPack;
      c.step[v] = task.layout.strip_width(column);
    }
    c.ahead_lane = i * (kBlockTokens / Kv::kPack);
    const bool whole = c.lanes[1] == kLanes;
    for (int64_t r = row_begin; r < row_end; r += kRowTile) {
      with_rows<kRowTile>(std::min<int64_t>(kRowTile, row_end - r), [&](auto rows) {
        auto* weigh = weigh_columns<Kv, rows(), false, false>;
        if (whole) weigh = weigh_columns<Kv, rows(), true, false>;
        if (whole && r == row_begin) weigh = weigh_columns<Kv, rows(), true, true>;
        weigh(c, factors + r * kTileTokens, out + r * e + i, e);
      });
    }
  }
}

template <class Kv>
inline TileBlocks tile_blocks(const RowsTask<Kv>& task, int64_t tile, int64_t begin, int64_t end) {
  const Attention& a = task.a;
  const KvShape& shape = a.kv.shape;
  const int64_t head_bytes = shape.block_bytes() / shape.kv_heads, origin = tile * kTileTokens;
  const auto offset = [&](int64_t token) {
    const int64_t block = *a.block_table.at(task.rows.sequence, token / kBlockTokens);
    return (block * shape.kv_heads + task.rows.kv_head) * head_bytes;
  };
  TileBlocks blocks{.begin = begin, .end = end, .keys = {}, .values = {}, .next_keys = {}};
  for (int64_t t = begin; t < end; t += kBlockTokens) {
    blocks.keys[t / kBlockTokens] = reinterpret_cast<const float*>(a.kv.k + offset(origin + t));
    blocks.values[t / kBlockTokens] = reinterpret_cast<const float*>(a.kv.v + offset(origin + t));
  }
  const int64_t next = origin + kTileTokens;
  const int64_t last = task.first_token() + task.rows.queries - 1;
  for (int64_t t = begin; t < end; t += kBlockTokens) {
    const bool read = tile + 1 < task.rows.tile_end && next + t <= last;
    blocks.next_keys[t / kBlockTokens] =
        read ? reinterpret_cast<const float*>(a.kv.k + offset(next + t))
             : blocks.keys[t / kBlockTokens];
  }
  return blocks;
}

template <class Kv>
inline void compute_tile(const RowsTask<Kv>& task, int64_t tile, const Partial& result) {
  const Attention& a = task.a;
  const int64_t origin = tile * kTileTokens, first = task.first_token();
  std::fill_n(result.best, task.count, -INFINITY);
  const Active active = active_queries(task, origin, origin + kTileTokens);
  if (active.begin >= active.end) return;
  const int64_t row_begin = active.begin * task.group, row_end = active.end * task.group;
  // Tokens of the tile that any of the active rows sees.
  const int64_t low = std::max<int64_t>(first_seen(a, first + active.begin) - origin, 0);
  const int64_t high = std::min(first + active.end - origin, kTileTokens);
  const int64_t begin = low / kBlockTokens * kBlockTokens;
  const int64_t end = (high + kBlockTokens - 1) / kBlockTokens * kBlockTokens;

  const TileBlocks blocks = tile_blocks(task, tile, begin, end);
  score_rows(task, blocks, row_begin, row_end);
  for (int64_t r = row_begin; r < row_end; ++r) {
    const int64_t token = first + r / task.group;
    const Seen seen{.begin = begin,
                    .end = end,
                    .low = std::max<int64_t>(first_seen(a, token) - origin, begin),
                    .high = std::min(token + 1 - origin, end)};
    if (!a.alibi.slopes.empty()) {
      const int64_t head = task.rows.kv_head * task.group + r % task.group;
      add_alibi(task.scores + r * kTileTokens, seen,
                {.slope = a.alibi.slopes[head],
                 .scale = a.alibi.scale,
                 .bf16 = a.alibi.bf16,
                 .origin = origin,
                 .token = token});
    }
    softmax_row<Kv>(task.scores + r * kTileTokens, seen, a.softcap, result.best[r],
                    result.total[r]);
  }
  weigh_rows(task,
             {.blocks = blocks.values,
              .ahead = blocks.next_keys,
              .ahead_lane = 0,
              .begin = begin,
              .end = high,
              .offset = {},
              .step = {},
              .lanes = {}},
             row_begin, row_end, result.out);
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
    const int64_t n = a.row_begin[rows.sequence] + rows.first_query + r / group;
    float* to = a.out.at(n, rows.kv_head * group + r % group);
    const F scale = set(1 / sum.total[r]);
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
    const int64_t n = task.a.row_begin[task.rows.sequence] + task.rows.first_query + r / task.group;
    const float* from = task.a.q.at(n, task.rows.kv_head * task.group + r % task.group);
    Factor<Kv>* row = to + r * task.query_stride;
    for_vectors(0, e, [&](int64_t i, int64_t count) {
      Kv::store_factors(row + i / Kv::kPack * Kv::kFactors, mul(load_some(from + i, count), scale));
    });
  }
}

template <class Kv>
inline void run_item(Queue& queue, int worker, const Attention& a, const AttentionItem& item) {
  const int64_t e = a.kv.shape.head_dim, group = group_size(a), rows = item.rows.queries * group;
  const int64_t stride = (e + 15) / 16 * 16;  // whole vectors are stored
  const int64_t tile_floats = partial_floats(rows, e);
  const int64_t floats = rows * (stride + kTileTokens) + 2 * tile_floats;
  auto* scratch = reinterpret_cast<float*>(queue.worker_scratch(worker, floats * sizeof(float)));
  auto* query = reinterpret_cast<Factor<Kv>*>(scratch);
  float* scores = scratch + rows * stride;
  const RowsTask<Kv> task{a, item.rows, KvLayout(a.kv.shape), group, rows, query, stride, scores};
  pack_queries(task, query);
  if (item.partials != nullptr) {
    float* at = item.partials;
    for (int64_t tile = item.rows.tile_begin; tile < item.rows.tile_end; ++tile, at += tile_floats)
      compute_tile(task, tile, partial_at(at, rows));
    return;
  }
  const Partial part = partial_at(scores + rows * kTileTokens, rows);
  const Partial sum = partial_at(scores + rows * kTileTokens + tile_floats, rows);
  std::fill_n(sum.best, rows, -INFINITY);
  for (int64_t tile = item.rows.tile_begin; tile < item.rows.tile_end; ++tile) {
    compute_tile(task, tile, part);
    fold(part, rows, e, sum);
  }
  write_output(a, item.rows, sum);
}

inline void run_fold(Queue& queue, int worker, const Attention& a, const AttentionFold& f) {
  const int64_t e = a.kv.shape.head_dim, rows = f.rows.queries * group_size(a);
  const int64_t tile_floats = partial_floats(rows, e);
  auto* scratch =
      reinterpret_cast<float*>(queue.worker_scratch(worker, tile_floats * sizeof(float)));
  const Partial sum = partial_at(scratch, rows);
  std::fill_n(sum.best, rows, -INFINITY);
  float* at = f.partials;
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
