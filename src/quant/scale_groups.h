#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "model/spec.h"

namespace octavo::quant {

// Matrices whose common input is divided by a scale a channel while their columns are multiplied
// with it: `from`, which makes that input, is divided, so the layer computes what it did
// (AWQ, 2306.00978, section 3.2).
struct ScaleGroup {
  enum class From : uint8_t { norm_mixer, norm_ffn, out_norm, down_norm, v, up };
  // Where the search compares outputs: of a block, of both, or of the matrices themselves.
  enum class Judge : uint8_t { mixer, ffn, both, product };
  From from = From::norm_mixer;
  std::vector<Role> to;
  Judge judge = Judge::mixer;
  // v -> o with grouped queries: so many query heads read one channel of v.
  int64_t sharing = 1;
  // up -> down behind relu²: dividing up by √s divides the activation by s.
  bool squared = false;

  bool operator==(const ScaleGroup&) const = default;
};
std::string_view name(ScaleGroup::From from);

// Everything that can be scaled in a layer, in the order of the walk. Derived from what follows
// what: no family is named.
std::vector<ScaleGroup> scale_groups(const LayerSpec& layer);

}  // namespace octavo::quant
