// A hostile quantized checkpoint of one matrix: its quantization section (JSON), a line break, then
// a safetensors file whose tensors are those of the matrix `m`. It is refused with an Error, or
// every way of reading the matrix gives the same values, and they survive being packed again.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "base/log.h"
#include "base/memory_file.h"
#include "io/matrix_source.h"
#include "octavo/error.h"

using namespace octavo;

namespace {

constexpr int64_t kMostElements = 1 << 20;

bool same(float a, float b) { return a == b || (std::isnan(a) && std::isnan(b)); }

// Rows as kernels get them against values as the file says them.
void compare_rows(const MatrixSource& source, const std::vector<float>& values) {
  const int64_t out = source.shape().out, in = source.shape().in;
  MatrixSource::Rows rows;
  const int64_t begin = out > 1 ? 1 : 0;
  source.read({}, begin, out, rows);
  for (int64_t o = begin; o < out; ++o) {
    for (int64_t k = 0; k < in; ++k) {
      const int64_t input = source.order().empty() ? k : source.order()[k];
      OCTAVO_CHECK(input >= 0 && input < in);
      const float kept = element(rows.weight, o - begin, k), said = values[o * in + input];
      const bool offsets = source.packed()->layout().settings.format == QuantFormat::awq_gemv_fast;
      OCTAVO_CHECK(offsets || same(kept, said));
    }
  }
}

void pack_again(const QuantizedMatrix& matrix, QuantFormat format) {
  if (format == QuantFormat::gptq || format == QuantFormat::awq_gemv_fast) return;
  const MatrixLayout layout = layout_of(format, matrix);
  try {
    check_layout(layout, "m");
  } catch (const Error&) {
    return;
  }
  const auto plans = layout_tensors(layout, "m");
  const auto bytes = pack_layout(format, matrix);
  OCTAVO_CHECK(plans.size() == bytes.size());
  for (size_t i = 0; i < plans.size(); ++i) OCTAVO_CHECK(plans[i].bytes() == bytes[i].size());
}

void read_matrix(const Checkpoint& checkpoint, const Quantization& quantization) {
  if (!PackedMatrix::present(checkpoint, "m")) return;
  auto settings = quantization.settings_of("m");
  if (!settings) settings = quantization.packed;
  if (!settings) return;
  const auto [out, in] = PackedMatrix::shape_in(checkpoint, *settings, "m");
  if (out > kMostElements || in > kMostElements || out * in > kMostElements) return;
  const MatrixSource source =
      MatrixSource::open(checkpoint, quantization, "m", {.out = out, .in = in});
  std::vector<float> values;
  source.read_values(0, out, values);
  compare_rows(source, values);
  const QuantizedMatrix matrix = source.packed()->read_all();
  for (const uint8_t code : matrix.codes) OCTAVO_CHECK(code < 1 << matrix.bits);
  pack_again(matrix, settings->format);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const size_t end = text.find('\n');
  if (end == std::string_view::npos) return 0;
  try {
    Quantization quantization =
        Quantization::parse(parse_json(text.substr(0, end), "fuzz"), "fuzz");
    quantization.log = std::make_shared<OnceLog>([](std::string_view) {});
    const MemoryFile memory(text.substr(end + 1));
    read_matrix(Checkpoint::open_file(memory.path()), quantization);
  } catch (const Error&) {
  }
  return 0;
}
