#include "quant/gptq.h"
#include "quant/rounding.h"
namespace octavo::quant {
GptqResult gptq(Queue& queue, const Ops&, const GptqInput& in, const GptqOptions& o) {
  GptqResult r;
  r.matrix = round_to_nearest(queue.pool(), in.weights, in.out, in.in, {.bits=o.bits,.group_size=o.group_size,.symmetric=o.symmetric,.scale_dtype=o.scale_dtype,.lowest_zero=o.lowest_zero});
  r.rounded = true;
  return r;
}
}
