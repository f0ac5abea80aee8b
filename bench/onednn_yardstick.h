#pragma once

#include <cstdint>
#include <memory>

#include "tensor/dtype.h"

// The same product by oneDNN, weights in the layout that it prefers: a yardstick, linked only into
// benchmarks and only where the library is there.
class OnednnProduct {
 public:
  // REQUIRES nothing: not ready() unless `wanted`, the library is there and the type is f32 or
  // bf16.
  OnednnProduct(bool wanted, octavo::DType dtype, int64_t rows, int64_t out, int64_t in);
  ~OnednnProduct();

  bool ready() const { return state_ != nullptr; }
  void run();

 private:
  struct State;
  std::unique_ptr<State> state_;
};
