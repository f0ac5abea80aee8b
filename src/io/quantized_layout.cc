#include "io/quantized_layout.h"

#include "base/check.h"
#include "io/awq_layout.h"
#include "io/gptq_layout.h"
#include "io/marlin_layout.h"
#include "io/strings_layout.h"
#include "octavo/error.h"

namespace octavo {
namespace {

// How the tensors of a format are laid out and packed.
struct Writer {
  std::vector<TensorPlan> (*tensors)(const MatrixLayout&, const std::string&);
  std::vector<std::vector<std::byte>> (*pack)(const MatrixLayout&, const QuantizedMatrix&);
};

Writer writer_of(QuantFormat format) {
  switch (format) {
    case QuantFormat::compressed_tensors:
      return {strings_tensors, pack_strings};
    case QuantFormat::awq_gemm:
    case QuantFormat::awq_gemv:
    case QuantFormat::awq_gemv_fast:
      return {awq_tensors, pack_awq};
    case QuantFormat::awq_marlin:
      return {marlin_tensors, pack_marlin};
    case QuantFormat::gptq:
    case QuantFormat::gptq_v2:
    case QuantFormat::gptq_planar:
      return {gptq_tensors, pack_gptq};
  }
  OCTAVO_CHECK(false);
  return {};
}

// Why a matrix does not fit a layout, with what would; empty where it fits.
struct Reason {
  std::string what, mend;
};

std::string shape_of(const MatrixLayout& layout) {
  return "[" + std::to_string(layout.out) + ", " + std::to_string(layout.in) + "]";
}

Reason check_awq(const MatrixLayout& layout) {
  const QuantFormat format = layout.settings.format;
  const std::string name = to_string(format), group = std::to_string(layout.group());
  if (layout.settings.bits != 4)
    return {std::to_string(layout.settings.bits) + " bits in " + name,
            "it holds 4; gptq-v2 and compressed-tensors hold others"};
  if (layout.scale_dtype != DType::f16)
    return {"scales of " + std::string(octavo::name(layout.scale_dtype)) + " in " + name,
            "it has f16; use compressed-tensors"};
  if (layout.settings.act_order)
    return {"act-order in " + name, "use static groups, or gptq or compressed-tensors"};
  if (layout.in % layout.group() != 0)
    return {"groups of " + group + " do not divide " + std::to_string(layout.in) + " inputs",
            "use 32, 64 or 128"};
  const bool marlin = format == QuantFormat::awq_marlin,
             fast = format == QuantFormat::awq_gemv_fast;
  const int64_t outs = marlin ? 64 : 8;
  const int64_t ins = marlin ? 16 : fast ? 64 : format == QuantFormat::awq_gemv ? 8 : 1;
  if (layout.out % outs != 0 || layout.in % ins != 0)
    return {shape_of(layout) + " is no multiple of [" + std::to_string(outs) + ", " +
                std::to_string(ins) + "] as " + name + " needs",
            "leave the matrix dense (--modules-to-not-convert) or use compressed-tensors"};
  if (marlin && !layout.settings.symmetric)
    return {"zero points in " + name, "make it symmetric (--sym) or use awq-gemm"};
  if ((fast || format == QuantFormat::awq_gemv) && awq_zero_words(layout) == 0)
    return {"groups of " + group + " in " + name, "it has groups of 32, 64, 128 and more"};
  return {};
}

Reason check_gptq(const MatrixLayout& layout) {
  const int bits = layout.settings.bits;
  const bool planes = layout.settings.format == QuantFormat::gptq_planar;
  if (!planes && bits != 2 && bits != 3 && bits != 4 && bits != 8)
    return {std::to_string(bits) + " bits in " + to_string(layout.settings.format),
            "it holds 2, 3, 4 or 8; gptq-planar holds 2 to 8"};
  if (layout.scale_dtype == DType::f32)
    return {"scales of F32 in " + to_string(layout.settings.format),
            "it has f16 or bf16; use compressed-tensors"};
  const int64_t multiple = planes || bits == 3 ? 32 : 32 / bits;
  if (layout.out % multiple != 0 || layout.in % multiple != 0)
    return {shape_of(layout) + " is no multiple of " + std::to_string(multiple) + " as " +
                to_string(layout.settings.format) + " in " + std::to_string(bits) + " bits needs",
            "leave the matrix dense (--modules-to-not-convert) or use compressed-tensors"};
  return {};
}

}  // namespace

std::string to_string(QuantFormat format) {
  switch (format) {
    case QuantFormat::compressed_tensors:
      return "compressed-tensors";
    case QuantFormat::awq_gemm:
      return "awq-gemm";
    case QuantFormat::awq_gemv:
      return "awq-gemv";
    case QuantFormat::awq_gemv_fast:
      return "awq-gemv-fast";
    case QuantFormat::awq_marlin:
      return "awq-marlin";
    case QuantFormat::gptq:
      return "gptq";
    case QuantFormat::gptq_v2:
      return "gptq-v2";
    case QuantFormat::gptq_planar:
      return "gptq-planar";
  }
  return "";
}

DType scale_dtype_in(QuantFormat format, DType source) {
  if (format != QuantFormat::compressed_tensors) return DType::f16;
  const bool keeps = source == DType::f16 || source == DType::bf16 || source == DType::f32;
  return keeps ? source : DType::f32;
}

void check_layout(const MatrixLayout& layout, const std::string& matrix) {
  const QuantSettings& settings = layout.settings;
  Reason reason;
  if (settings.bits < 2 || settings.bits > 8) {
    reason = {std::to_string(settings.bits) + " bits", "use 2 to 8"};
  } else if (settings.format == QuantFormat::compressed_tensors) {
    return;
  } else {
    const bool gptq = settings.format >= QuantFormat::gptq;
    reason = gptq ? check_gptq(layout) : check_awq(layout);
  }
  if (!reason.what.empty()) throw Error(reason.what, matrix, reason.mend);
}

std::vector<TensorPlan> layout_tensors(const MatrixLayout& layout, const std::string& matrix) {
  return writer_of(layout.settings.format).tensors(layout, matrix);
}

MatrixLayout layout_of(QuantFormat format, const QuantizedMatrix& matrix) {
  return {.settings = {.format = format,
                       .bits = matrix.bits,
                       .group_size = matrix.group_size < matrix.in ? matrix.group_size : 0,
                       .symmetric = matrix.symmetric,
                       .act_order = !matrix.group_index.empty()},
          .out = matrix.out,
          .in = matrix.in,
          .scale_dtype = matrix.scale_dtype};
}

std::vector<std::vector<std::byte>> pack_layout(QuantFormat format, const QuantizedMatrix& matrix) {
  const MatrixLayout layout = layout_of(format, matrix);
  OCTAVO_CHECK(static_cast<int64_t>(matrix.codes.size()) == layout.out * layout.in);
  OCTAVO_CHECK(static_cast<int64_t>(matrix.scales.size()) == layout.out * layout.groups());
  OCTAVO_CHECK(matrix.zeros.size() == matrix.scales.size());
  return writer_of(format).pack(layout, matrix);
}

}  // namespace octavo
