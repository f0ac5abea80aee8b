#include "cpu/self_check.h"

#include <cmath>
#include <cstring>

#include "base/half.h"
#include "cpu/cpu.h"

namespace octavo::cpu {
namespace {

constexpr int64_t kOutputs = 64, kInputs = 256;

// A matrix of some pattern in rows packing.
struct Sample {
  std::vector<std::byte> data, scales, zeros;
  Weight weight;

  explicit Sample(const Format& format) {
    const PlaneBytes bytes = plane_bytes(format, kOutputs, kInputs);
    data.resize(bytes.data);
    zeros.resize(bytes.zeros);
    scales.resize(bytes.scales);
    uint32_t state = 1;
    const auto next = [&state] { return (state = state * 1664525 + 1013904223) >> 16; };
    if (format.scheme == Scheme::dense) {
      for (size_t i = 0; i + 2 <= data.size(); i += 2) {
        const BFloat16 v = to_bfloat16(static_cast<float>(next() % 255) / 128 - 1);
        std::memcpy(data.data() + i, &v, 2);
      }
    } else {
      for (std::byte& b : data) b = static_cast<std::byte>(next());
      for (std::byte& b : zeros) b = static_cast<std::byte>(next() % (1u << format.bits));
      for (size_t i = 0; i + 2 <= scales.size(); i += 2) {
        const Float16 v = to_float16(static_cast<float>(1 + next() % 8) / 64);
        std::memcpy(scales.data() + i, &v, 2);
      }
    }
    weight = {.format = format,
              .out = kOutputs,
              .in = kInputs,
              .data = data,
              .scales = scales,
              .zeros = zeros,
              .order = {}};
  }
};

struct Way {
  Format format;
  Compute compute;
  const char* name;
};

std::vector<Way> ways() {
  const auto codes = [](int bits) {
    return Format{.scheme = Scheme::affine, .dtype = DType::f16, .bits = bits, .group_size = 128};
  };
  const Format bf16{.dtype = DType::bf16};
  return {{bf16, Compute::f32, "bf16 with float activations"},
          {bf16, Compute::bf16, "bf16 with bf16 activations"},
          {codes(4), Compute::f32, "int4 g128 with float activations"},
          {codes(4), Compute::bf16, "int4 g128 with bf16 activations"},
          {codes(4), Compute::int8, "int4 g128 with activations of 8 bits"},
          {codes(8), Compute::int8, "int8 g128 with activations of 8 bits"}};
}

std::vector<float> multiply(const Ops& table, Queue& queue, const Weight& w, Compute compute,
                            int64_t rows) {
  std::vector<float> x(rows * kInputs), y(rows * kOutputs);
  for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i * 37 % 101) / 50 - 1;
  const Matmul product{.x = {x.data(), {rows, kInputs}},
                       .w = &w,
                       .y = {y.data(), {rows, kOutputs}},
                       .bias = {},
                       .compute = compute};
  table.matmul(queue, {&product, 1});
  return y;
}

bool alike(std::span<const float> got, std::span<const float> wanted, Compute compute) {
  // Of the root mean square. Rounding both factors to bf16 leaves some 2^-8 of it; int8 has one
  // answer.
  const double share = compute == Compute::int8 ? 0 : compute == Compute::bf16 ? 0.05 : 1e-4;
  double squares = 0;
  for (float v : wanted) squares += double{v} * v;
  const double allowed = share * std::sqrt(squares / static_cast<double>(wanted.size()));
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (!(std::abs(double{got[i]} - wanted[i]) <= allowed)) return false;
  }
  return true;
}

Features without_strongest(Features f) {
  bool* const strongest = f.amx           ? &f.amx
                          : f.avx512_bf16 ? &f.avx512_bf16
                          : f.avx512_vnni ? &f.avx512_vnni
                          : f.avx512      ? &f.avx512
                                          : nullptr;
  if (strongest == nullptr) return {};  // the reference
  *strongest = false;
  return f;
}

}  // namespace

std::string wrong_product(const Ops& table) {
  ThreadPool pool(1);
  Queue queue(pool);
  const Ops plain = reference::ops();
  for (const Way& way : ways()) {
    const Sample sample(way.format);
    const Format own = table.preferred(way.format, kOutputs, kInputs, way.compute);
    const PlaneBytes bytes = table.planes(own, kOutputs, kInputs);
    HugeBuffer data(bytes.data), scales(bytes.scales + 1), zeros(bytes.zeros + 1);
    Weight packed = sample.weight;
    packed.format = own;
    packed.data = data.span();
    packed.scales = scales.span().first(bytes.scales);
    packed.zeros = zeros.span().first(bytes.zeros);
    table.pack(sample.weight, 0, packed);
    for (int64_t rows : {1, 7}) {
      const auto wanted = multiply(plain, queue, sample.weight, way.compute, rows);
      if (!alike(multiply(table, queue, packed, way.compute, rows), wanted, way.compute))
        return std::string(way.name) + ", " + std::to_string(rows) + " rows";
    }
  }
  return "";
}

CheckedOps checked_ops(const Features& features) {
  CheckedOps checked{.ops = ops(features), .refused = {}};
  for (Features left = features; checked.ops.name != "reference";) {
    const std::string wrong = wrong_product(checked.ops);
    if (wrong.empty()) break;
    checked.refused.push_back(std::string(checked.ops.name) + ": wrong product, " + wrong);
    left = without_strongest(left);
    checked.ops = ops(left);
  }
  return checked;
}

}  // namespace octavo::cpu
