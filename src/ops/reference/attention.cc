#include <algorithm>
#include <cmath>
#include <cstring>

#include "ops/kv_codes.h"
#include "ops/reference/reference.h"
#include "tensor/convert.h"

namespace octavo::reference {
namespace {

// The head_dim elements of a token and head in the keys or values of a layer. Behind the elements
// of a block's tokens stand, for int8, their scales: [kv heads, block tokens].
struct Element {
  std::byte* data;
  std::byte* scale;
};

Element element(const KvShape& s, std::byte* plane, int64_t slot, int64_t head) {
  const int64_t block = slot / s.block_tokens, token = slot % s.block_tokens;
  const int64_t row = head * s.block_tokens + token, row_bytes = s.head_dim * size_bytes(s.dtype);
  std::byte* const at = plane + block * s.block_bytes();
  return {at + row * row_bytes, at + s.kv_heads * s.block_tokens * row_bytes + row * 2};
}

void store(const KvShape& shape, const Element& to, std::span<const float> from) {
  BFloat16 scale{};
  if (shape.dtype == DType::i8) {
    scale = kv_scale(from);
    std::memcpy(to.scale, &scale, sizeof(scale));
  }
  const float inverse = kv_inverse(scale);
  for (int64_t i = 0; i < shape.head_dim; ++i) {
    const auto put = [&](auto value) {
      std::memcpy(to.data + i * static_cast<int64_t>(sizeof(value)), &value, sizeof(value));
    };
    switch (shape.dtype) {
      case DType::bf16:
        put(to_bfloat16(from[i]));
        break;
      case DType::i8:
        put(kv_code(from[i], inverse));
        break;
      case DType::f8_e4m3:
        put(to_float8_e4m3(from[i]));
        break;
      case DType::f8_e5m2:
        put(to_float8_e5m2(from[i]));
        break;
      default:
        put(from[i]);
    }
  }
}

template <class T>
T read(const std::byte* at, int64_t i) {
  T value;
  std::memcpy(&value, at + i * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

float load(const KvShape& shape, const Element& from, int64_t i) {
  switch (shape.dtype) {
    case DType::bf16:
      return to_float(read<BFloat16>(from.data, i));
    case DType::i8:
      return to_float(read<BFloat16>(from.scale, 0)) * read<int8_t>(from.data, i);
    case DType::f8_e4m3:
      return float8_e4m3(read<uint8_t>(from.data, i));
    case DType::f8_e5m2:
      return float8_e5m2(read<uint8_t>(from.data, i));
    default:
      return read<float>(from.data, i);
  }
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

// out = softmax(cap(scale · q · K + alibi)) · V, the head's sink, if any, among the scores but with
// no value. `scores` holds last - first + 1 numbers, `sums`
// head_dim.
void attend(const Attention& a, const Query& query, double* scores, double* sums) {
  const KvShape& shape = a.kv.shape;
  const int64_t kv_head = query.h / (a.q.extent[1] / shape.kv_heads);
  const float* q = a.q.at(query.n, query.h);
  const bool sinks = !a.sinks.empty();
  double best = sinks ? double{a.sinks[query.h]} : -INFINITY, total = 0;
  for (int64_t t = query.first; t <= query.last; ++t) {
    const Element key = element(shape, a.kv.k, slot_of(a, query.s, t), kv_head);
    double dot = 0;
    for (int64_t i = 0; i < shape.head_dim; ++i) dot += double{q[i]} * load(shape, key, i);
    const double score = dot * a.scale + alibi(a.alibi, query.h, query.last, t);
    scores[t - query.first] = a.softcap > 0 ? a.softcap * std::tanh(score / a.softcap) : score;
    best = std::max(best, scores[t - query.first]);
  }
  std::fill_n(sums, shape.head_dim, 0.0);
  if (sinks) total = std::exp(a.sinks[query.h] - best);
  for (int64_t t = query.first; t <= query.last; ++t) {
    const Element value = element(shape, a.kv.v, slot_of(a, query.s, t), kv_head);
    const double p = std::exp(scores[t - query.first] - best);
    total += p;
    for (int64_t i = 0; i < shape.head_dim; ++i) sums[i] += p * load(shape, value, i);
  }
  float* out = a.out.at(query.n, query.h);
  for (int64_t i = 0; i < shape.head_dim; ++i) out[i] = static_cast<float>(sums[i] / total);
}

}  // namespace

void write_kv(Queue&, ConstHeads k, ConstHeads v, std::span<const int32_t> slots,
              const KvLayer& kv) noexcept {
  for (size_t n = 0; n < slots.size(); ++n) {
    for (int64_t g = 0; g < kv.shape.kv_heads; ++g) {
      const auto size = static_cast<size_t>(kv.shape.head_dim);
      store(kv.shape, element(kv.shape, kv.k, slots[n], g), {k.at(n, g), size});
      store(kv.shape, element(kv.shape, kv.v, slots[n], g), {v.at(n, g), size});
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
