#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include "base/half.h"
#include "base/memory.h"
#include "tensor/weight.h"

// Matrices for the tests and the benchmark of this folder.
namespace octavo::cpu {

// A Weight with its planes, zeroed.
struct OwnedWeight {
  HugeBuffer data, scales, zeros;
  std::vector<int32_t> order;
  Weight weight;

  OwnedWeight(const Format& format, int64_t out, int64_t in, const PlaneBytes& bytes)
      : data(bytes.data), scales(bytes.scales), zeros(bytes.zeros) {
    weight = {.format = format,
              .out = out,
              .in = in,
              .data = data.span(),
              .scales = scales.span(),
              .zeros = zeros.span(),
              .order = {}};
  }
};

inline void store_element(HugeBuffer& plane, DType type, int64_t index, float value) {
  const auto put = [&](auto v) {
    std::memcpy(plane.data() + index * static_cast<int64_t>(sizeof(v)), &v, sizeof(v));
  };
  if (type == DType::f32) return put(value);
  if (type == DType::bf16) return put(to_bfloat16(value));
  put(to_float16(value));
}

// A matrix in `rows` packing: normal elements, or random codes, zero points and scales, and a
// random order where the format has one.
inline OwnedWeight random_weight(const Format& format, int64_t out, int64_t in, uint32_t seed) {
  OwnedWeight w(format, out, in, plane_bytes(format, out, in));
  std::minstd_rand random(seed);
  if (format.scheme == Scheme::dense) {
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < out * in; ++i)
      store_element(w.data, format.dtype, i, normal(random) / 8);
    return w;
  }
  for (std::byte& b : w.data.span()) b = static_cast<std::byte>(random() >> 8);
  if (format.scheme == Scheme::block) return w;
  for (std::byte& b : w.zeros.span())
    b = static_cast<std::byte>((random() >> 8) % (1u << format.bits));
  std::uniform_real_distribution<float> scale(0.001f, 0.02f);
  for (int64_t i = 0; i < out * (in / format.group_size); ++i)
    store_element(w.scales, format.dtype, i, scale(random));
  if (format.ordered) {
    w.order.resize(in);
    std::iota(w.order.begin(), w.order.end(), 0);
    std::shuffle(w.order.begin(), w.order.end(), random);
    w.weight.order = w.order;
  }
  return w;
}

}  // namespace octavo::cpu
