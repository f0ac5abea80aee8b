// Products on the tiles of AMX-BF16 and AMX-INT8. Registers of 16 rows x 64 bytes: an A tile is 16
// rows of x by 32 inputs (64 of int8), a B tile 16 B rows of a panel by 16 outputs, a C tile 16 x
// 16 sums. x has its rows padded to 16 by the phase, so every number of rows of bf16 runs through
// the same instruction, in the same order of k. Codes are unpacked to a bf16 strip first; groups
// that are not whole tiles stay with vdpbf16ps. Integers are exact, so few rows can stay with
// vpdpbusd.

// GCC 12 takes the "undefined" vectors of its own header for uninitialized variables.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop

#include <algorithm>
#include <array>
#include <bit>
#include <type_traits>

#include "cpu/matmul.h"
#include "cpu/matmul_int8.h"
#include "cpu/target.h"

OCTAVO_TARGET_BEGIN(OCTAVO_AMX)
namespace octavo::cpu::amx {
namespace {

#include "cpu/matmul_avx512.inl.h"
#include "cpu/matmul_panel.inl.h"
#include "cpu/matmul_panel_pair.inl.h"

inline S dot(S sums, U codes, U x) {
  return (S)_mm512_dpbusd_epi32((__m512i)sums, (__m512i)codes, (__m512i)x);
}
inline S dot_wide(S sums, U codes, U x) { return dot(sums, codes, x); }

#include "cpu/matmul_int8_x86.inl.h"
//
#include "cpu/matmul_int8.inl.h"
//
#include "cpu/matmul_int8_tiles.inl.h"

constexpr int64_t kTile = 16;             // rows of every tile, and words of a row
constexpr int64_t kStride = kPanel * 4;   // bytes from row to row of a panel and of the sums
constexpr int64_t kTileColumnBytes = 64;  // from a tile of B or C to its right neighbour

// The tile instructions are opaque to the compiler: GCC's do not even say that they touch memory.
// So no store may wait past this, and no load be done before it.
inline void barrier() { asm volatile("" : : : "memory"); }

// Tiles of one panel's work; release lets the kernel skip their 8 KB when the thread is switched.
class TileState {
 public:
  TileState() {
    alignas(64) Config config{};
    for (int i = 0; i < 8; ++i) {
      config.row_bytes[i] = 64;
      config.rows[i] = kTile;
    }
    // GCC 12 believes that only 8 of the 64 bytes are read.
    asm volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
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

// 16 rows x 64 outputs: C in tiles 0-3, A in 4, B in 5-7.
void sixteen_rows(const Segment& s, int64_t row) {
  float* const c = s.sums + row * kPanel;
  if (s.start) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, c, kStride);
    _tile_loadd(1, c + kTile, kStride);
    _tile_loadd(2, c + 2 * kTile, kStride);
    _tile_loadd(3, c + 3 * kTile, kStride);
  }
  const std::byte* a = s.x + row * s.x_stride_bytes;
  const std::byte* b = s.b;
  for (int64_t i = 0; i < s.b_rows; i += kTile, a += 64, b += kTile * kStride) {
    _tile_loadd(4, a, s.x_stride_bytes);
    _tile_loadd(5, b, kStride);
    _tile_loadd(6, b + kTileColumnBytes, kStride);
    _tile_dpbf16ps(0, 4, 5);
    _tile_loadd(7, b + 2 * kTileColumnBytes, kStride);
    _tile_dpbf16ps(1, 4, 6);
    _tile_loadd(5, b + 3 * kTileColumnBytes, kStride);
    _tile_dpbf16ps(2, 4, 7);
    _tile_dpbf16ps(3, 4, 5);
  }
  _tile_stored(0, c, kStride);
  _tile_stored(1, c + kTile, kStride);
  _tile_stored(2, c + 2 * kTile, kStride);
  _tile_stored(3, c + 3 * kTile, kStride);
}

// 32 rows x 32 outputs, a load for each product: C in tiles 0-3, A in 4-5, B in 6-7.
void thirty_two_rows(const Segment& s, int64_t row, int64_t column) {
  float* const c = s.sums + row * kPanel + column;
  float* const lower = c + kTile * kPanel;
  if (s.start) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  } else {
    _tile_loadd(0, c, kStride);
    _tile_loadd(1, c + kTile, kStride);
    _tile_loadd(2, lower, kStride);
    _tile_loadd(3, lower + kTile, kStride);
  }
  const std::byte* a = s.x + row * s.x_stride_bytes;
  const int64_t half = kTile * s.x_stride_bytes;
  const std::byte* b = s.b + column * 4;
  for (int64_t i = 0; i < s.b_rows; i += kTile, a += 64, b += kTile * kStride) {
    _tile_loadd(4, a, s.x_stride_bytes);
    _tile_loadd(6, b, kStride);
    _tile_dpbf16ps(0, 4, 6);
    _tile_loadd(7, b + kTileColumnBytes, kStride);
    _tile_dpbf16ps(1, 4, 7);
    _tile_loadd(5, a + half, s.x_stride_bytes);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_stored(0, c, kStride);
  _tile_stored(1, c + kTile, kStride);
  _tile_stored(2, lower, kStride);
  _tile_stored(3, lower + kTile, kStride);
}

struct AmxTiles {
  static constexpr int64_t kRows = 32;
  static constexpr bool kReadsCodes = false;

  template <class Source>
  static void run(const Segment& s) {
    static_assert(std::is_same_v<Source, PairBf16>);
    barrier();
    int64_t row = 0;
    for (; s.rows - row > kTile; row += 2 * kTile) {
      thirty_two_rows(s, row, 0);
      thirty_two_rows(s, row, 2 * kTile);
    }
    if (row < s.rows) sixteen_rows(s, row);
    barrier();
    if (s.totals == nullptr) return;
    for (row = 0; row < s.rows; ++row) {
      F sums[1][kPanel / kLanes];
      load_sums(s.sums + row * kPanel, sums);
      finish_group(s, row, 0, sums);
    }
  }
};

// The tiles for TileUnits. Written out, since GCC 12's macros take literal numbers only and do not
// say that they touch memory.
struct Int8Tile {
  template <int T>
  static void zero() {
    asm volatile("tilezero %%tmm%c0" : : "i"(T));
  }
  template <int T>
  static void load(const void* p, int64_t stride) {
    asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(T) : "memory");
  }
  template <int T>
  static void store(void* p, int64_t stride) {
    asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(T) : "memory");
  }
  template <int C, int A, int B>
  static void dot() {
    asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(C), "i"(A), "i"(B));
  }
};

// Tasks of more rows go to the tiles: below, most of a tile's rows would be padding, while vpdpbusd
// pays for each row. From counting instructions; no machine with AMX was at hand to measure.
constexpr int64_t kRegisterRows = 12;
// A unit of fewer inputs fills less than half of a tile, and its sums cost as much as a long one's.
constexpr int64_t kMinTileUnit = 32;

void int8_panel(const PanelTask& task) {
  const int64_t unit = int8_unit(task.shape.inputs / task.shape.groups);
  if (task.rows <= kRegisterRows || unit < kMinTileUnit) return avx512_vnni::int8_panel_task(task);
  const TileState tiles;
  int_panel<TileUnits<Int8Tile>>(task);
}

XForm form(const Format& format, Compute compute) noexcept {
  if (compute == Compute::f32) return XForm::f32;
  if (compute == Compute::int8 && format.scheme != Scheme::dense) return XForm::int8;
  return has_pairs(format) ? XForm::bf16 : XForm::rounded_f32;
}

void panel(const PanelTask& task) noexcept {
  if (task.x.form == XForm::int8) return int8_panel(task);
  if (task.x.form != XForm::bf16) return float_panel(task);
  const Format& f = task.product->w->format;
  const bool dense = f.scheme == Scheme::dense;
  if (!dense && task.shape.inputs / task.shape.groups % 32 != 0) return pair_panel(task);
  const TileState tiles;
  if (dense) return dense_panel<PairBf16, AmxTiles>(task);
  return pair_codes_panel<AmxTiles>(task);
}

void row(const XRowTask& task) noexcept {
  return task.form == XForm::int8 ? avx512_vnni::int8_row_task(task) : float_row(task);
}

void matmul(Queue& queue, std::span<const Matmul> products) noexcept {
  run_matmul(queue, products, {.form = form, .row = row, .panel = panel});
}

}  // namespace
}  // namespace octavo::cpu::amx
OCTAVO_TARGET_END

namespace octavo::cpu {

Ops overlay_matmul_amx(Ops table) {
  table = overlay_matmul_avx512_vnni(table);
  table.matmul = amx::matmul;
  table.matmul_dense_name = "amx tdpbf16ps 32x32";
  table.matmul_affine_name = "amx tdpbf16ps 32x32, codes to bf16";
  table.matmul_int8_name = "amx tdpbsud 32x32, up to 12 rows avx512 vpdpbusd 6x64";
  return table;
}

}  // namespace octavo::cpu
