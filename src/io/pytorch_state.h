#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/pickle.h"
#include "tensor/dtype.h"

namespace octavo {

// What a pickle of torch.save may name.
std::span<const std::string_view> pytorch_globals();

// A tensor as a pickle describes it: a view into a storage. Counts are in elements; nothing is
// checked against the storage's bytes yet.
struct PytorchTensor {
  std::string name;
  DType dtype = DType::f32;
  std::string storage;        // its key
  int64_t storage_bytes = 0;  // as the pickle says
  int64_t offset = 0;
  std::vector<int64_t> shape, strides;
};

// The state dict within a pickled object. Throws Error naming `where` and the tensor.
std::vector<PytorchTensor> read_pytorch_state(const pickle::Document& document,
                                              const std::string& where);

// Key and byte count of each storage that the pickle refers to, in no order.
struct PytorchStorage {
  std::string key;
  DType dtype = DType::u8;  // u8: untyped
  int64_t elements = 0;
};
std::vector<PytorchStorage> pytorch_storages(const pickle::Document& document,
                                             const std::string& where);

}  // namespace octavo
