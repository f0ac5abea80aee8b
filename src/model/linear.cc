#include "model/linear.h"

#include <array>

namespace octavo {

void linear(const Model& model, Queue& queue, const Tap* tap, int64_t layer, ConstMat x,
            std::initializer_list<Product> products) {
  std::array<Matmul, 4> calls;
  OCTAVO_CHECK(products.size() <= calls.size());
  size_t count = 0;
  for (const Product& product : products) {
    const Linear& w = model.linear(layer, product.role);
    if (tap != nullptr && tap->linear_input && !tap->linear_input(layer, product.role, x)) continue;
    calls[count++] = {.x = x,
                      .w = &w.weight,
                      .y = product.y,
                      .bias = w.bias,
                      .compute = model.compute_of(w.weight),
                      .into = product.into};
  }
  if (count > 0) model.ops.matmul(queue, {calls.data(), count});
}

}  // namespace octavo
