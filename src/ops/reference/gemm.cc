#include "ops/reference/reference.h"

namespace octavo::reference {

void gemm(Queue& queue, const Gemm& g) noexcept {
  check_gemm(g);
  const bool atb = g.form == GemmForm::atb, abt = g.form == GemmForm::abt;
  const int64_t inner = atb ? g.a.rows() : g.a.cols();
  queue.pool().split(g.c.rows(), 1, [&](int64_t begin, int64_t end, int) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t j = g.part == GemmPart::upper ? i : 0; j < g.c.cols(); ++j) {
        double sum = 0;
        for (int64_t k = 0; k < inner; ++k)
          sum +=
              double{atb ? *g.a.at(k, i) : *g.a.at(i, k)} * (abt ? *g.b.at(j, k) : *g.b.at(k, j));
        float& c = *g.c.at(i, j);
        c = static_cast<float>(g.alpha * sum + (g.into == Into::add ? double{c} : 0.0));
      }
    }
  });
}

}  // namespace octavo::reference
