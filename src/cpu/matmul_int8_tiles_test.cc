// The loops of matmul_int8_tiles.inl.h over tiles in plain C++, since machines with AMX are rare:
// the bits must be those of the AVX-512-VNNI table.

// GCC 12 takes the "undefined" vectors of its own header for uninitialized variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "cpu/cpu.h"
#include "cpu/features_levels.h"
#include "cpu/matmul.h"
#include "cpu/matmul_phase.h"
#include "cpu/random_weight.h"
#include "cpu/target.h"

OCTAVO_TARGET_BEGIN(OCTAVO_AVX512_VNNI)
namespace octavo::cpu::avx512_plain_tiles {
namespace {

#include "cpu/matmul_avx512.inl.h"
#include "cpu/matmul_panel.inl.h"

inline S dot(S sums, U codes, U x) {
  return (S)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)codes, (__m512i)x);
}
inline S dot_wide(S sums, U codes, U x) { return dot(sums, codes, x); }

#include "cpu/matmul_int8_x86.inl.h"
//
#include "cpu/matmul_int8.inl.h"
//
#include "cpu/matmul_int8_tiles.inl.h"

// TDPBSUD and its neighbours as the manual's pseudocode has them, tiles of 16 x 64 bytes.
struct PlainTile {
  using Bytes = std::array<std::array<uint8_t, 64>, 16>;
  static inline thread_local std::array<Bytes, 8> tiles;

  template <int T>
  static void zero() {
    tiles[T] = {};
  }
  template <int T>
  static void load(const void* p, int64_t stride) {
    for (int64_t i = 0; i < 16; ++i)
      std::memcpy(tiles[T][i].data(), static_cast<const std::byte*>(p) + i * stride, 64);
  }
  template <int T>
  static void store(void* p, int64_t stride) {
    for (int64_t i = 0; i < 16; ++i)
      std::memcpy(static_cast<std::byte*>(p) + i * stride, tiles[T][i].data(), 64);
  }
  template <int C, int A, int B>
  static void dot() {
    for (size_t m = 0; m < 16; ++m) {
      std::array<int32_t, 16> sums;
      std::memcpy(sums.data(), tiles[C][m].data(), 64);
      for (size_t k = 0; k < 64; ++k) {
        const auto a = static_cast<int8_t>(tiles[A][m][k]);
        for (size_t n = 0; n < 16; ++n) sums[n] += a * tiles[B][k / 4][4 * n + k % 4];
      }
      std::memcpy(tiles[C][m].data(), sums.data(), 64);
    }
  }
};

XForm form(const Format&, Compute) noexcept { return XForm::int8; }

void row(const XRowTask& task) noexcept {
  return task.form == XForm::int8 ? int8_row(task) : float_row(task);
}

void panel(const PanelTask& task) noexcept {
  return task.x.form == XForm::int8 ? int_panel<TileUnits<PlainTile>>(task) : float_panel(task);
}

}  // namespace

void matmul(Queue& queue, std::span<const Matmul> products) noexcept {
  run_matmul(queue, products, {.form = form, .row = row, .panel = panel});
}

}  // namespace octavo::cpu::avx512_plain_tiles
OCTAVO_TARGET_END

namespace octavo::cpu {
namespace {

constexpr Features kVnni{.avx2 = true, .avx512 = true, .avx512_vnni = true};

// The format in panels, random, with random x.
struct Case {
  OwnedWeight rows, panels;
  std::vector<float> x, bias;

  Case(const Ops& table, const Format& format, int64_t most_rows, int64_t out, int64_t in)
      : rows(random_weight(format, out, in, 5)),
        panels(own(table, format, out, in), out, in,
               table.planes(own(table, format, out, in), out, in)),
        x(most_rows * in),
        bias(out) {
    rows.weight.order = panels.weight.order = rows.order;
    table.pack(rows.weight, 0, panels.weight);
    std::minstd_rand random(3);
    std::normal_distribution<float> normal;
    for (float& v : x) v = normal(random);
    for (float& v : bias) v = normal(random);
  }
  // Of a block format: random bytes would make many of them infinite or no numbers.
  void randomize_scales() {
    std::minstd_rand random(9);
    std::uniform_real_distribution<float> scale(0.001f, 0.02f);
    for (int64_t i = 0; i < std::ssize(panels.weight.scales) / 2; ++i)
      store_element(panels.scales, panels.weight.format.dtype, i, scale(random));
  }
  static Format own(const Ops& table, const Format& format, int64_t out, int64_t in) {
    return table.preferred(format, out, in, Compute::int8);
  }
};

class Int8Tiles : public testing::Test {
 protected:
  void SetUp() override {
    if (!offers(detect(), kVnni)) GTEST_SKIP() << "this CPU has no AVX-512-VNNI";
    table_ = ops(kVnni);
  }

  void expect_same_bits(const Case& c, int64_t rows) {
    const Weight& w = c.panels.weight;
    ASSERT_EQ(w.format.packing, Packing::panels);
    std::vector<float> wanted(rows * w.out, NAN), got(rows * w.out, NAN);
    Matmul m{.x = {c.x.data(), {rows, w.in}},
             .w = &w,
             .y = {wanted.data(), {rows, w.out}},
             .bias = c.bias,
             .compute = Compute::int8};
    table_.matmul(queue_, {&m, 1});
    m.y = {got.data(), {rows, w.out}};
    avx512_plain_tiles::matmul(queue_, {&m, 1});
    for (int64_t i = 0; i < rows * w.out; ++i) {
      if (std::isnan(wanted[i]) && std::isnan(got[i])) continue;
      ASSERT_EQ(std::bit_cast<uint32_t>(wanted[i]), std::bit_cast<uint32_t>(got[i]))
          << to_string(w.format) << " in " << w.in << " rows " << rows << " at " << i / w.out << ","
          << i % w.out << ": " << wanted[i] << " and " << got[i];
    }
  }

  Ops table_;
  ThreadPool pool_{2};
  Queue queue_{pool_};
};

constexpr std::array<int64_t, 10> kRows{13, 16, 17, 31, 32, 33, 47, 48, 49, 65};

TEST_F(Int8Tiles, have_the_bits_of_vnni_for_affine_codes_of_every_width_and_group) {
  struct Inputs {
    int64_t in, group;
  };
  // Groups of whole tiles, parts of one, a tile and a part, several units, and whole rows with
  // padding.
  for (const auto [in, group] :
       {Inputs{384, 16}, Inputs{384, 32}, Inputs{384, 48}, Inputs{384, 64}, Inputs{384, 128},
        Inputs{768, 192}, Inputs{480, 160}, Inputs{384, 384}, Inputs{208, 208}, Inputs{33, 33}}) {
    for (const int bits : {2, 3, 4, 8}) {
      for (const bool ordered : {false, true}) {
        const Case c(table_,
                     {.scheme = Scheme::affine,
                      .dtype = DType::f16,
                      .bits = bits,
                      .group_size = group,
                      .ordered = ordered},
                     65, 77, in);
        for (const int64_t rows : kRows) {
          expect_same_bits(c, rows);
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_F(Int8Tiles, have_the_bits_of_vnni_for_every_block_format) {
  for (int i = 1; i <= static_cast<int>(BlockType::mxfp4); ++i) {
    const Format format = block_format(static_cast<BlockType>(i));
    SCOPED_TRACE(traits(format.block).name);
    Case c(table_, format, 65, 77, 512);
    c.randomize_scales();
    for (const int64_t rows : kRows) {
      expect_same_bits(c, rows);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_F(Int8Tiles, have_the_bits_of_vnni_for_any_number_of_rows) {
  const Format int4{.scheme = Scheme::affine, .dtype = DType::f16, .bits = 4, .group_size = 128};
  const Case c(table_, int4, 500, 70, 256);
  for (int64_t rows = 1; rows <= 65; ++rows) {
    expect_same_bits(c, rows);
    if (HasFatalFailure()) return;
  }
  expect_same_bits(c, 500);
}

TEST_F(Int8Tiles, reach_the_largest_sums) {
  const Format int8{.scheme = Scheme::affine, .dtype = DType::f16, .bits = 8, .group_size = 128};
  Case c(table_, int8, 32, 64, 256);
  std::ranges::fill(c.rows.data.span(), std::byte{255});
  std::ranges::fill(c.rows.zeros.span(), std::byte{0});
  table_.pack(c.rows.weight, 0, c.panels.weight);
  std::ranges::fill(c.x, -1.0f);
  expect_same_bits(c, 32);
}

}  // namespace
}  // namespace octavo::cpu
