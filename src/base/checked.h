#pragma once

#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>

namespace octavo {

// Sums, products and conversions of numbers that came from outside. Empty where the result does not
// fit.
template <std::integral T>
std::optional<T> checked_add(T a, T b) {
  T result;
  if (__builtin_add_overflow(a, b, &result)) return std::nullopt;
  return result;
}

template <std::integral T>
std::optional<T> checked_mul(T a, T b) {
  T result;
  if (__builtin_mul_overflow(a, b, &result)) return std::nullopt;
  return result;
}

template <std::integral To, std::integral From>
std::optional<To> checked_cast(From value) {
  To result;
  if (__builtin_add_overflow(value, From{0}, &result)) return std::nullopt;
  return result;
}

}  // namespace octavo
