#pragma once

#include <cstdint>

namespace octavo {

// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011, section 4): a
// number is a function of (seed, counter) alone, so a draw needs no state that a preemption could
// lose or a batch mate could advance.
inline uint64_t philox(uint64_t seed, uint64_t counter) {
  uint32_t x[4] = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
  uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t a = uint64_t{0xD2511F53} * x[0], b = uint64_t{0xCD9E8D57} * x[2];
    const uint32_t next[4] = {
        static_cast<uint32_t>(b >> 32) ^ x[1] ^ key[0], static_cast<uint32_t>(b),
        static_cast<uint32_t>(a >> 32) ^ x[3] ^ key[1], static_cast<uint32_t>(a)};
    for (int i = 0; i < 4; ++i) x[i] = next[i];
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return static_cast<uint64_t>(x[1]) << 32 | x[0];
}

// Uniform in [0, 1), 53 bits.
inline double uniform(uint64_t seed, uint64_t counter) {
  return static_cast<double>(philox(seed, counter) >> 11) * 0x1p-53;
}

}  // namespace octavo
