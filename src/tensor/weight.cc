#include "tensor/weight.h"

#include <cstring>

#include "base/check.h"
#include "base/half.h"

namespace octavo {
namespace {

template <class T>
T load(std::span<const std::byte> bytes, int64_t index) {
  T value;
  std::memcpy(&value, bytes.data() + index * static_cast<int64_t>(sizeof(T)), sizeof(T));
  return value;
}

float load_float(std::span<const std::byte> bytes, DType type, int64_t index) {
  switch (type) {
    case DType::f32:
      return load<float>(bytes, index);
    case DType::bf16:
      return to_float(load<BFloat16>(bytes, index));
    case DType::f16:
      return to_float(load<Float16>(bytes, index));
    default:
      OCTAVO_CHECK(false);
  }
  return 0;
}

// Value k of a little-endian string of `bits`-wide codes.
int code_at(const std::byte* row, int64_t row_bytes, int bits, int64_t k) {
  const int64_t bit = k * bits;
  uint32_t word = std::to_integer<uint32_t>(row[bit / 8]);
  if (bit / 8 + 1 < row_bytes) word |= std::to_integer<uint32_t>(row[bit / 8 + 1]) << 8;
  return static_cast<int>(word >> (bit % 8) & ((1u << bits) - 1));
}

float block_element_at(const Weight& w, int64_t row, int64_t k) {
  const BlockTraits& t = traits(w.format.block);
  BlockParts parts;
  const int64_t block = row * (w.in / t.elements) + k / t.elements;
  split_block(w.format.block, w.data.data() + block * t.bytes, parts);
  const int at = static_cast<int>(k % t.elements), group = at / t.group;
  return block_element(t, parts.codes[at], parts.group_scale(t, group),
                       parts.group_minimum(t, group));
}

}  // namespace

std::string to_string(const Format& f) {
  if (f.scheme == Scheme::dense) {
    std::string text(name(f.dtype));
    for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
    return text;
  }
  if (f.scheme == Scheme::block) return std::string(traits(f.block).name);
  return "int" + std::to_string(f.bits) + " g" + std::to_string(f.group_size) +
         (f.ordered ? " act-order" : "");
}

Format block_format(BlockType type) {
  const BlockTraits& t = traits(type);
  return {.scheme = Scheme::block,
          .dtype = t.scale_dtype,
          .bits = t.bits,
          .group_size = t.group,
          .block = type};
}

PlaneBytes plane_bytes(const Format& f, int64_t out, int64_t in) {
  if (f.scheme == Scheme::block) {
    const BlockTraits& t = traits(f.block);
    return {.data = static_cast<size_t>(out * (in / t.elements) * t.bytes)};
  }
  if (f.scheme == Scheme::dense)
    return {.data = static_cast<size_t>(out * in * size_bytes(f.dtype))};
  const int64_t groups = out * groups_of(f, in);
  return {.data = static_cast<size_t>(out * ((in * f.bits + 7) / 8)),
          .scales = static_cast<size_t>(groups * size_bytes(f.dtype)),
          .zeros = static_cast<size_t>(groups)};
}

float element(const Weight& w, int64_t row, int64_t k) {
  OCTAVO_DCHECK(w.format.packing == Packing::rows && row < w.out && k < w.in);
  if (w.format.scheme == Scheme::dense) return load_float(w.data, w.format.dtype, row * w.in + k);
  if (w.format.scheme == Scheme::block) return block_element_at(w, row, k);
  const int64_t row_bytes = (w.in * w.format.bits + 7) / 8;
  const int64_t group = row * w.groups() + k / w.format.group_size;
  const int q = code_at(w.data.data() + row * row_bytes, row_bytes, w.format.bits, k);
  return static_cast<float>(q - std::to_integer<int>(w.zeros[group])) *
         load_float(w.scales, w.format.dtype, group);
}

float group_scale(const Weight& w, int64_t row, int64_t group) {
  return load_float(w.scales, w.format.dtype, row * w.groups() + group);
}

}  // namespace octavo
