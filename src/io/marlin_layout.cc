#include "io/marlin_layout.h"

#include <algorithm>
#include <array>

#include "io/awq_layout.h"
#include "io/bit_string.h"
#include "io/group_planes.h"

namespace octavo {
namespace {

constexpr int64_t kTile = 16, kChunkOutputs = 64, kChunk = kTile * kChunkOutputs;
constexpr int kMiddle = 8;

// order[i]: which of the 1024 codes of four tiles (tile, input, output) is stored as the i-th.
const std::array<int, kChunk>& chunk_order() {
  static const auto order = [] {
    std::array<int, kChunk> all{};
    int at = 0;
    for (int lane = 0; lane < 32; ++lane) {
      for (int tile = 0; tile < 4; ++tile) {
        std::array<int, 8> fragment{};
        for (int i = 0; i < 8; ++i) {
          // mma.m16n8k16 gives a lane inputs 2l, 2l + 1, 2l + 8, 2l + 9 of two columns.
          const int input = 2 * (lane % 4) + i % 2 + i % 4 / 2 * 8;
          fragment[static_cast<size_t>(i)] = 256 * tile + 16 * input + lane / 4 + i / 4 * 8;
        }
        for (const int i : kAwqOrder)
          all[static_cast<size_t>(at++)] = fragment[static_cast<size_t>(i)];
      }
    }
    return all;
  }();
  return order;
}

// Which output's scale is stored at column `column`.
int64_t scale_output(int64_t column, int64_t groups) {
  if (groups > 1) return column / 64 * 64 + column % 8 * 8 + column % 64 / 8;
  constexpr std::array<int64_t, 8> kSingle{0, 1, 8, 9, 16, 17, 24, 25};
  return column / 32 * 32 + column % 32 / 8 * 2 + kSingle[static_cast<size_t>(column % 8)];
}

class MarlinMatrix final : public PackedMatrix {
 public:
  MarlinMatrix(const Checkpoint& checkpoint, const std::string& name, const MatrixLayout& layout)
      : PackedMatrix(checkpoint, name, layout, kChunkOutputs) {
    if (layout.in % kTile != 0 || layout.out % kChunkOutputs != 0 ||
        layout.in % layout.group() != 0) {
      fail("qweight",
           "[" + std::to_string(layout.out) + ", " + std::to_string(layout.in) + "] in groups of " +
               std::to_string(layout.group()) + " in version marlin",
           "config.json and weights do not belong together (version?)");
    }
    layout_.settings.symmetric = true;
    qweight_ = &take("qweight", {layout.in / kTile, 2 * layout.out}, {DType::i32});
    scales_ = &take_scales("scales", {layout.groups(), layout.out}, {DType::f16});
  }

 private:
  void read_granules(int64_t begin, int64_t end, CodeRows& rows) const override {
    const int64_t count = end - begin, in = layout_.in, groups = layout_.groups();
    const auto words = strip<uint32_t>(*qweight_, 0, in / kTile, 2 * begin, 2 * count);
    std::vector<uint8_t> stored(static_cast<size_t>(in * count));
    unpack_string(words, 4, stored);
    for (int64_t i = 0; i < in * count; ++i) {
      const int64_t tile_row = i / (kTile * count), chunk = i % (kTile * count) / kChunk;
      const int64_t place = chunk_order()[static_cast<size_t>(i % kChunk)];
      const int64_t o = chunk * kChunkOutputs + place / 256 * kTile + place % kTile;
      const int64_t k = tile_row * kTile + place % 256 / kTile;
      rows.codes[static_cast<size_t>(o * in + k)] = stored[static_cast<size_t>(i)];
    }
    const auto scales = group_floats(*scales_, begin, end);
    for (int64_t c = 0; c < count; ++c) {
      for (int64_t g = 0; g < groups; ++g)
        rows.scales[static_cast<size_t>(scale_output(c, groups) * groups + g)] =
            scales[static_cast<size_t>(c * groups + g)];
    }
    std::ranges::fill(rows.zeros, uint8_t{kMiddle});
  }

  const TensorEntry *qweight_, *scales_;
};

}  // namespace

std::vector<TensorPlan> marlin_tensors(const MatrixLayout& layout, const std::string& matrix) {
  return {{matrix + ".qweight", DType::i32, {layout.in / kTile, 2 * layout.out}},
          {matrix + ".scales", DType::f16, {layout.groups(), layout.out}}};
}

std::vector<std::vector<std::byte>> pack_marlin(const MatrixLayout& layout,
                                                const QuantizedMatrix& matrix) {
  const int64_t out = layout.out, in = layout.in, groups = layout.groups();
  std::vector<uint8_t> stored(static_cast<size_t>(in * out));
  for (int64_t i = 0; i < in * out; ++i) {
    const int64_t tile_row = i / (kTile * out), chunk = i % (kTile * out) / kChunk;
    const int64_t place = chunk_order()[static_cast<size_t>(i % kChunk)];
    const int64_t o = chunk * kChunkOutputs + place / 256 * kTile + place % kTile;
    const int64_t k = tile_row * kTile + place % 256 / kTile;
    stored[static_cast<size_t>(i)] = matrix.codes[static_cast<size_t>(o * in + k)];
  }
  std::vector<uint32_t> words(static_cast<size_t>(in * out / 8));
  pack_string(stored, 4, words);
  std::vector<float> scales(static_cast<size_t>(groups * out));
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t c = 0; c < out; ++c)
      scales[static_cast<size_t>(g * out + c)] =
          matrix.scales[static_cast<size_t>(scale_output(c, groups) * groups + g)];
  }
  return {to_bytes(words), scale_bytes(scales, layout)};
}

std::shared_ptr<const PackedMatrix> open_marlin(const Checkpoint& checkpoint,
                                                const std::string& name,
                                                const MatrixLayout& layout) {
  return std::make_shared<MarlinMatrix>(checkpoint, name, layout);
}

}  // namespace octavo
