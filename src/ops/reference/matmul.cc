#include "ops/reference/reference.h"

namespace octavo::reference {
namespace {

// One output column: y[:, o] (+)= x · w[o] + bias[o], where `row` is w[o] as float.
void column(const Matmul& m, int64_t o, std::span<const float> row) {
  const bool round = m.compute != Compute::f32;
  for (int64_t n = 0; n < m.x.rows(); ++n) {
    const float* x = m.x.at(n);
    double sum = m.bias.empty() ? 0.0 : m.bias[o];
    for (int64_t k = 0; k < m.w->in; ++k)
      sum += double{round ? round_to_bf16(x[k]) : x[k]} * row[k];
    float& y = *m.y.at(n, o);
    y = static_cast<float>(m.into == Into::add ? y + sum : sum);
  }
}

}  // namespace

void matmul(Queue& queue, std::span<const Matmul> products) noexcept {
  for (const Matmul& m : products) {
    if (m.compute == Compute::int8 && m.w->format.scheme != Scheme::dense) {
      matmul_int8(queue, m);
      continue;
    }
    const int64_t in = m.w->in;
    queue.pool().split(m.w->out, 1, [&](int64_t begin, int64_t end, int worker) {
      auto* scratch = reinterpret_cast<float*>(queue.worker_scratch(worker, in * sizeof(float)));
      const std::span<float> row(scratch, in);
      for (int64_t o = begin; o < end; ++o) {
        unpack_row(*m.w, o, row);
        if (m.compute != Compute::f32) {
          for (float& v : row) v = round_to_bf16(v);
        }
        column(m, o, row);
      }
    });
  }
}

void embed(Queue&, const Weight& table, std::span<const int32_t> ids, float scale, Mat y) noexcept {
  for (size_t i = 0; i < ids.size(); ++i) {
    unpack_row(table, ids[i], y.row(i));
    for (float& v : y.row(i)) v *= scale;
  }
}

}  // namespace octavo::reference
