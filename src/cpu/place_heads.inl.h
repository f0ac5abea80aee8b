// From q, k and v to queries ready for attention and a written cache, a row at a time: what a phase
// for each step would stream through memory several times, and at one row wake the workers for
// several times. Included inside a target region, behind rows.inl.h.

inline void norm_row_heads(const PlaceHeads& p, Heads x, int64_t n, Vec weight, Vec bias) {
  const int64_t heads = x.extent[1], size = x.extent[2];
  for (int64_t h = 0; h < heads; ++h) {
    const Norm norm{.x = {},
                    .weight = head_part(weight, h, size),
                    .bias = head_part(bias, h, size),
                    .eps = p.norms.eps,
                    .offset = p.norms.offset,
                    .y = {}};
    float* const head = x.at(n, h);
    if (p.norms.kind == PlaceHeads::NormKind::rms) {
      rms_norm_row(head, size, norm, head);
    } else {
      layer_norm_row(head, size, norm, head);
    }
  }
}

inline void rotate_row(const PlaceHeads& p, Heads x, int64_t n) {
  const int64_t half = p.cos.cols();
  const auto rotate = p.pairs == RopePairs::half ? rotate_halves : rotate_neighbours;
  for (int64_t h = 0; h < x.extent[1]; ++h) rotate(x.at(n, h), p.cos.at(n), p.sin.at(n), half);
}

inline void place_row(const PlaceHeads& p, int64_t n) {
  const auto norm = [&] {
    if (p.norms.kind == PlaceHeads::NormKind::none) return;
    norm_row_heads(p, p.q, n, p.norms.q_weight, p.norms.q_bias);
    norm_row_heads(p, p.k, n, p.norms.k_weight, p.norms.k_bias);
  };
  if (!p.norms.after_rope) norm();
  if (p.cos.data != nullptr) {
    rotate_row(p, p.q, n);
    rotate_row(p, p.k, n);
  }
  if (p.norms.after_rope) norm();
  if (p.query_factors.empty()) return;
  const F factor = set(p.query_factors[n]);
  for (int64_t h = 0; h < p.q.extent[1]; ++h) {
    float* const head = p.q.at(n, h);
    for_vectors(0, p.q.extent[2], [&](int64_t i, int64_t count) {
      store_some(head + i, mul(load_some(head + i, count), factor), count);
    });
  }
}

void place_heads(Queue& queue, const PlaceHeads& p) noexcept {
  const bool own = has_layout(p.kv.shape);
  const auto rows = static_cast<int64_t>(p.slots.size());
  const auto run = [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) place_row(p, n);
    if (own) write_kv_rows({p.k, p.v, p.slots, p.kv}, begin, end);
  };
  const int64_t elements = (p.q.extent[1] + 2 * p.k.extent[1]) * p.q.extent[2];
  if (rows * elements < kPhaseElements) {
    run(0, rows);
  } else {
    // Tokens of a unit share lines of the cache: better by one worker, where there is enough work.
    const int64_t grain = rows >= kUnitTokens * queue.pool().threads() ? kUnitTokens : 1;
    queue.pool().split(rows, grain, [&](int64_t begin, int64_t end, int) { run(begin, end); });
  }
  if (!own) reference::write_kv(queue, p.k, p.v, p.slots, p.kv);
}
