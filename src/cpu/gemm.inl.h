// Dense float products C (+)= alpha · op(A) · op(B) over the vectors of simd.h. Included inside a
// target region.
//
// Panels of kGemmRows rows of op(A) and of kGemmColumns columns of op(B) are copied so that a
// register tile of sums reads both front to back (Goto and van de Geijn, 2008):
//
//   A panels [m / rows][depth][rows]   B panels [n / columns][depth][columns]
//
// A tile adds the products of one block of kGemmDepth inputs from 0, in the order of k, one fused
// multiply-add each, and then joins C by one more. So an element's bits are a function of its row
// of op(A), its column of op(B) and of kGemmDepth, which all tables share; tile and item sizes and
// threads do not matter.

inline constexpr int64_t kGemmDepth = 512;
inline constexpr int kGemmVectors = 2;
inline constexpr int64_t kGemmColumns = kGemmVectors * kLanes;
// 24 sums of 32 registers, or 12 of 16: with operands as many as fit.
inline constexpr int kGemmRows = kLanes == 16 ? 12 : 6;
// One item of work: panels of A for the second-level cache, long enough to pay for its start.
inline constexpr int64_t kGemmItemRows = 96, kGemmItemColumns = 256;
// Columns whose panels are kept at a time: 4 MiB, for the last-level cache.
inline constexpr int64_t kGemmKeptColumns = 4096;

// op(A) by rows or op(B) by columns: `count` lines of k elements.
struct GemmLines {
  const float* data = nullptr;
  int64_t stride = 0, count = 0;
  bool neighbours = false;  // element k of line i lies at data[k · stride + i], else swapped
};

// Four lines, squares of them turned.
template <int64_t Width>
inline void pack_four(const float* from, int64_t stride, int64_t depth, float* to) {
  int64_t i = 0;
  for (; i + 4 <= depth; i += 4) turn_four(from + i, stride, to + i * Width, Width);
  for (; i < depth; ++i) {
    for (int64_t line = 0; line < 4; ++line) to[i * Width + line] = from[line * stride + i];
  }
}

// Lines [first, first + width) of inputs [k, k + depth) as one panel; lines past the end are 0.
template <int64_t Width>
inline void pack_lines(const GemmLines& lines, int64_t first, int64_t k, int64_t depth,
                       float* panel) {
  const int64_t count = std::min(Width, lines.count - first);
  if (count < Width) std::fill_n(panel, depth * Width, 0.0f);
  if (lines.neighbours) {
    const float* from = lines.data + k * lines.stride + first;
    for (int64_t i = 0; i < depth; ++i, from += lines.stride, panel += Width) {
      if (count == Width) {
        std::memcpy(panel, from, Width * sizeof(float));
      } else {
        std::memcpy(panel, from, static_cast<size_t>(count) * sizeof(float));
      }
    }
    return;
  }
  int64_t line = 0;
  for (; line + 4 <= count; line += 4) {
    const float* const from = lines.data + (first + line) * lines.stride + k;
    pack_four<Width>(from, lines.stride, depth, panel + line);
  }
  for (; line < count; ++line) {
    const float* const from = lines.data + (first + line) * lines.stride + k;
    for (int64_t i = 0; i < depth; ++i) panel[i * Width + line] = from[i];
  }
}

using GemmSums = F[kGemmRows][kGemmVectors];

inline void gemm_tile(const float* a, const float* b, int64_t depth, GemmSums& sums) {
  OCTAVO_UNROLL
  for (int r = 0; r < kGemmRows; ++r) {
    OCTAVO_UNROLL
    for (int v = 0; v < kGemmVectors; ++v) sums[r][v] = set(0);
  }
  for (int64_t i = 0; i < depth; ++i, a += kGemmRows, b += kGemmColumns) {
    F line[kGemmVectors];
    OCTAVO_UNROLL
    for (int v = 0; v < kGemmVectors; ++v) line[v] = load(b + v * kLanes);
    OCTAVO_UNROLL
    for (int r = 0; r < kGemmRows; ++r) {
      const F element = set(a[r]);
      OCTAVO_UNROLL
      for (int v = 0; v < kGemmVectors; ++v) sums[r][v] = fma(element, line[v], sums[r][v]);
    }
  }
}

// c (+)= alpha · sums for a whole tile.
template <bool Adds>
inline void join_rows(const GemmSums& sums, F alpha, float* c, int64_t stride) {
  OCTAVO_UNROLL
  for (int r = 0; r < kGemmRows; ++r) {
    OCTAVO_UNROLL
    for (int v = 0; v < kGemmVectors; ++v) {
      float* const to = c + r * stride + v * kLanes;
      if constexpr (Adds) {
        store(to, fma(alpha, sums[r][v], load(to)));
      } else {
        store(to, mul(alpha, sums[r][v]));
      }
    }
  }
}

inline void join_tile(const GemmSums& sums, float alpha, bool adds, float* c, int64_t stride) {
  if (adds) return join_rows<true>(sums, set(alpha), c, stride);
  join_rows<false>(sums, set(alpha), c, stride);
}

// One product, block by block.
class GemmWalk {
 public:
  GemmWalk(Queue& queue, const Gemm& g)
      : queue_(queue),
        g_(g),
        k_(g.form == GemmForm::atb ? g.a.rows() : g.a.cols()),
        rows_{g.a.data, g.a.stride[0], g.c.rows(), g.form == GemmForm::atb},
        columns_{g.b.data, g.b.stride[0], g.c.cols(), g.form != GemmForm::abt},
        row_panels_((rows_.count + kGemmRows - 1) / kGemmRows) {
    const int64_t kept = std::min(kGemmKeptColumns, padded(columns_.count, kGemmColumns));
    const int64_t a_floats = padded(row_panels_ * kGemmRows * kGemmDepth, 16);
    a_ = reinterpret_cast<float*>(
        queue.scratch(static_cast<size_t>(a_floats + kept * kGemmDepth) * sizeof(float)));
    b_ = a_ + a_floats;
  }

  void run() {
    for (int64_t k = 0; k < k_; k += kGemmDepth) {
      depth_ = std::min(kGemmDepth, k_ - k);
      adds_ = g_.into == Into::add || k > 0;
      for (int64_t column = 0; column < columns_.count; column += kGemmKeptColumns)
        run_kept(k, column, std::min(kGemmKeptColumns, columns_.count - column));
    }
  }

 private:
  static int64_t padded(int64_t count, int64_t grain) {
    return (count + grain - 1) / grain * grain;
  }
  bool below(int64_t row, int64_t last_column) const {
    return g_.part == GemmPart::upper && last_column < row;
  }

  void run_kept(int64_t k, int64_t column, int64_t columns) {
    // Rows below the last column have no element above the diagonal.
    const int64_t b_panels = (columns + kGemmColumns - 1) / kGemmColumns;
    const int64_t a_panels = column == 0 ? row_panels_ : 0;
    queue_.pool().split(a_panels + b_panels, 4, [&](int64_t begin, int64_t end, int) {
      for (int64_t i = begin; i < end; ++i) {
        if (i < a_panels) {
          pack_lines<kGemmRows>(rows_, i * kGemmRows, k, depth_, a_ + i * kGemmRows * depth_);
        } else {
          const int64_t panel = (i - a_panels) * kGemmColumns;
          pack_lines<kGemmColumns>(columns_, column + panel, k, depth_, b_ + panel * depth_);
        }
      }
    });
    const int64_t across = (columns + kGemmItemColumns - 1) / kGemmItemColumns;
    const int64_t down = (rows_.count + kGemmItemRows - 1) / kGemmItemRows;
    queue_.pool().each(across * down, [&](int64_t item, int) {
      const int64_t first = item % across * kGemmItemColumns;
      run_item(item / across * kGemmItemRows, column, first,
               std::min(first + kGemmItemColumns, columns));
    });
  }

  // Rows from `row`, columns [begin, end) of the kept ones, which start at `column`.
  void run_item(int64_t row, int64_t column, int64_t begin, int64_t end) {
    const int64_t last_row = std::min(row + kGemmItemRows, rows_.count);
    for (int64_t i = row; i < last_row; i += kGemmRows) {
      for (int64_t j = begin; j < end; j += kGemmColumns) {
        if (!below(i, column + j + kGemmColumns - 1))
          run_tile(i, column + j, a_ + i * depth_, b_ + j * depth_);
      }
    }
  }

  void run_tile(int64_t row, int64_t column, const float* a, const float* b) {
    float* const c = g_.c.data + row * g_.c.stride[0] + column;
    const bool whole = row + kGemmRows <= rows_.count && column + kGemmColumns <= columns_.count &&
                       !below(row + kGemmRows - 1, column);
    // Each line of a tile of C is a miss: asked for now, it is there when the sums are.
    for (int r = 0; whole && adds_ && r < kGemmRows; ++r) {
      for (int i = 0; i < kGemmColumns; i += 16) __builtin_prefetch(c + r * g_.c.stride[0] + i, 1);
    }
    GemmSums sums;
    gemm_tile(a, b, depth_, sums);
    if (whole) return join_tile(sums, g_.alpha, adds_, c, g_.c.stride[0]);
    join_edge(row, column, sums);
  }

  // By way of a copy of the tile, for the elements that C has.
  void join_edge(int64_t row, int64_t column, const GemmSums& sums) {
    alignas(64) float copy[kGemmRows * kGemmColumns] = {};
    if (adds_) copy_edge<false>(row, column, copy);
    join_tile(sums, g_.alpha, adds_, copy, kGemmColumns);
    copy_edge<true>(row, column, copy);
  }

  template <bool ToC>
  void copy_edge(int64_t row, int64_t column, float* copy) {
    const int64_t rows = std::min<int64_t>(kGemmRows, rows_.count - row);
    const int64_t end = std::min(kGemmColumns, columns_.count - column);
    for (int64_t r = 0; r < rows; ++r) {
      float* const c = g_.c.data + (row + r) * g_.c.stride[0] + column;
      float* const kept = copy + r * kGemmColumns;
      for (int64_t i = below(row + r, column) ? row + r - column : 0; i < end; ++i) {
        if constexpr (ToC) {
          c[i] = kept[i];
        } else {
          kept[i] = c[i];
        }
      }
    }
  }

  Queue& queue_;
  const Gemm& g_;
  int64_t k_, depth_ = 0;
  bool adds_ = false;
  GemmLines rows_, columns_;
  int64_t row_panels_;
  float *a_ = nullptr, *b_ = nullptr;
};

void gemm(Queue& queue, const Gemm& g) noexcept {
  reference::check_gemm(g);
  if (g.c.rows() == 0 || g.c.cols() == 0) return;
  if (g.form == GemmForm::atb ? g.a.rows() == 0 : g.a.cols() == 0) return reference::gemm(queue, g);
  GemmWalk(queue, g).run();
}
