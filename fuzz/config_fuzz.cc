// A hostile config.json: it is refused with an Error, or becomes a spec from which everything that
// loading derives is finite. Its quantization_config likewise.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/json.h"
#include "io/quantization.h"
#include "model/config.h"
#include "model/derive.h"
#include "model/families.h"
#include "model/rope.h"
#include "octavo/error.h"

using namespace octavo;

namespace {

void compute_angles(const RopeSpec& spec) {
  const RopeTable table(spec);
  constexpr int32_t kLast = INT32_MAX;
  const std::array<int32_t, 5> positions{0, 1, 1, kLast, kLast}, lengths{1, 2, kLast, 1, kLast};
  const auto rows = static_cast<int64_t>(positions.size());
  std::vector<float> cos(rows * table.pairs()), sin(cos.size());
  table.angles(positions, lengths, {cos.data(), {rows, table.pairs()}},
               {sin.data(), {rows, table.pairs()}});
  for (const auto* values : {&cos, &sin})
    OCTAVO_CHECK(
        std::all_of(values->begin(), values->end(), [](float v) { return std::isfinite(v); }));
}

void derive(const ModelSpec& spec) {
  OCTAVO_CHECK(parameters(spec) > 0 && kv_bytes_per_token(spec, DType::f32) > 0);
  OCTAVO_CHECK(max_sequence_tokens(spec) > 0);
  std::vector<RopeSpec> ropes;  // the distinct ones, as loading has them
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    OCTAVO_CHECK(!layer_matrices(spec, static_cast<int64_t>(i), spec.names.root).empty());
    const AttentionSpec& attention = attention_of(spec.layers[i]);
    OCTAVO_CHECK(std::isfinite(attention.scale) && std::isfinite(attention.softcap));
    if (!attention.rope || std::find(ropes.begin(), ropes.end(), *attention.rope) != ropes.end())
      continue;
    ropes.push_back(*attention.rope);
    compute_angles(ropes.back());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Config config = Config::parse({reinterpret_cast<const char*>(data), size}, "fuzz");
    try {
      derive(spec_of(config));
    } catch (const Error&) {
    }
    if (const auto section = config.section("quantization_config")) {
      const auto quantization = Quantization::parse(section->json(), section->where());
      quantization.settings_of("model.layers.0.self_attn.q_proj");
    }
  } catch (const Error&) {
  }
  return 0;
}
