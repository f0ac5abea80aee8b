#include "eval/logits.h"

#include <algorithm>
#include <cmath>

namespace octavo::eval {

double log_sum_exp(std::span<const float> logits) {
  const float top = *std::ranges::max_element(logits);
  // Four sums: independent chains, which the compiler keeps in vector registers.
  double sums[4] = {0, 0, 0, 0};
  for (size_t i = 0; i < logits.size(); ++i) sums[i % 4] += std::exp(logits[i] - top);
  return static_cast<double>(top) + std::log(sums[0] + sums[1] + sums[2] + sums[3]);
}

double kl_divergence(std::span<const float> p, std::span<const float> q) {
  const double p_norm = log_sum_exp(p), q_norm = log_sum_exp(q);
  double sum = 0;
  for (size_t i = 0; i < p.size(); ++i) {
    const double log_p = p[i] - p_norm;
    sum += std::exp(log_p) * (log_p - (q[i] - q_norm));
  }
  return std::max(0.0, sum);
}

int64_t largest(std::span<const float> logits) {
  return std::ranges::max_element(logits) - logits.begin();
}

}  // namespace octavo::eval
