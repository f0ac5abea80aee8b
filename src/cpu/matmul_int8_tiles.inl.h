// No #pragma once: units of Compute::int8 on a matrix of tile registers, included after
// matmul_int8.inl.h. `Tile` is the tiles, 0 to 7, of 16 rows x 64 bytes:
//   zero<T>()
//   load<T>(p, stride), store<T>(p, stride)  bytes from row to row
//   dot<C, A, B>()   C[m][n] += Σ A[m][k] · B[k / 4][4n + k % 4], C int32, A signed, B unsigned
// Each function reads and writes memory where it stands in the program.
//
// The words of four bytes that a panel's codes are unpacked to are rows of B: 16 of them are 64
// inputs x 16 outputs. x has the inputs in the same order already. A unit that is not whole tiles
// gets rows of zeros, so what A holds of the next unit counts for nothing.

constexpr int64_t kTileRowsOfX = 16;      // of an A or C tile
constexpr int64_t kTileInputs = 64;       // of an A or B tile
constexpr int64_t kTileBRows = 16;        // of a B tile, four inputs each
constexpr int64_t kWordRowBytes = 256;    // of 64 words: codes, sums
constexpr int64_t kTileBytesAcross = 64;  // to the next 16 outputs of B or C
constexpr int64_t kBlockRows = 2 * kTileRowsOfX;

template <class Tile>
struct TileUnits {
  // 16 rows x 64 outputs: C in tiles 0-3, A in 4, B in 5-7.
  static void sixteen_rows(const IntSegment& s, int64_t row, int32_t* sums) {
    Tile::template zero<0>();
    Tile::template zero<1>();
    Tile::template zero<2>();
    Tile::template zero<3>();
    const std::byte* a = s.x + row * s.x_stride_bytes;
    const std::byte* b = s.b;
    for (int64_t i = 0; i < s.b_rows; i += kTileBRows) {
      Tile::template load<4>(a, s.x_stride_bytes);
      Tile::template load<5>(b, kWordRowBytes);
      Tile::template load<6>(b + kTileBytesAcross, kWordRowBytes);
      Tile::template dot<0, 4, 5>();
      Tile::template load<7>(b + 2 * kTileBytesAcross, kWordRowBytes);
      Tile::template dot<1, 4, 6>();
      Tile::template load<5>(b + 3 * kTileBytesAcross, kWordRowBytes);
      Tile::template dot<2, 4, 7>();
      Tile::template dot<3, 4, 5>();
      a += kTileInputs;
      b += kTileBRows * kWordRowBytes;
    }
    Tile::template store<0>(sums, kWordRowBytes);
    Tile::template store<1>(sums + 16, kWordRowBytes);
    Tile::template store<2>(sums + 32, kWordRowBytes);
    Tile::template store<3>(sums + 48, kWordRowBytes);
  }

  // 32 rows x 32 outputs, a load for each product: C in tiles 0-3, A in 4-5, B in 6-7.
  static void thirty_two_rows(const IntSegment& s, int64_t row, int64_t column, int32_t* sums) {
    Tile::template zero<0>();
    Tile::template zero<1>();
    Tile::template zero<2>();
    Tile::template zero<3>();
    const std::byte* a = s.x + row * s.x_stride_bytes;
    const int64_t half = kTileRowsOfX * s.x_stride_bytes;
    const std::byte* b = s.b + column * 4;
    for (int64_t i = 0; i < s.b_rows; i += kTileBRows) {
      Tile::template load<4>(a, s.x_stride_bytes);
      Tile::template load<6>(b, kWordRowBytes);
      Tile::template dot<0, 4, 6>();
      Tile::template load<7>(b + kTileBytesAcross, kWordRowBytes);
      Tile::template dot<1, 4, 7>();
      Tile::template load<5>(a + half, s.x_stride_bytes);
      Tile::template dot<2, 5, 6>();
      Tile::template dot<3, 5, 7>();
      a += kTileInputs;
      b += kTileBRows * kWordRowBytes;
    }
    int32_t* const lower = sums + kTileRowsOfX * kPanel;
    Tile::template store<0>(sums + column, kWordRowBytes);
    Tile::template store<1>(sums + column + 16, kWordRowBytes);
    Tile::template store<2>(lower + column, kWordRowBytes);
    Tile::template store<3>(lower + column + 16, kWordRowBytes);
  }

  static void multiply_block(const IntSegment& s, int64_t row, int32_t* sums) {
    if (s.rows - row <= kTileRowsOfX) return sixteen_rows(s, row, sums);
    thirty_two_rows(s, row, 0, sums);
    thirty_two_rows(s, row, kPanel / 2, sums);
  }

  template <int Rows>
  static void join_rows(const IntSegment& s, int64_t row, const int32_t* products) {
    constexpr int kVectors = kPanel / kLanes;
    S sums[Rows][kVectors];
    start_sums(s, row, 0, sums);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v)
        sums[r][v] += (S)load_u(products + r * kPanel + v * kLanes);
    }
    finish_unit(s, row, 0, sums);
  }

  // The sums of a block's products to the float totals.
  static void join_block(const IntSegment& s, int64_t row, const int32_t* products) {
    const int64_t end = std::min(s.rows, row + kBlockRows);
    for (; row + 4 <= end; row += 4, products += 4 * kPanel) join_rows<4>(s, row, products);
    for (; row < end; ++row, products += kPanel) join_rows<1>(s, row, products);
  }

  template <class Source>
  static void run(IntSegment s, const Tiles& tiles) {
    const int64_t rows = s.b_rows * Source::kSteps;
    const int64_t whole = (rows + kTileBRows - 1) / kTileBRows * kTileBRows;
    if (Source::kSteps > 1 || rows < whole) {
      unpack_bytes<Source>(s.b, s.b_rows, tiles.strip);
      std::fill(tiles.strip + rows * kWordRowBytes, tiles.strip + whole * kWordRowBytes,
                std::byte{0});
      s.b = tiles.strip;
    }
    s.b_rows = whole;
    // A block joins the totals while the tiles work on the next one.
    auto* const sums = reinterpret_cast<int32_t*>(tiles.sums);
    const int64_t blocks = (s.rows + kBlockRows - 1) / kBlockRows;
    for (int64_t i = 0; i <= blocks; ++i) {
      if (i < blocks) multiply_block(s, i * kBlockRows, sums + i % 2 * kBlockRows * kPanel);
      if (i > 0) join_block(s, (i - 1) * kBlockRows, sums + (i - 1) % 2 * kBlockRows * kPanel);
    }
  }
};
