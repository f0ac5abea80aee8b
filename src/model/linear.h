#pragma once

#include <initializer_list>

#include "model/forward.h"
#include "model/model.h"

namespace octavo {

// One product of a call: y (+)= w(role) · x + bias.
struct Product {
  Role role;
  Mat y;
  Into into = Into::overwrite;
};

// The one hook: every weight multiplication of the walk. Products of a call share x and may run as
// one phase. Quantized formats, adapters, tensor-parallel sums and calibration taps live behind it.
void linear(const Model& model, Queue& queue, const Tap* tap, int64_t layer, ConstMat x,
            std::initializer_list<Product> products);

}  // namespace octavo
