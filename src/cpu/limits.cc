#include "cpu/limits.h"

// GCC 12 takes the "undefined" vectors of its own header for uninitialized variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>

#include "base/check.h"
#include "cpu/target.h"

// Each loop keeps enough independent sums to hide the latency of its instruction; asm keeps the
// compiler from folding them. An instruction's operations: 2 a lane and factor.

namespace octavo::cpu {
namespace {

constexpr int64_t kSteps = 100000;  // a few milliseconds each
constexpr int kSumsAvx2 = 10, kSums = 24, kTiles = 4;

}  // namespace

OCTAVO_TARGET_BEGIN(OCTAVO_AVX2)
namespace avx2 {
namespace {

[[gnu::noinline]] void multiply_f32() {
  __m256 sums[kSumsAvx2] = {};
  const __m256 x = _mm256_set1_ps(1);
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 10
    for (__m256& sum : sums) asm volatile("vfmadd231ps %1, %1, %0" : "+x"(sum) : "x"(x));
  }
}

// Four bytes to one sum take three instructions without VNNI: maddubs, madd by 1, add.
[[gnu::noinline]] void multiply_int8() {
  __m256i sums[kSumsAvx2] = {};
  const __m256i x = _mm256_set1_epi8(1), ones = _mm256_set1_epi16(1);
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 10
    for (__m256i& sum : sums) {
      __m256i product;
      asm volatile("vpmaddubsw %1, %1, %0" : "=x"(product) : "x"(x));
      asm volatile("vpmaddwd %1, %0, %0" : "+x"(product) : "x"(ones));
      asm volatile("vpaddd %1, %0, %0" : "+x"(sum) : "x"(product));
    }
  }
}

[[gnu::noinline]] void read(const std::byte* p, size_t bytes) {
  __m256i sums[8] = {};
  for (size_t i = 0; i + 256 <= bytes; i += 256) {
    for (int j = 0; j < 8; ++j)
      sums[j] = _mm256_xor_si256(
          sums[j], _mm256_load_si256(reinterpret_cast<const __m256i*>(p + i + j * 32)));
  }
  for (__m256i& sum : sums) asm volatile("" : : "x"(sum));
}

}  // namespace
}  // namespace avx2
OCTAVO_TARGET_END

OCTAVO_TARGET_BEGIN(OCTAVO_AVX512)
namespace avx512 {
namespace {

[[gnu::noinline]] void multiply_f32() {
  __m512 sums[kSums] = {};
  const __m512 x = _mm512_set1_ps(1);
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 24
    for (__m512& sum : sums) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(sum) : "v"(x));
  }
}

[[gnu::noinline]] void multiply_bf16() {
  __m512 sums[kSums] = {};
  const __m512i x = _mm512_set1_epi32(0x3F803F80);
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 24
    for (__m512& sum : sums) asm volatile("vdpbf16ps %1, %1, %0" : "+v"(sum) : "v"(x));
  }
}

[[gnu::noinline]] void multiply_int8() {
  __m512i sums[kSums] = {};
  const __m512i x = _mm512_set1_epi8(1);
  for (int64_t i = 0; i < kSteps; ++i) {
#pragma GCC unroll 24
    for (__m512i& sum : sums) asm volatile("vpdpbusd %1, %1, %0" : "+v"(sum) : "v"(x));
  }
}

}  // namespace
}  // namespace avx512
OCTAVO_TARGET_END

OCTAVO_TARGET_BEGIN(OCTAVO_AMX ",amx-int8")
namespace amx {
namespace {

// Eight full tiles: 0 to 3 sums, 4 and 5 the left factors, 6 and 7 the right ones.
class TileState {
 public:
  TileState() {
    alignas(64) Config config{};
    std::ranges::fill(config.row_bytes, uint16_t{64});
    std::fill(config.row_bytes + 8, config.row_bytes + 16, uint16_t{0});
    std::ranges::fill(config.rows, uint8_t{16});
    std::fill(config.rows + 8, config.rows + 16, uint8_t{0});
    // GCC 12 believes that only 8 of the 64 bytes are read.
    asm volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    _tile_zero(4);
    _tile_zero(5);
    _tile_zero(6);
    _tile_zero(7);
  }
  ~TileState() { _tile_release(); }
  TileState(const TileState&) = delete;
  TileState& operator=(const TileState&) = delete;

 private:
  struct Config {
    uint8_t palette = 1, start_row = 0;
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
  };
  static_assert(sizeof(Config) == 64);
};

[[gnu::noinline]] void multiply_bf16() {
  const TileState tiles;
  for (int64_t i = 0; i < kSteps; ++i) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}

[[gnu::noinline]] void multiply_int8() {
  const TileState tiles;
  for (int64_t i = 0; i < kSteps; ++i) {
    _tile_dpbusd(0, 4, 6);
    _tile_dpbusd(1, 4, 7);
    _tile_dpbusd(2, 5, 6);
    _tile_dpbusd(3, 5, 7);
  }
}

}  // namespace
}  // namespace amx
OCTAVO_TARGET_END

namespace {

struct Loop {
  void (*run)();
  double operations;  // of one run on one worker
};

Loop loop_of(const Features& features, Unit unit) {
  constexpr double kAvx2 = kSteps * kSumsAvx2, kAvx512 = kSteps * kSums, kAmx = kSteps * kTiles;
  switch (unit) {
    case Unit::f32:
      return features.avx512 ? Loop{avx512::multiply_f32, kAvx512 * 32}
                             : Loop{avx2::multiply_f32, kAvx2 * 16};
    case Unit::bf16:
      return {avx512::multiply_bf16, kAvx512 * 64};
    case Unit::int8:
      return features.avx512_vnni ? Loop{avx512::multiply_int8, kAvx512 * 128}
                                  : Loop{avx2::multiply_int8, kAvx2 * 64};
    case Unit::amx_bf16:
      return {amx::multiply_bf16, kAmx * 16 * 16 * 64};
    case Unit::amx_int8:
      return {amx::multiply_int8, kAmx * 16 * 16 * 128};
  }
  OCTAVO_CHECK(false);
  return {};
}

template <class Work>
double seconds(const Work& work) {
  const auto begin = std::chrono::steady_clock::now();
  work();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  return std::max(elapsed.count(), 1e-9);
}

void read_words(const std::byte* p, size_t bytes) {
  uint64_t sum = 0, word = 0;
  for (size_t i = 0; i + sizeof word <= bytes; i += sizeof word) {
    std::memcpy(&word, p + i, sizeof word);
    sum ^= word;
  }
  asm volatile("" : : "r"(sum));
}

}  // namespace

std::string_view name(Unit unit) {
  constexpr std::array<std::string_view, 5> kNames{"f32 FMA", "bf16 dot", "int8 dot", "AMX bf16",
                                                   "AMX int8"};
  return kNames[static_cast<size_t>(unit)];
}

std::vector<Unit> units(const Features& features) {
  std::vector<Unit> found;
  if (features.avx2) found.push_back(Unit::f32);
  if (features.avx512_bf16) found.push_back(Unit::bf16);
  if (features.avx2) found.push_back(Unit::int8);
  if (features.amx) {
    found.push_back(Unit::amx_bf16);
    found.push_back(Unit::amx_int8);
  }
  return found;
}

double peak_rate(ThreadPool& pool, const Features& features, Unit unit) {
  OCTAVO_CHECK(features.avx2);
  const Loop loop = loop_of(features, unit);
  const double s = seconds([&] { pool.run([&](int) { loop.run(); }); });
  return loop.operations * pool.threads() / s;
}

double read_rate(ThreadPool& pool, const Features& features, std::span<const std::byte> bytes) {
  constexpr size_t kPiece = 4096;
  const auto workers = static_cast<size_t>(pool.threads());
  const size_t part = bytes.size() / workers / kPiece * kPiece;
  OCTAVO_CHECK(part > 0);
  const double s = seconds([&] {
    pool.run([&](int worker) {
      const std::byte* const begin = bytes.data() + static_cast<size_t>(worker) * part;
      (features.avx2 ? avx2::read : read_words)(begin, part);
    });
  });
  return static_cast<double>(part * workers) / s;
}

}  // namespace octavo::cpu
