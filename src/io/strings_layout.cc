#include "io/strings_layout.h"

#include <algorithm>
#include <cstring>

#include "io/bit_string.h"
#include "io/group_planes.h"
#include "octavo/error.h"
#include "tensor/convert.h"

namespace octavo {
namespace {

int64_t string_words(int64_t values, int bits) { return (values * bits + 31) / 32; }
int64_t loose_words(int64_t values, int bits) { return (values + 32 / bits - 1) / (32 / bits); }

// Values of words that hold 32 div `bits` each.
void unpack_loose(std::span<const uint32_t> words, int bits, std::span<uint8_t> out) {
  const auto each = static_cast<size_t>(32 / bits);
  for (size_t i = 0; i < out.size(); ++i)
    out[i] = static_cast<uint8_t>(words[i / each] >> (i % each * static_cast<size_t>(bits)) &
                                  ((1u << bits) - 1));
}

class StringsMatrix final : public PackedMatrix {
 public:
  StringsMatrix(const Checkpoint& checkpoint, const std::string& name, const MatrixLayout& layout)
      : PackedMatrix(checkpoint, name, layout, 1) {
    const int64_t out = layout.out, in = layout.in, groups = layout.groups();
    const int bits = layout.settings.bits;
    const TensorEntry* found = find("weight_packed");
    loose_ = found != nullptr && found->shape != std::vector{out, string_words(in, bits)} &&
             found->shape == std::vector{out, loose_words(in, bits)};
    packed_ = &take("weight_packed", {out, loose_ ? loose_words(in, bits) : string_words(in, bits)},
                    {DType::i32});
    scales_ = &take_scales("weight_scale", {out, groups}, {DType::f32, DType::f16, DType::bf16});
    if (!layout.settings.symmetric) take_zeros();
    take_group_index("weight_g_idx");
    take_note("weight_shape");
  }

  bool read_strings(int64_t begin, int64_t end, std::byte* data, CodeRows& rows) const override {
    const int bits = layout_.settings.bits;
    if (loose_ || bits == 5 || bits == 6 || bits == 7 || !group_index().empty()) return false;
    const auto stored = static_cast<size_t>(packed_->shape[1] * 4);
    const auto kept = static_cast<size_t>((layout_.in * bits + 7) / 8);
    std::vector<std::byte> words(stored * static_cast<size_t>(end - begin));
    checkpoint_.read(*packed_, static_cast<uint64_t>(begin) * stored, words);
    for (int64_t r = 0; r < end - begin; ++r)
      std::memcpy(data + static_cast<size_t>(r) * kept,
                  words.data() + static_cast<size_t>(r) * stored, kept);
    resize_groups(end - begin, rows);
    read_groups(begin, end, rows);
    check_groups(rows);
    return true;
  }

 private:
  void take_zeros() {
    const int64_t out = layout_.out, groups = layout_.groups();
    const int bits = layout_.settings.bits;
    const TensorEntry& found = checkpoint_.get(name_ + ".weight_zero_point");
    if (found.dtype == DType::i8) {
      zeros_ = &take("weight_zero_point", {out, groups}, {DType::i8});
      return;
    }
    loose_zeros_ = found.shape != std::vector{string_words(out, bits), groups} &&
                   found.shape == std::vector{loose_words(out, bits), groups};
    zeros_ = &take("weight_zero_point",
                   {loose_zeros_ ? loose_words(out, bits) : string_words(out, bits), groups},
                   {DType::i32});
  }

  void read_granules(int64_t begin, int64_t end, CodeRows& rows) const override {
    const int64_t count = end - begin, in = layout_.in, words = packed_->shape[1];
    const int bits = layout_.settings.bits;
    const auto packed = strip<uint32_t>(*packed_, begin, count, 0, words);
    for (int64_t r = 0; r < count; ++r) {
      const auto row =
          std::span(packed).subspan(static_cast<size_t>(r * words), static_cast<size_t>(words));
      const auto codes =
          std::span(rows.codes).subspan(static_cast<size_t>(r * in), static_cast<size_t>(in));
      loose_ ? unpack_loose(row, bits, codes) : unpack_string(row, bits, codes);
    }
    read_groups(begin, end, rows);
  }

  void read_groups(int64_t begin, int64_t end, CodeRows& rows) const {
    const int64_t groups = layout_.groups(), size = size_bytes(scales_->dtype);
    std::vector<std::byte> raw(static_cast<size_t>((end - begin) * groups * size));
    checkpoint_.read(*scales_, static_cast<uint64_t>(begin * groups * size), raw);
    to_floats(scales_->dtype, raw, rows.scales);
    read_zeros(begin, end, rows.zeros);
  }

  void read_zeros(int64_t begin, int64_t end, std::vector<uint8_t>& zeros) const {
    const int64_t groups = layout_.groups();
    const int bits = layout_.settings.bits, middle = 1 << (bits - 1);
    if (zeros_ == nullptr) {
      std::ranges::fill(zeros, static_cast<uint8_t>(middle));
      return;
    }
    if (zeros_->dtype == DType::i8) {
      const auto stored = strip<int8_t>(*zeros_, begin, end - begin, 0, groups);
      for (size_t i = 0; i < stored.size(); ++i)
        zeros[i] = static_cast<uint8_t>((stored[i] + middle) & ((1 << bits) - 1));
      return;
    }
    // The words that hold outputs [begin, end).
    const int64_t each = 32 / bits;
    const int64_t first = loose_zeros_ ? begin / each : begin * bits / 32;
    const int64_t last = loose_zeros_ ? loose_words(end, bits) : string_words(end, bits);
    const auto words = strip<uint32_t>(*zeros_, first, last - first, 0, groups);
    for (int64_t r = begin; r < end; ++r) {
      const int64_t bit = loose_zeros_ ? r / each * 32 + r % each * bits : r * bits;
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t at = (bit / 32 - first) * groups + g;
        uint64_t pair = words[static_cast<size_t>(at)];
        if (bit % 32 + bits > 32) pair |= uint64_t{words[static_cast<size_t>(at + groups)]} << 32;
        zeros[static_cast<size_t>((r - begin) * groups + g)] =
            static_cast<uint8_t>(pair >> (bit % 32) & ((1u << bits) - 1));
      }
    }
  }

  const TensorEntry *packed_, *scales_, *zeros_ = nullptr;  // zeros null: symmetric
  bool loose_ = false, loose_zeros_ = false;
};

}  // namespace

std::vector<TensorPlan> strings_tensors(const MatrixLayout& layout, const std::string& matrix) {
  const QuantSettings& settings = layout.settings;
  const int64_t groups = layout.groups();
  std::vector<TensorPlan> plans{
      {matrix + ".weight_packed", DType::i32, {layout.out, string_words(layout.in, settings.bits)}},
      {matrix + ".weight_scale", layout.scale_dtype, {layout.out, groups}},
      {matrix + ".weight_shape", DType::i64, {2}}};
  if (!settings.symmetric)
    plans.push_back({matrix + ".weight_zero_point",
                     DType::i32,
                     {string_words(layout.out, settings.bits), groups}});
  if (settings.act_order) plans.push_back({matrix + ".weight_g_idx", DType::i32, {layout.in}});
  return plans;
}

std::vector<std::vector<std::byte>> pack_strings(const MatrixLayout& layout,
                                                 const QuantizedMatrix& matrix) {
  const int64_t out = layout.out, in = layout.in, groups = layout.groups();
  const int bits = layout.settings.bits;
  const int64_t words = string_words(in, bits), zero_words = string_words(out, bits);
  std::vector<uint32_t> packed(static_cast<size_t>(out * words));
  for (int64_t o = 0; o < out; ++o)
    pack_string(
        std::span(matrix.codes).subspan(static_cast<size_t>(o * in), static_cast<size_t>(in)), bits,
        std::span(packed).subspan(static_cast<size_t>(o * words), static_cast<size_t>(words)));
  std::vector<std::vector<std::byte>> tensors{to_bytes(packed), scale_bytes(matrix.scales, layout),
                                              to_bytes(std::vector<int64_t>{out, in})};
  if (!layout.settings.symmetric) {
    std::vector<uint32_t> zeros(static_cast<size_t>(zero_words * groups)),
        column(static_cast<size_t>(zero_words));
    std::vector<uint8_t> fields(static_cast<size_t>(out));
    for (int64_t g = 0; g < groups; ++g) {
      for (int64_t o = 0; o < out; ++o)
        fields[static_cast<size_t>(o)] = matrix.zeros[static_cast<size_t>(o * groups + g)];
      pack_string(fields, bits, column);
      for (int64_t w = 0; w < zero_words; ++w)
        zeros[static_cast<size_t>(w * groups + g)] = column[static_cast<size_t>(w)];
    }
    tensors.push_back(to_bytes(zeros));
  }
  if (layout.settings.act_order) tensors.push_back(group_index_bytes(matrix));
  return tensors;
}

std::shared_ptr<const PackedMatrix> open_strings(const Checkpoint& checkpoint,
                                                 const std::string& name,
                                                 const MatrixLayout& layout) {
  return std::make_shared<StringsMatrix>(checkpoint, name, layout);
}

}  // namespace octavo
