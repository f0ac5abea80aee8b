#include "quant/target_layout.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/half.h"
#include "base/json.h"
#include "base/log.h"
#include "io/quantization_section.h"
#include "octavo/error.h"

namespace octavo::quant {
namespace {

// Zeros at the middle, offsets at whole zeros, scales that the new type holds: what the header of
// the old file could not tell.
class Fit {
 public:
  Fit(const MatrixLayout& layout, const std::string& name) : layout_(layout), name_(name) {}

  void check_zeros(const QuantizedMatrix& matrix) const {
    const QuantFormat format = layout_.settings.format;
    const auto middle = static_cast<uint8_t>(1 << (layout_.settings.bits - 1));
    if (layout_.settings.symmetric &&
        !std::ranges::all_of(matrix.zeros, [=](uint8_t z) { return z == middle; }))
      throw Error("zero points in a symmetric checkpoint", name_,
                  "its settings are wrong: correct sym or zero_point");
    const int lowest = lowest_zero(format);
    if (!std::ranges::all_of(matrix.zeros, [=](uint8_t z) { return z >= lowest; }))
      throw Error("zero points of 0, which readers of " + to_string(format) + " misread", name_,
                  "use gptq-v2");
  }

  void check_scales(const QuantizedMatrix& matrix) const {
    if (layout_.scale_dtype != DType::f16 || matrix.scale_dtype == DType::f16) return;
    if (!std::ranges::all_of(matrix.scales, [](float s) { return to_float(to_float16(s)) == s; }))
      throw Error("scales that f16 does not hold", name_, "use compressed-tensors");
  }

 private:
  const MatrixLayout& layout_;
  const std::string& name_;
};

// Of a file that keeps offsets, rounded to f16: they must be those of whole zeros.
void check_offsets(const CodeRows& rows, const std::string& name) {
  for (size_t i = 0; i < rows.offsets.size(); ++i) {
    const float whole = -(rows.scales[i] * static_cast<float>(rows.zeros[i]));
    if (std::abs(rows.offsets[i] - whole) > std::abs(whole) * 0x1p-10f + 0x1p-24f)
      throw Error("offsets that are no whole zero points", name, "dequantize the model instead");
  }
}

QuantizedMatrix read_matrix(const PackedMatrix& packed, const std::string& name) {
  if (packed.layout().settings.format == QuantFormat::awq_gemv_fast) {
    CodeRows rows;
    packed.read(0, packed.layout().out, rows);
    check_offsets(rows, name);
  }
  return packed.read_all();
}

}  // namespace

TargetLayout::TargetLayout(const StoredMatrices& source, QuantFormat format)
    : source_(source), format_(format) {
  bool rounds = false;
  for (const auto& [name, matrix] : source.sources) {
    if (matrix.packed() == nullptr)
      throw Error("8-bit elements are no codes of " + to_string(format), name,
                  "dequantize the model and quantize it again");
    check_layout(layout_of(*matrix.packed()), name);
    rounds = rounds || (matrix.packed()->layout().settings.format == QuantFormat::awq_gemv_fast) !=
                           (format == QuantFormat::awq_gemv_fast);
  }
  if (rounds)
    log_line("awq-gemv-fast keeps zeros times scales, rounded to f16: weights differ by that");
}

MatrixLayout TargetLayout::layout_of(const PackedMatrix& matrix) const {
  MatrixLayout layout = matrix.layout();
  layout.settings.format = format_;
  layout.settings.act_order = !matrix.group_index().empty();
  const bool bf16_too = format_ >= QuantFormat::gptq && layout.scale_dtype == DType::bf16;
  if (!bf16_too) layout.scale_dtype = scale_dtype_in(format_, layout.scale_dtype);
  return layout;
}

ConversionStep TargetLayout::step(const std::string& name, const MatrixSource& matrix) const {
  const MatrixLayout layout = layout_of(*matrix.packed());
  std::vector<TensorPlan> tensors = layout_tensors(layout, name);
  return {.tensors = tensors,
          .run = [name, layout, tensors, &matrix](const ConversionStep::Write& write) {
            QuantizedMatrix values = read_matrix(*matrix.packed(), name);
            const Fit fit(layout, name);
            fit.check_zeros(values);
            fit.check_scales(values);
            values.scale_dtype = layout.scale_dtype;
            const auto planes = pack_layout(layout.settings.format, values);
            for (size_t i = 0; i < planes.size(); ++i) write(tensors[i].name, 0, planes[i]);
            matrix.drop();
          }};
}

Json TargetLayout::section() const {
  std::vector<SectionMatrix> matrices;
  for (const auto& [name, matrix] : source_.sources) {
    const QuantSettings settings = layout_of(*matrix.packed()).settings;
    matrices.push_back({.name = name, .settings = settings, .head = name == source_.head});
  }
  OCTAVO_CHECK(!matrices.empty());
  // What most have is the rule, the rest exceptions to it.
  const QuantSettings usual = most_common_settings(matrices);
  Recipe recipe{.method = Recipe::Method::rtn,
                .format = format_,
                .bits = usual.bits,
                .group_size = usual.group_size,
                .symmetric = usual.symmetric,
                .head = source_.sources.contains(source_.head),
                .desc_act = usual.act_order};
  for (const SectionMatrix& m : matrices) {
    const bool same = m.settings.bits == usual.bits && m.settings.symmetric == usual.symmetric &&
                      m.settings.group_size == usual.group_size;
    if (!same)
      recipe.rules.push_back({.pattern = quoted_pattern(m.name) + "$",
                              .bits = m.settings.bits,
                              .group_size = m.settings.group_size,
                              .symmetric = m.settings.symmetric});
  }
  // Readers look for a head of the kind "Linear" even where it is the embedding table.
  if (!source_.sources.contains(source_.head) && !source_.dense_linears.contains(source_.head))
    matrices.push_back({.name = source_.head, .dense = true, .head = true});
  for (const std::string& name : source_.dense_linears) {
    matrices.push_back({.name = name, .dense = true, .head = name == source_.head});
    if (name != source_.head)
      recipe.rules.insert(recipe.rules.begin(),
                          {.pattern = quoted_pattern(name) + "$", .skip = true});
  }
  return quantization_section(recipe, matrices);
}

}  // namespace octavo::quant
