#include "ops/reference/reference.h"

namespace octavo::reference {
namespace {

void norm(Queue& queue, const PlaceHeads& p) {
  const auto run = [&](Heads x, Vec weight, Vec bias) {
    const HeadNorm each{
        .x = x, .weight = weight, .bias = bias, .eps = p.norms.eps, .offset = p.norms.offset};
    if (p.norms.kind == PlaceHeads::NormKind::rms) return head_rms_norm(queue, each);
    head_layer_norm(queue, each);
  };
  if (p.norms.kind == PlaceHeads::NormKind::none) return;
  run(p.q, p.norms.q_weight, p.norms.q_bias);
  run(p.k, p.norms.k_weight, p.norms.k_bias);
}

}  // namespace

void place_heads(Queue& queue, const PlaceHeads& p) noexcept {
  if (!p.norms.after_rope) norm(queue, p);
  if (p.cos.data != nullptr) {
    rope(queue, p.q, p.cos, p.sin, p.pairs);
    rope(queue, p.k, p.cos, p.sin, p.pairs);
  }
  if (p.norms.after_rope) norm(queue, p);
  for (int64_t h = 0; !p.query_factors.empty() && h < p.q.extent[1]; ++h) {
    const Mat head(p.q.at(0, h), {p.q.extent[0], p.q.extent[2]}, {p.q.stride[0], 1});
    scale_rows(queue, head, p.query_factors);
  }
  write_kv(queue, p.k, p.v, p.slots, p.kv);
}

}  // namespace octavo::reference
