#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "octavo/tokens.h"

// The arithmetic of one row of logits. All sums run in an order that depends on the row's length
// alone (row_math.h), so a row's result depends on the row alone.

namespace octavo {

struct Scored {
  float logit = 0;
  TokenId id = 0;
};

// More likely first; of equals the lower id. A total order, so every selection is unique.
inline bool before(const Scored& a, const Scored& b) {
  return a.logit > b.logit || (a.logit == b.logit && a.id < b.id);
}

// A set of tokens that is a beginning of that order: `last` and all before it. Minus infinity is
// never in it.
struct Cut {
  Scored last{std::numeric_limits<float>::lowest(), std::numeric_limits<TokenId>::max()};
  bool keeps(float logit, TokenId id) const {
    return logit > last.logit || (logit == last.logit && id <= last.id);
  }
};

struct Peak {
  Scored top{-std::numeric_limits<float>::infinity(), -1};  // id -1: every logit is minus infinity
  bool broken = false;                                      // a NaN or plus infinity among them
};
Peak find_peak(std::span<const float> logits);

// The weight exp((logit - peak) · scale), and the sum of the weights of the tokens that the cut
// keeps. REQUIRES: peak >= every logit, scale > 0.
struct Weighing {
  float peak = 0, scale = 1;
  Cut cut;
};
float weight_of(float logit, const Weighing& w);
// `strips` gets the sums of its strips (row_math.h); no allocation if its capacity suffices.
double sum_weights(std::span<const float> logits, const Weighing& w, std::vector<double>& strips);

// The token at which the running sum of weights first exceeds `target`, given the strips of
// sum_weights; -1: the target is not below the sum.
TokenId token_at(std::span<const float> logits, const Weighing& w, std::span<const double> strips,
                 double target);

// The shortest beginning of the order, among the tokens that w.cut keeps, whose weights reach
// `wanted`. Sorts no more than the few tokens around its end. `scratch` as in select_top.
Cut cut_at_mass(std::span<const float> logits, const Weighing& w, double wanted,
                std::vector<Scored>& scratch);

// The first `count` tokens of the order among those that the cut keeps (fewer if it keeps fewer),
// in no order. `out` is also the scratch: it allocates nothing if its capacity is the row's length
// or more.
void select_top(std::span<const float> logits, const Cut& cut, int64_t count,
                std::vector<Scored>& out);
// The same, in order.
void sorted_top(std::span<const float> logits, const Cut& cut, int64_t count,
                std::vector<Scored>& out);

// Logarithm of the sum of exp over the whole row.
double log_sum_exp(std::span<const float> logits, float peak);

// 1 + the number of tokens before `id`.
int32_t rank_of(std::span<const float> logits, TokenId id);

}  // namespace octavo
