#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/reference/reference.h"

namespace octavo::reference {
namespace {

// Element offset of (slot, kv head) in the keys or values of a layer.
int64_t head_offset(const KvShape& s, int64_t slot, int64_t head) {
  const int64_t block = slot / s.block_tokens, token = slot % s.block_tokens;
  return ((block * s.kv_heads + head) * s.block_tokens + token) * s.head_dim;
}

void store(const KvShape& shape, std::byte* plane, int64_t index, float value) {
  if (shape.dtype == DType::bf16) {
    const BFloat16 half = to_bfloat16(value);
    std::memcpy(plane + index * 2, &half, 2);
  } else {
    std::memcpy(plane + index * 4, &value, 4);
  }
}

float load(const KvShape& shape, const std::byte* plane, int64_t index) {
  if (shape.dtype == DType::bf16) {
    BFloat16 half;
    std::memcpy(&half, plane + index * 2, 2);
    return to_float(half);
  }
  float value;
  std::memcpy(&value, plane + index * 4, 4);
  return value;
}

// One query: tokens [first, last] of sequence s, seen by query head h of row n.
struct Query {
  int64_t s, n, h, first, last;
};

int64_t slot_of(const Attention& a, int64_t s, int64_t token) {
  const int64_t block_tokens = a.kv.shape.block_tokens;
  return *a.block_table.at(s, token / block_tokens) * block_tokens + token % block_tokens;
}

// What is added to the score of query head h, a token at `query`, with the key of token t.
double alibi(const Alibi& a, int64_t h, int64_t query, int64_t t) {
  if (a.slopes.empty()) return 0;
  if (a.bf16) return a.scale * round_to_bf16(round_to_bf16(a.slopes[h]) * static_cast<float>(t));
  return double{a.scale} * a.slopes[h] * static_cast<double>(t - query);
}

// out = softmax(cap(scale · q · K + alibi)) · V. `scores` holds last - first + 1 numbers, `sums`
// head_dim.
void attend(const Attention& a, const Query& query, double* scores, double* sums) {
  const KvShape& shape = a.kv.shape;
  const int64_t kv_head = query.h / (a.q.extent[1] / shape.kv_heads);
  const float* q = a.q.at(query.n, query.h);
  double best = -INFINITY, total = 0;
  for (int64_t t = query.first; t <= query.last; ++t) {
    const int64_t key = head_offset(shape, slot_of(a, query.s, t), kv_head);
    double dot = 0;
    for (int64_t i = 0; i < shape.head_dim; ++i) dot += double{q[i]} * load(shape, a.kv.k, key + i);
    const double score = dot * a.scale + alibi(a.alibi, query.h, query.last, t);
    scores[t - query.first] = a.softcap > 0 ? a.softcap * std::tanh(score / a.softcap) : score;
    best = std::max(best, scores[t - query.first]);
  }
  std::fill_n(sums, shape.head_dim, 0.0);
  for (int64_t t = query.first; t <= query.last; ++t) {
    const int64_t value = head_offset(shape, slot_of(a, query.s, t), kv_head);
    const double p = std::exp(scores[t - query.first] - best);
    total += p;
    for (int64_t i = 0; i < shape.head_dim; ++i) sums[i] += p * load(shape, a.kv.v, value + i);
  }
  float* out = a.out.at(query.n, query.h);
  for (int64_t i = 0; i < shape.head_dim; ++i) out[i] = static_cast<float>(sums[i] / total);
}

}  // namespace

void write_kv(Queue&, ConstHeads k, ConstHeads v, std::span<const int32_t> slots,
              const KvLayer& kv) noexcept {
  for (size_t n = 0; n < slots.size(); ++n) {
    for (int64_t g = 0; g < kv.shape.kv_heads; ++g) {
      const int64_t base = head_offset(kv.shape, slots[n], g);
      for (int64_t i = 0; i < kv.shape.head_dim; ++i) {
        store(kv.shape, kv.k, base + i, k.at(n, g)[i]);
        store(kv.shape, kv.v, base + i, v.at(n, g)[i]);
      }
    }
  }
}

bool attends(const KvShape&) noexcept { return true; }

void attention(Queue& queue, const Attention& a) noexcept {
  const int64_t heads = a.q.extent[1];
  for (size_t s = 0; s + 1 < a.row_begin.size(); ++s) {
    const int64_t begin = a.row_begin[s], rows = a.row_begin[s + 1] - begin;
    const int64_t tokens = a.kv_tokens[s];
    queue.pool().each(rows * heads, [&](int64_t item, int worker) {
      const int64_t row = item / heads, last = tokens - rows + row;
      const int64_t first = a.window > 0 ? std::max<int64_t>(0, last - a.window + 1) : 0;
      const size_t bytes = (tokens + a.kv.shape.head_dim) * sizeof(double);
      auto* scratch = reinterpret_cast<double*>(queue.worker_scratch(worker, bytes));
      attend(a,
             {.s = static_cast<int64_t>(s),
              .n = begin + row,
              .h = item % heads,
              .first = first,
              .last = last},
             scratch, scratch + tokens);
    });
  }
}

}  // namespace octavo::reference
