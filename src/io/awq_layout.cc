#include "io/awq_layout.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "base/check.h"
#include "io/bit_string.h"
#include "io/group_planes.h"
#include "tensor/convert.h"

namespace octavo {
namespace {

// Byte j of word i becomes byte i of word j (Hacker's Delight, section 7-3, with bytes).
void transpose_bytes(std::array<uint64_t, 8>& m) {
  const auto exchange = [&m](size_t distance, int shift, uint64_t mask) {
    for (size_t i = 0; i < 8; ++i) {
      if ((i & distance) != 0) continue;
      const uint64_t moved = (m[i] >> shift ^ m[i + distance]) & mask;
      m[i] ^= moved << shift;
      m[i + distance] ^= moved;
    }
  };
  exchange(4, 32, 0x00000000FFFFFFFF);
  exchange(2, 16, 0x0000FFFF0000FFFF);
  exchange(1, 8, 0x00FF00FF00FF00FF);
}

void pack_interleaved(std::span<const uint8_t> values, std::span<uint32_t> words) {
  for (size_t c = 0; c < words.size(); ++c) {
    words[c] = 0;
    for (int i = 0; i < 8; ++i)
      words[c] |= uint32_t{values[c * 8 + static_cast<size_t>(kAwqOrder[i])]} << (4 * i);
  }
}

// What all three have in common.
class AwqMatrix : public PackedMatrix {
 protected:
  AwqMatrix(const Checkpoint& checkpoint, const std::string& name, const MatrixLayout& layout,
            int64_t granule)
      : PackedMatrix(checkpoint, name, layout, granule) {
    if (layout.in % layout.group() != 0) {
      fail("qweight",
           "groups of " + std::to_string(layout.group()) + " do not divide " +
               std::to_string(layout.in) + " inputs",
           "correct group_size in config.json");
    }
  }

  void need_multiple(int64_t extent, int64_t of, const char* what) const {
    if (extent % of == 0) return;
    fail("qweight",
         std::to_string(extent) + " " + what + " are no multiple of " + std::to_string(of) +
             ", as this version of AWQ needs",
         "config.json and weights do not belong together (version?)");
  }

  int64_t zero_words() const {
    const int64_t words = awq_zero_words(layout_);
    if (words == 0)
      fail("qzeros", "groups of " + std::to_string(layout_.group()) + " in this version of AWQ",
           "it has groups of 32, 64, 128 and more");
    return words;
  }
};

class AwqGemm final : public AwqMatrix {
 public:
  AwqGemm(const Checkpoint& checkpoint, const std::string& name, const MatrixLayout& layout)
      : AwqMatrix(checkpoint, name, layout, 8) {
    need_multiple(layout.out, 8, "outputs");
    qweight_ = &take("qweight", {layout.in, layout.out / 8}, {DType::i32});
    qzeros_ = &take("qzeros", {layout.groups(), layout.out / 8}, {DType::i32});
    scales_ = &take_scales("scales", {layout.groups(), layout.out},
                           {DType::f16, DType::bf16, DType::f32});
  }

 private:
  void read_granules(int64_t begin, int64_t end, CodeRows& rows) const override {
    const int64_t count = end - begin, in = layout_.in;
    const auto packed = strip<uint32_t>(*qweight_, 0, in, begin / 8, count / 8);
    turn(packed, in, count, rows.codes);
    const int64_t groups = layout_.groups();
    turn(strip<uint32_t>(*qzeros_, 0, groups, begin / 8, count / 8), groups, count, rows.zeros);
    rows.scales = group_floats(*scales_, begin, end);
  }

  // Words [width, outputs/8] to values [outputs, width], eight by eight.
  static void turn(std::span<const uint32_t> words, int64_t width, int64_t outputs,
                   std::vector<uint8_t>& values) {
    const int64_t columns = outputs / 8;
    std::array<uint64_t, 8> tile;
    for (int64_t k = 0; k < width; k += 8) {
      const int64_t count = std::min<int64_t>(8, width - k);
      for (int64_t c = 0; c < columns; ++c) {
        for (int64_t i = 0; i < 8; ++i)
          tile[static_cast<size_t>(i)] =
              i < count ? spread_nibbles(words[static_cast<size_t>((k + i) * columns + c)]) : 0;
        transpose_bytes(tile);
        for (int64_t i = 0; i < 8; ++i)
          std::memcpy(values.data() + (8 * c + kAwqOrder[i]) * width + k,
                      &tile[static_cast<size_t>(i)], static_cast<size_t>(count));
      }
    }
  }

  const TensorEntry *qweight_, *qzeros_, *scales_;
};

class AwqGemv final : public AwqMatrix {
 public:
  AwqGemv(const Checkpoint& checkpoint, const std::string& name, const MatrixLayout& layout)
      : AwqMatrix(checkpoint, name, layout, 1) {
    need_multiple(layout.in, 8, "inputs");
    const int64_t words = zero_words();
    qweight_ = &take("qweight", {layout.out, layout.in / 8}, {DType::i32});
    qzeros_ = &take("qzeros", {layout.out, words}, {DType::i32});
    scales_ =
        &take_scales("scales", {layout.out, 8 * words}, {DType::f16, DType::bf16, DType::f32});
  }

 private:
  void read_granules(int64_t begin, int64_t end, CodeRows& rows) const override {
    const int64_t count = end - begin, groups = layout_.groups();
    const int64_t words = qweight_->shape[1], zero_words = qzeros_->shape[1];
    unpack_string(strip<uint32_t>(*qweight_, begin, count, 0, words), 4, rows.codes);
    const auto zeros = strip<uint32_t>(*qzeros_, begin, count, 0, zero_words);
    const auto scales = row_floats(*scales_, begin, end);
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t g = 0; g < groups; ++g) {
        const auto at = static_cast<size_t>(r * groups + g);
        rows.zeros[at] = zeros[static_cast<size_t>(r * zero_words + g / 8)] >> (g % 8 * 4) & 15;
        rows.scales[at] = scales[static_cast<size_t>(r * 8 * zero_words + g)];
      }
    }
  }

  // Rows [begin, end) of a matrix of floats.
  std::vector<float> row_floats(const TensorEntry& entry, int64_t begin, int64_t end) const {
    const int64_t width = entry.shape[1], size = size_bytes(entry.dtype);
    std::vector<std::byte> raw(static_cast<size_t>((end - begin) * width * size));
    checkpoint_.read(entry, static_cast<uint64_t>(begin * width * size), raw);
    std::vector<float> values(static_cast<size_t>((end - begin) * width));
    to_floats(entry.dtype, raw, values);
    return values;
  }

  const TensorEntry *qweight_, *qzeros_, *scales_;
};

class AwqGemvFast final : public AwqMatrix {
 public:
  AwqGemvFast(const Checkpoint& checkpoint, const std::string& name, const MatrixLayout& layout)
      : AwqMatrix(checkpoint, name, layout, 4) {
    need_multiple(layout.in, 64, "inputs");
    need_multiple(layout.out, 4, "outputs");
    const std::vector<int64_t> groups{8 * zero_words(), layout.out};
    qweight_ = &take("qweight", {layout.out / 4, layout.in}, {DType::i16});
    scales_ = &take_scales("scales", groups, {DType::f16});
    // The name in llm-awq's own files.
    offsets_ =
        &take(find("scaled_zeros") != nullptr ? "scaled_zeros" : "qzeros", groups, {DType::f16});
  }

 private:
  void read_granules(int64_t begin, int64_t end, CodeRows& rows) const override {
    const int64_t in = layout_.in;
    const auto packed = strip<uint16_t>(*qweight_, begin / 4, (end - begin) / 4, 0, in);
    for (int64_t o = 0; o < end - begin; ++o) {
      const uint16_t* quad = packed.data() + o / 4 * in;
      uint8_t* const codes = rows.codes.data() + o * in;
      for (int64_t k = 0; k < in; ++k) {
        const auto [element, nibble] = awq_fast_place(o % 4, k);
        codes[k] = static_cast<uint8_t>(quad[element] >> (4 * nibble) & 15);
      }
    }
    rows.scales = group_floats(*scales_, begin, end);
    rows.offsets = group_floats(*offsets_, begin, end);
    for (size_t i = 0; i < rows.zeros.size(); ++i) {
      const float scale = rows.scales[i];
      const float zero = scale == 0 ? 0 : std::nearbyint(-rows.offsets[i] / scale);
      rows.zeros[i] = zero >= 0 && zero <= 15 ? static_cast<uint8_t>(zero) : zero > 15 ? 15 : 0;
    }
  }

  const TensorEntry *qweight_, *scales_, *offsets_;
};

std::vector<std::vector<std::byte>> pack_gemm(const MatrixLayout& layout,
                                              const QuantizedMatrix& matrix) {
  const int64_t out = layout.out;
  // Values [out, width] to words [width, out/8].
  const auto turn = [&](const std::vector<uint8_t>& values, int64_t width) {
    std::vector<uint32_t> words(static_cast<size_t>(width * out / 8));
    std::vector<uint8_t> row(static_cast<size_t>(out));
    for (int64_t k = 0; k < width; ++k) {
      for (int64_t o = 0; o < out; ++o)
        row[static_cast<size_t>(o)] = values[static_cast<size_t>(o * width + k)];
      pack_interleaved(row, std::span(words).subspan(static_cast<size_t>(k * out / 8),
                                                     static_cast<size_t>(out / 8)));
    }
    return to_bytes(words);
  };
  return {turn(matrix.codes, layout.in), turn(matrix.zeros, layout.groups()),
          scales_by_group(matrix, layout)};
}

std::vector<std::vector<std::byte>> pack_gemv(const MatrixLayout& layout,
                                              const QuantizedMatrix& matrix) {
  const int64_t out = layout.out, groups = layout.groups(), zero_words = awq_zero_words(layout);
  std::vector<uint32_t> qweight(static_cast<size_t>(out * layout.in / 8));
  pack_string(matrix.codes, 4, qweight);
  std::vector<uint32_t> qzeros(static_cast<size_t>(out * zero_words));
  std::vector<float> scales(static_cast<size_t>(out * 8 * zero_words));
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t g = 0; g < groups; ++g) {
      const auto from = static_cast<size_t>(o * groups + g);
      qzeros[static_cast<size_t>(o * zero_words + g / 8)] |= uint32_t{matrix.zeros[from]}
                                                             << (g % 8 * 4);
      scales[static_cast<size_t>(o * 8 * zero_words + g)] = matrix.scales[from];
    }
  }
  return {to_bytes(qweight), to_bytes(qzeros), scale_bytes(scales, layout)};
}

std::vector<std::vector<std::byte>> pack_gemv_fast(const MatrixLayout& layout,
                                                   const QuantizedMatrix& matrix) {
  const int64_t out = layout.out, in = layout.in;
  std::vector<uint16_t> qweight(static_cast<size_t>(out / 4 * in));
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t k = 0; k < in; ++k) {
      const auto [element, nibble] = awq_fast_place(o % 4, k);
      const int code = matrix.codes[static_cast<size_t>(o * in + k)];
      qweight[static_cast<size_t>(o / 4 * in + element)] |=
          static_cast<uint16_t>(code << 4 * nibble);
    }
  }
  QuantizedMatrix offsets{.out = out, .in = in, .group_size = matrix.group_size};
  offsets.scales.resize(matrix.scales.size());
  for (size_t i = 0; i < matrix.scales.size(); ++i)
    offsets.scales[i] = -(matrix.scales[i] * static_cast<float>(matrix.zeros[i]));
  const int64_t rows = 8 * awq_zero_words(layout);
  return {to_bytes(qweight), scales_by_group(offsets, layout, rows),
          scales_by_group(matrix, layout, rows)};
}

}  // namespace

int64_t awq_zero_words(const MatrixLayout& layout) {
  const int64_t group = layout.group();
  const int64_t multiple = group >= 128 ? 1 : group == 64 ? 2 : group == 32 ? 4 : 0;
  if (multiple == 0) return 0;
  const int64_t words = (layout.in / group + 7) / 8;
  return (words + multiple - 1) / multiple * multiple;
}

AwqFastPlace awq_fast_place(int64_t row, int64_t input) {
  // Of every 32 inputs the eights become the pairs (0 1 8 9 16 17 24 25 2 3 ...), and of every 8 of
  // those the even ones come first; then four rows take turns with 64 inputs each.
  const int64_t eight = input % 32 / 8, pair = input % 8 / 2, half = input % 2;
  const int64_t moved = input % 64 / 32 * 32 + pair * 8 + half * 4 + eight;
  const int64_t value = input / 64 * 256 + row * 64 + moved;
  return {.element = value / 4, .nibble = static_cast<int>(value % 4)};
}

std::vector<TensorPlan> awq_tensors(const MatrixLayout& layout, const std::string& matrix) {
  const int64_t out = layout.out, in = layout.in, groups = layout.groups();
  const std::string qweight = matrix + ".qweight", qzeros = matrix + ".qzeros",
                    scales = matrix + ".scales";
  if (layout.settings.format == QuantFormat::awq_gemm)
    return {{qweight, DType::i32, {in, out / 8}},
            {qzeros, DType::i32, {groups, out / 8}},
            {scales, DType::f16, {groups, out}}};
  const int64_t words = awq_zero_words(layout);
  if (layout.settings.format == QuantFormat::awq_gemv)
    return {{qweight, DType::i32, {out, in / 8}},
            {qzeros, DType::i32, {out, words}},
            {scales, DType::f16, {out, 8 * words}}};
  return {{qweight, DType::i16, {out / 4, in}},
          {qzeros, DType::f16, {8 * words, out}},
          {scales, DType::f16, {8 * words, out}}};
}

std::vector<std::vector<std::byte>> pack_awq(const MatrixLayout& layout,
                                             const QuantizedMatrix& matrix) {
  if (layout.settings.format == QuantFormat::awq_gemm) return pack_gemm(layout, matrix);
  if (layout.settings.format == QuantFormat::awq_gemv) return pack_gemv(layout, matrix);
  return pack_gemv_fast(layout, matrix);
}

std::shared_ptr<const PackedMatrix> open_awq_gemm(const Checkpoint& checkpoint,
                                                  const std::string& name,
                                                  const MatrixLayout& layout) {
  return std::make_shared<AwqGemm>(checkpoint, name, layout);
}

std::shared_ptr<const PackedMatrix> open_awq_gemv(const Checkpoint& checkpoint,
                                                  const std::string& name,
                                                  const MatrixLayout& layout) {
  return std::make_shared<AwqGemv>(checkpoint, name, layout);
}

std::shared_ptr<const PackedMatrix> open_awq_gemv_fast(const Checkpoint& checkpoint,
                                                       const std::string& name,
                                                       const MatrixLayout& layout) {
  return std::make_shared<AwqGemvFast>(checkpoint, name, layout);
}

}  // namespace octavo
