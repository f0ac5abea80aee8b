#pragma once

#include <cstdint>
#include <span>

namespace octavo::eval {

// log of the sum of exp(logits), in double, stable for any finite logits.
double log_sum_exp(std::span<const float> logits);

// KL(p ‖ q) in nats of the softmax of two rows of logits.
double kl_divergence(std::span<const float> p, std::span<const float> q);

// Index of the largest, the first of equals.
int64_t largest(std::span<const float> logits);

}  // namespace octavo::eval
