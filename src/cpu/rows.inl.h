// Norms, rope, activations and the other row operations over the vectors of simd.h. Included inside
// a target region. A row's sums run over lanes and then over the tree of reduce_add: their order is
// a function of the row's length.

// Less work than this is done by the caller: waking workers costs about as much as 4k exponentials.
inline constexpr int64_t kPhaseElements = 8192;

// Runs task(begin, end) over `rows` rows of `cols` elements.
template <class Task>
inline void for_rows(Queue& queue, int64_t rows, int64_t cols, Task task) {
  if (rows * cols < kPhaseElements) return task(0, rows);
  queue.pool().split(rows, 1, [&](int64_t begin, int64_t end, int) { task(begin, end); });
}

// Runs task(row, begin, end) over pieces of rows, for operations that treat elements alone. A
// single long row is shared as well.
template <class Task>
inline void for_pieces(Queue& queue, int64_t rows, int64_t cols, Task task) {
  constexpr int64_t kPiece = 2048;
  const int64_t pieces = (cols + kPiece - 1) / kPiece;
  const auto run = [&](int64_t first, int64_t last) {
    for (int64_t i = first; i < last; ++i) {
      const int64_t begin = i % pieces * kPiece;
      task(i / pieces, begin, std::min(begin + kPiece, cols));
    }
  };
  if (rows * cols < kPhaseElements) return run(0, rows * pieces);
  queue.pool().split(rows * pieces, 1, [&](int64_t begin, int64_t end, int) { run(begin, end); });
}

// Terms of sums. Not lambdas: GCC compiles the function pointer that a lambda without captures
// turns into for the baseline.
struct Identity {
  F operator()(F v, F sum, int64_t) const { return add(v, sum); }
};
struct Square {
  F operator()(F v, F sum, int64_t) const { return fma(v, v, sum); }
};
struct SquaredDistance {
  F mean;
  // Lanes past the end hold 0, whose distance from the mean must not count.
  F operator()(F v, F sum, int64_t lanes) const {
    const F d = first(sub(v, mean), lanes);
    return fma(d, d, sum);
  }
};

// Σ f(x): four accumulators, because one would wait for its own latency.
template <class Term>
inline float sum_of(const float* x, int64_t count, Term term) {
  F sums[4] = {set(0), set(0), set(0), set(0)};
  int64_t i = 0;
  for (; i + 4 * kLanes <= count; i += 4 * kLanes) {
    OCTAVO_UNROLL
    for (int j = 0; j < 4; ++j) sums[j] = term(load(x + i + j * kLanes), sums[j], kLanes);
  }
  for_vectors(i, count, [&](int64_t at, int64_t lanes) {
    sums[0] = term(load_some(x + at, lanes), sums[0], lanes);
  });
  return reduce_add(add(add(sums[0], sums[1]), add(sums[2], sums[3])));
}

// The factor of element i.. of a norm: weight + offset, or 1 where there is no weight.
inline F norm_factor(Vec weight, float offset, int64_t i, int64_t count) {
  if (weight.empty()) return set(1.0f);
  return add(load_some(weight.data() + i, count), set(offset));
}

inline void rms_norm_row(const float* x, int64_t features, const Norm& norm, float* y) {
  const float squares = sum_of(x, features, Square{});
  const F scale = set(1 / std::sqrt(squares / static_cast<float>(features) + norm.eps));
  for_vectors(0, features, [&](int64_t i, int64_t count) {
    const F factor = norm_factor(norm.weight, norm.offset, i, count);
    store_some(y + i, mul(mul(load_some(x + i, count), scale), factor), count);
  });
}

void rms_norm(Queue& queue, const Norm& norm) noexcept {
  for_rows(queue, norm.x.rows(), norm.x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      rms_norm_row(norm.x.at(n), norm.x.cols(), norm, norm.y.at(n));
  });
}

inline void layer_norm_row(const float* x, int64_t features, const Norm& norm, float* y) {
  const float sum = sum_of(x, features, Identity{});
  const F mean = set(sum / static_cast<float>(features));
  const float squares = sum_of(x, features, SquaredDistance{mean});
  const F scale = set(1 / std::sqrt(squares / static_cast<float>(features) + norm.eps));
  for_vectors(0, features, [&](int64_t i, int64_t count) {
    const F factor = norm_factor(norm.weight, norm.offset, i, count);
    const F bias = norm.bias.empty() ? set(0.0f) : load_some(norm.bias.data() + i, count);
    const F normalised = mul(sub(load_some(x + i, count), mean), scale);
    store_some(y + i, fma(normalised, factor, bias), count);
  });
}

void layer_norm(Queue& queue, const Norm& norm) noexcept {
  for_rows(queue, norm.x.rows(), norm.x.cols(), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n)
      layer_norm_row(norm.x.at(n), norm.x.cols(), norm, norm.y.at(n));
  });
}

// The part of head h of weights that hold all heads; else all of them.
inline Vec head_part(Vec v, int64_t h, int64_t size) {
  return static_cast<int64_t>(v.size()) <= size ? v : v.subspan(h * size, size);
}

// Runs row(x, features, norm, y) on each head, with its part of weights that hold all heads.
template <class Row>
inline void norm_heads(Queue& queue, const HeadNorm& all, Row row) {
  const int64_t heads = all.x.extent[1], size = all.x.extent[2];
  for_rows(queue, all.x.extent[0], heads * size, [&](int64_t begin, int64_t end) {
    for (int64_t h = 0; h < heads; ++h) {
      const Norm norm{.x = {},
                      .weight = head_part(all.weight, h, size),
                      .bias = head_part(all.bias, h, size),
                      .eps = all.eps,
                      .offset = all.offset,
                      .y = {}};
      for (int64_t n = begin; n < end; ++n) row(all.x.at(n, h), size, norm);
    }
  });
}

struct RmsNormHead {
  void operator()(float* head, int64_t size, const Norm& norm) const {
    rms_norm_row(head, size, norm, head);
  }
};
struct LayerNormHead {
  void operator()(float* head, int64_t size, const Norm& norm) const {
    layer_norm_row(head, size, norm, head);
  }
};

void head_rms_norm(Queue& queue, const HeadNorm& norm) noexcept {
  norm_heads(queue, norm, RmsNormHead{});
}
void head_layer_norm(Queue& queue, const HeadNorm& norm) noexcept {
  norm_heads(queue, norm, LayerNormHead{});
}

inline void rotate_halves(float* head, const float* cos, const float* sin, int64_t half) {
  for_vectors(0, half, [&](int64_t i, int64_t count) {
    const F a = load_some(head + i, count), b = load_some(head + half + i, count);
    const F c = load_some(cos + i, count), s = load_some(sin + i, count);
    store_some(head + i, fma(a, c, negate(mul(b, s))), count);
    store_some(head + half + i, fma(b, c, mul(a, s)), count);
  });
}

inline void rotate_neighbours(float* head, const float* cos, const float* sin, int64_t half) {
  for_vectors(0, 2 * half, [&](int64_t i, int64_t count) {
    const F v = load_some(head + i, count);
    const F c = load_twice(cos + i / 2, count / 2), s = load_twice(sin + i / 2, count / 2);
    store_some(head + i, fma_subtract_add(v, c, mul(swap_neighbours(v), s)), count);
  });
}

void rope(Queue& queue, Heads x, ConstMat cos, ConstMat sin, RopePairs pairs) noexcept {
  const int64_t heads = x.extent[1], half = cos.cols();
  const auto rotate = pairs == RopePairs::half ? rotate_halves : rotate_neighbours;
  for_rows(queue, x.extent[0], heads * 2 * half, [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      for (int64_t h = 0; h < heads; ++h) rotate(x.at(n, h), cos.at(n), sin.at(n), half);
    }
  });
}

template <Act kAct>
inline void activate_as(Queue& queue, const Activation& a) {
  for_pieces(queue, a.y.rows(), a.y.cols(), [&](int64_t n, int64_t begin, int64_t end) {
    const float* gate = a.gate.at(n);
    const float* up = a.up.data == nullptr ? nullptr : a.up.at(n);
    float* y = a.y.at(n);
    for_vectors(begin, end, [&](int64_t i, int64_t count) {
      const F x = load_some(gate + i, count);
      F v = x;
      if constexpr (kAct == Act::xielu) {
        v = xielu(x, a.parameters.data());
      } else {
        v = activation<kAct>(x);
      }
      if (up != nullptr) v = mul(v, load_some(up + i, count));
      store_some(y + i, v, count);
    });
  });
}

void activate(Queue& queue, const Activation& a) noexcept {
  switch (a.act) {
    case Act::none:
      return activate_as<Act::none>(queue, a);
    case Act::silu:
      return activate_as<Act::silu>(queue, a);
    case Act::gelu:
      return activate_as<Act::gelu>(queue, a);
    case Act::gelu_tanh:
      return activate_as<Act::gelu_tanh>(queue, a);
    case Act::relu:
      return activate_as<Act::relu>(queue, a);
    case Act::relu2:
      return activate_as<Act::relu2>(queue, a);
    case Act::xielu:
      return activate_as<Act::xielu>(queue, a);
  }
}

void add_scaled(Queue& queue, ConstMat x, float scale, Mat y) noexcept {
  for_pieces(queue, y.rows(), y.cols(), [&](int64_t n, int64_t begin, int64_t end) {
    const float* from = x.at(n);
    float* to = y.at(n);
    for_vectors(begin, end, [&](int64_t i, int64_t count) {
      store_some(to + i, fma(set(scale), load_some(from + i, count), load_some(to + i, count)),
                 count);
    });
  });
}

void scale_rows(Queue& queue, Mat x, Vec factors) noexcept {
  for_pieces(queue, x.rows(), x.cols(), [&](int64_t n, int64_t begin, int64_t end) {
    float* row = x.at(n);
    const F factor = set(factors[n]);
    for_vectors(begin, end, [&](int64_t i, int64_t count) {
      store_some(row + i, mul(load_some(row + i, count), factor), count);
    });
  });
}

void clamp(Queue& queue, Mat x, float limit) noexcept {
  for_pieces(queue, x.rows(), x.cols(), [&](int64_t n, int64_t begin, int64_t end) {
    float* row = x.at(n);
    for_vectors(begin, end, [&](int64_t i, int64_t count) {
      const F v = load_some(row + i, count);
      store_some(row + i, min(set(limit), max(set(-limit), v)), count);
    });
  });
}

void scale_softcap(Queue& queue, Mat x, float scale, float cap) noexcept {
  for_pieces(queue, x.rows(), x.cols(), [&](int64_t n, int64_t begin, int64_t end) {
    float* row = x.at(n);
    for_vectors(begin, end, [&](int64_t i, int64_t count) {
      F v = mul(load_some(row + i, count), set(scale));
      if (cap > 0) v = mul(set(cap), tanh(div(v, set(cap))));
      store_some(row + i, v, count);
    });
  });
}
