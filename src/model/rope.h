#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "model/spec.h"
#include "tensor/view.h"

namespace octavo {

// Angles of one rotary embedding. Immutable.
class RopeTable {
 public:
  explicit RopeTable(const RopeSpec& spec);

  int64_t pairs() const { return static_cast<int64_t>(frequencies_.size()); }
  const RopeSpec& spec() const { return spec_; }

  // cos and sin [n, pairs] of each row's position, times the spec's attention factor. lengths[i] is
  // the length of the sequence that row i counts as belonging to; only Dynamic, DynamicSteps
  // and LongRope look at it.
  void angles(std::span<const int32_t> positions, std::span<const int32_t> lengths, Mat cos,
              Mat sin) const;

 private:
  RopeSpec spec_;
  std::vector<float> frequencies_, long_frequencies_;
  float factor_ = 1;
};

// Whether a token's rotation depends on how long its sequence is, beyond `trained_tokens`: such
// keys must not be shared between prompts of different lengths.
bool depends_on_length(const RopeSpec& spec, int64_t length);

}  // namespace octavo
