#pragma once

#include <cstdint>
#include <cstring>
#include <random>
#include <string_view>

namespace octavo::tokenizer {

// Seeded, so that a file cannot hold a million words that share a slot.
class Hash {
 public:
  Hash() {
    std::random_device device;
    seed_ = (uint64_t{device()} << 32 | device()) | 1;
  }

  uint64_t operator()(uint64_t key) const {
    return mix(key ^ seed_, 0x9E3779B97F4A7C15u ^ (seed_ << 1));
  }

  uint64_t operator()(std::string_view text) const {
    const char* p = text.data();
    size_t n = text.size();
    uint64_t h = seed_ ^ (n * 0xD6E8FEB86659FD93u);
    for (; n > 16; n -= 16, p += 16) h = mix(load(p, 8) ^ h, load(p + 8, 8) ^ 0xA0761D6478BD642Fu);
    if (n > 8) return mix(load(p, 8) ^ h, load(p + 8, n - 8) ^ 0xE7037ED1A0B428DBu ^ seed_);
    return mix(load(p, n) ^ h, 0x8EBC6AF09C88C6E3u ^ (seed_ << 1));
  }

 private:
  // Little-endian value of `n` bytes, 0..8, without reading beyond them.
  static uint64_t load(const char* p, size_t n) {
    uint64_t v = 0;
    if (n == 8) {
      std::memcpy(&v, p, 8);
    } else if (n >= 4) {
      uint32_t low = 0, high = 0;
      std::memcpy(&low, p, 4);
      std::memcpy(&high, p + n - 4, 4);
      v = uint64_t{high} << 32 | low;
    } else if (n > 0) {
      v = static_cast<unsigned char>(p[0]) | uint64_t{static_cast<unsigned char>(p[n / 2])} << 8 |
          uint64_t{static_cast<unsigned char>(p[n - 1])} << 16;
    }
    return v;
  }

  static uint64_t mix(uint64_t a, uint64_t b) {
    const auto product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  }

  uint64_t seed_;
};

}  // namespace octavo::tokenizer
