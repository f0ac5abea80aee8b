#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <utility>

namespace octavo::quant {

// Random choices that are the same everywhere for a seed: the standard fixes mt19937_64, not its
// distributions.
class Draw {
 public:
  explicit Draw(uint64_t seed) : generator_(seed) {}

  // From 0 to n - 1, all alike. REQUIRES: n > 0.
  uint64_t below(uint64_t n) {
    const uint64_t fair = UINT64_MAX - UINT64_MAX % n;
    uint64_t value = generator_();
    while (value >= fair) value = generator_();
    return value % n;
  }

  template <typename T>
  void shuffle(std::span<T> items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  std::mt19937_64 generator_;
};

}  // namespace octavo::quant
