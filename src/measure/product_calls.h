#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"

namespace octavo::measure {

// Products of one call of the walk: they share their input.
struct ProductCall {
  int64_t layer = 0;  // -1: the head
  std::string name;   // "q+k+v"
  std::vector<const Weight*> weights;

  int64_t in() const { return weights.front()->in; }
  int64_t out() const;
  size_t bytes() const;
  std::string format() const;     // "int4 g128"
  std::string signature() const;  // equal where shapes and formats are
};

// The calls of a whole step, in order.
std::vector<ProductCall> product_calls(const Model& model);

// Bytes of weights that a step with logits reads.
size_t step_weight_bytes(const Model& model);
// Operations of the products of one row without the head.
double row_operations(const Model& model);
// Bytes of keys and values that a step reads for one sequence of `tokens`.
double kv_read_bytes(const Model& model, int64_t tokens);

}  // namespace octavo::measure
