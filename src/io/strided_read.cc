#include "io/strided_read.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace octavo {
namespace {

constexpr size_t kPieceBytes = size_t{64} << 10;

// Elements `stride` apart.
struct Line {
  uint64_t begin;  // of the first in the file
  int64_t count, stride;
};

// A part of a tensor's last two dimensions.
struct Block {
  int64_t rows, cols;
  int64_t row_stride, col_stride;  // in elements
  uint64_t begin;                  // of its first element in the file
};

// Writes a line to every `out_step`-th element of `out`. In pieces of some size, so that neither a
// call an element nor a buffer of the whole span is needed.
void read_line(const File& file, const Line& line, int64_t size, std::byte* out, int64_t out_step) {
  const int64_t a_piece = std::max<int64_t>(
      1, static_cast<int64_t>(kPieceBytes) / (std::max<int64_t>(line.stride, 1) * size));
  std::vector<std::byte> piece;
  for (int64_t i = 0; i < line.count; i += a_piece) {
    const int64_t n = std::min(a_piece, line.count - i);
    piece.resize(static_cast<size_t>(((n - 1) * line.stride + 1) * size));
    file.read(line.begin + static_cast<uint64_t>(i * line.stride * size), piece);
    for (int64_t k = 0; k < n; ++k)
      std::memcpy(out + (i + k) * out_step * size, piece.data() + k * line.stride * size, size);
  }
}

// Along whichever of the two directions lies denser in the file.
void read_block(const File& file, const Block& b, int64_t size, std::byte* out) {
  const auto place = [&](int64_t elements) {
    return b.begin + static_cast<uint64_t>(elements * size);
  };
  if (b.row_stride < b.col_stride) {
    for (int64_t k = 0; k < b.cols; ++k)
      read_line(file, {place(k * b.col_stride), b.rows, b.row_stride}, size, out + k * size,
                b.cols);
  } else {
    for (int64_t r = 0; r < b.rows; ++r)
      read_line(file, {place(r * b.row_stride), b.cols, b.col_stride}, size,
                out + r * b.cols * size, 1);
  }
}

}  // namespace

void read_strided(const File& file, const TensorEntry& entry, uint64_t offset,
                  std::span<std::byte> out) {
  const int64_t size = size_bytes(entry.dtype);
  OCTAVO_CHECK(offset % size == 0 && out.size() % size == 0);
  const size_t rank = entry.shape.size();
  const int64_t cols = entry.shape[rank - 1];
  const int64_t rows = rank > 1 ? entry.shape[rank - 2] : 1;
  const int64_t row_stride = rank > 1 ? entry.strides[rank - 2] : 0;
  int64_t at = static_cast<int64_t>(offset) / size;
  const int64_t end = at + static_cast<int64_t>(out.size()) / size;
  std::byte* to = out.data();
  while (at < end) {
    // Where element `at` lies; then as many whole rows of its matrix as are wanted, or a part of
    // one.
    const int64_t col = at % cols, row = at / cols % rows;
    int64_t place = col * entry.strides[rank - 1] + row * row_stride;
    int64_t rest = at / cols / rows;
    for (size_t axis = rank; axis-- > 2;) {
      place += rest % entry.shape[axis - 2] * entry.strides[axis - 2];
      rest /= entry.shape[axis - 2];
    }
    const bool part = col != 0 || end - at < cols;
    const Block block{.rows = part ? 1 : std::min(rows - row, (end - at) / cols),
                      .cols = part ? std::min(cols - col, end - at) : cols,
                      .row_stride = row_stride,
                      .col_stride = entry.strides[rank - 1],
                      .begin = entry.begin + static_cast<uint64_t>(place * size)};
    read_block(file, block, size, to);
    at += block.rows * block.cols;
    to += block.rows * block.cols * size;
  }
}

}  // namespace octavo
