#include <cstring>

#include "base/check.h"
#include "ops/reference/reference.h"

namespace octavo::reference {
namespace {

// Planes are const in Weight because readers are many; pack is their one writer.
std::byte* writable(std::span<const std::byte> plane) {
  return const_cast<std::byte*>(plane.data());
}

double load_number(std::span<const std::byte> plane, DType type, int64_t index) {
  const std::byte* at = plane.data() + index * size_bytes(type);
  const auto read = [at](auto value) {
    std::memcpy(&value, at, sizeof(value));
    return value;
  };
  switch (type) {
    case DType::f64:
      return read(double{});
    case DType::f32:
      return read(float{});
    case DType::f16:
      return to_float(read(Float16{}));
    case DType::bf16:
      return to_float(read(BFloat16{}));
    default:
      OCTAVO_CHECK(false);
  }
  return 0;
}

void store_number(std::span<const std::byte> plane, DType type, int64_t index, double number) {
  std::byte* at = writable(plane) + index * size_bytes(type);
  const auto write = [at](auto value) { std::memcpy(at, &value, sizeof(value)); };
  const auto value = static_cast<float>(number);
  switch (type) {
    case DType::f32:
      return write(value);
    case DType::f16:
      return write(to_float16(value));
    case DType::bf16:
      return write(to_bfloat16(value));
    default:
      OCTAVO_CHECK(false);
  }
}

// The `from.size` numbers of a plane into `to` from element `begin` on.
struct Plane {
  std::span<const std::byte> bytes;
  DType type;
};
void convert(const Plane& from, const Plane& to, int64_t begin, int64_t count) {
  if (from.type == to.type) {
    const int64_t size = size_bytes(to.type);
    std::memcpy(writable(to.bytes) + begin * size, from.bytes.data(), count * size);
    return;
  }
  for (int64_t i = 0; i < count; ++i)
    store_number(to.bytes, to.type, begin + i, load_number(from.bytes, from.type, i));
}

}  // namespace

Format preferred(const Format& source, int64_t, int64_t, Compute compute) {
  Format format = source;
  format.packing = Packing::rows;
  if (format.dtype == DType::f64) format.dtype = DType::f32;
  if (format.scheme == Scheme::dense && format.dtype == DType::f32 && compute != Compute::f32)
    format.dtype = DType::bf16;
  return format;
}

void pack(const Weight& rows, int64_t first_row, const Weight& target) {
  const Format& f = target.format;
  OCTAVO_CHECK(rows.format.scheme == f.scheme && rows.format.bits == f.bits);
  OCTAVO_CHECK(rows.in == target.in && first_row + rows.out <= target.out);
  if (f.scheme == Scheme::block) {
    OCTAVO_CHECK(rows.format.block == f.block);
    const size_t begin = plane_bytes(f, first_row, rows.in).data;
    std::memcpy(writable(target.data) + begin, rows.data.data(), rows.data.size());
    return;
  }
  if (f.scheme == Scheme::dense) {
    convert({rows.data, rows.format.dtype}, {target.data, f.dtype}, first_row * rows.in,
            rows.out * rows.in);
    return;
  }
  OCTAVO_CHECK(rows.format.group_size == f.group_size);
  const int64_t row_bytes = (rows.in * f.bits + 7) / 8, groups = rows.groups();
  std::memcpy(writable(target.data) + first_row * row_bytes, rows.data.data(),
              rows.out * row_bytes);
  std::memcpy(writable(target.zeros) + first_row * groups, rows.zeros.data(), rows.out * groups);
  convert({rows.scales, rows.format.dtype}, {target.scales, f.dtype}, first_row * groups,
          rows.out * groups);
}

void unpack_row(const Weight& w, int64_t row, std::span<float> out) noexcept {
  if (w.format.scheme == Scheme::block) {
    const size_t row_bytes = plane_bytes(w.format, 1, w.in).data;
    return dequantize(w.format.block, w.data.data() + row * row_bytes, w.in, out.data());
  }
  for (int64_t k = 0; k < w.in; ++k) out[w.format.ordered ? w.order[k] : k] = element(w, row, k);
}

}  // namespace octavo::reference
