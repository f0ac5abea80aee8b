#include "io/gptq_layout.h"

#include <algorithm>

#include "base/check.h"
#include "base/log.h"
#include "io/bit_string.h"
#include "io/group_planes.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr int64_t kGranule = 32;  // outputs: whole words of zeros at every width

void unpack(QuantFormat format, std::span<const uint32_t> words, int bits, std::span<uint8_t> out) {
  format == QuantFormat::gptq_planar ? unpack_planes(words, bits, out)
                                     : unpack_string(words, bits, out);
}

void pack(QuantFormat format, std::span<const uint8_t> values, int bits,
          std::span<uint32_t> words) {
  format == QuantFormat::gptq_planar ? pack_planes(values, bits, words)
                                     : pack_string(values, bits, words);
}

// One in every field of a word.
uint32_t ones(int bits) {
  uint32_t pattern = 0;
  for (int at = 0; at < 32; at += bits) pattern |= 1u << at;
  return pattern;
}

class GptqMatrix final : public PackedMatrix {
 public:
  GptqMatrix(const Checkpoint& checkpoint, const std::string& name, const MatrixLayout& layout,
             OnceLog& log)
      : PackedMatrix(checkpoint, name, layout, kGranule) {
    const int64_t bits = layout.settings.bits, groups = layout.groups();
    check_words(layout.in, "inputs");
    check_words(layout.out, "outputs");
    qweight_ = &take("qweight", {layout.in * bits / 32, layout.out}, {DType::i32});
    scales_ = &take_scales("scales", {groups, layout.out}, {DType::f16, DType::bf16, DType::f32});
    qzeros_ = &take("qzeros", {groups, layout.out * bits / 32}, {DType::i32});
    take_group_index("g_idx");
    less_one_ = layout.settings.format == QuantFormat::gptq && !holds_plain_zeros(log);
  }

 private:
  void check_words(int64_t extent, const char* of) const {
    const bool planes = layout_.settings.format == QuantFormat::gptq_planar;
    if (extent * layout_.settings.bits % 32 == 0 && (!planes || extent % 32 == 0)) return;
    fail("qweight",
         std::to_string(extent) + " " + of + " are no whole words of " +
             std::to_string(layout_.settings.bits) + "-bit codes",
         "config.json and weights do not belong together (bits?)");
  }

  // Some tools call their zeros v1 and store them as v2 does. Where they are symmetric that shows:
  // every field is 2^(bits-1), one more than v1 has.
  bool holds_plain_zeros(OnceLog& log) const {
    if (!layout_.settings.symmetric) return false;
    const int bits = layout_.settings.bits;
    const auto middle = static_cast<uint8_t>(1 << (bits - 1));
    const int64_t row_words = qzeros_->shape[1];
    for (int64_t g = 0; g < layout_.groups(); ++g) {
      const auto words = strip<uint32_t>(*qzeros_, g, 1, 0, row_words);
      std::vector<uint8_t> fields(static_cast<size_t>(layout_.out));
      unpack_string(words, bits, fields);
      if (!std::ranges::all_of(fields, [=](uint8_t v) { return v == middle; })) return false;
    }
    log.log_once(
        "zeros are stored as gptq_v2 does although checkpoint_format says gptq: read as v2");
    return true;
  }

  void read_granules(int64_t begin, int64_t end, CodeRows& rows) const override {
    const int bits = layout_.settings.bits;
    const int64_t count = end - begin, words = qweight_->shape[0];
    const auto packed = strip<uint32_t>(*qweight_, 0, words, begin, count);
    std::vector<uint32_t> column(static_cast<size_t>(words));
    for (int64_t o = 0; o < count; ++o) {
      for (int64_t w = 0; w < words; ++w)
        column[static_cast<size_t>(w)] = packed[static_cast<size_t>(w * count + o)];
      unpack(layout_.settings.format, column, bits,
             std::span(rows.codes)
                 .subspan(static_cast<size_t>(o * layout_.in), static_cast<size_t>(layout_.in)));
    }
    rows.scales = group_floats(*scales_, begin, end);
    read_zeros(begin, end, rows.zeros);
  }

  void read_zeros(int64_t begin, int64_t end, std::vector<uint8_t>& zeros) const {
    const int bits = layout_.settings.bits;
    const int64_t groups = layout_.groups(), count = end - begin;
    const int64_t from = begin * bits / 32, words = count * bits / 32;
    auto packed = strip<uint32_t>(*qzeros_, 0, groups, from, words);
    // GPTQModel takes one off whole words: a borrow from one field goes on into the next, and
    // adding to whole words takes it back. Words of 3-bit fields it treats field by field.
    const bool whole_words = less_one_ && bits != 3;
    if (whole_words) {
      for (uint32_t& word : packed) word += ones(bits);
    }
    std::vector<uint8_t> fields(static_cast<size_t>(count));
    for (int64_t g = 0; g < groups; ++g) {
      unpack(layout_.settings.format,
             std::span(packed).subspan(static_cast<size_t>(g * words), static_cast<size_t>(words)),
             bits, fields);
      for (int64_t o = 0; o < count; ++o) {
        uint8_t zero = fields[static_cast<size_t>(o)];
        if (less_one_ && !whole_words) zero = static_cast<uint8_t>((zero + 1) & ((1 << bits) - 1));
        zeros[static_cast<size_t>(o * groups + g)] = zero;
      }
    }
  }

  const TensorEntry *qweight_, *scales_, *qzeros_;
  bool less_one_;
};

}  // namespace

std::vector<TensorPlan> gptq_tensors(const MatrixLayout& layout, const std::string& matrix) {
  const int64_t bits = layout.settings.bits, groups = layout.groups();
  return {{matrix + ".qweight", DType::i32, {layout.in * bits / 32, layout.out}},
          {matrix + ".qzeros", DType::i32, {groups, layout.out * bits / 32}},
          {matrix + ".scales", layout.scale_dtype, {groups, layout.out}},
          {matrix + ".g_idx", DType::i32, {layout.in}}};
}

std::vector<std::vector<std::byte>> pack_gptq(const MatrixLayout& layout,
                                              const QuantizedMatrix& matrix) {
  const QuantFormat format = layout.settings.format;
  const int bits = layout.settings.bits, less = format == QuantFormat::gptq ? 1 : 0;
  const int64_t out = layout.out, in = layout.in, groups = layout.groups();
  const int64_t words = in * bits / 32, zero_words = out * bits / 32;
  std::vector<uint32_t> qweight(static_cast<size_t>(words * out)),
      column(static_cast<size_t>(words));
  for (int64_t o = 0; o < out; ++o) {
    pack(format,
         std::span(matrix.codes).subspan(static_cast<size_t>(o * in), static_cast<size_t>(in)),
         bits, column);
    for (int64_t w = 0; w < words; ++w)
      qweight[static_cast<size_t>(w * out + o)] = column[static_cast<size_t>(w)];
  }
  std::vector<uint32_t> qzeros(static_cast<size_t>(groups * zero_words));
  std::vector<uint8_t> fields(static_cast<size_t>(out));
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t o = 0; o < out; ++o) {
      const uint8_t zero = matrix.zeros[static_cast<size_t>(o * groups + g)];
      OCTAVO_CHECK(zero >= less);
      fields[static_cast<size_t>(o)] = static_cast<uint8_t>(zero - less);
    }
    pack(format, fields, bits,
         std::span(qzeros).subspan(static_cast<size_t>(g * zero_words),
                                   static_cast<size_t>(zero_words)));
  }
  return {to_bytes(qweight), to_bytes(qzeros), scales_by_group(matrix, layout),
          group_index_bytes(matrix)};
}

std::shared_ptr<const PackedMatrix> open_gptq(const Checkpoint& checkpoint, const std::string& name,
                                              const MatrixLayout& layout, OnceLog& log) {
  return std::make_shared<GptqMatrix>(checkpoint, name, layout, log);
}

}  // namespace octavo
