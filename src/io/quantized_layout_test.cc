#include "io/quantized_layout.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <random>

#include "base/half.h"
#include "base/log.h"
#include "io/matrix_source.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr const char* kName = "model.layers.0.mlp.up_proj";

// A checkpoint in a folder of its own.
class QuantizedLayout : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() /
              ("octavo-layout-test-" + std::to_string(::getpid()));
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  Checkpoint write(const std::vector<TensorPlan>& plans,
                   const std::vector<std::vector<std::byte>>& bytes) {
    SafetensorsWriter writer(folder_ / "model.safetensors", plans);
    EXPECT_EQ(plans.size(), bytes.size());
    for (size_t i = 0; i < plans.size(); ++i) {
      EXPECT_EQ(plans[i].bytes(), bytes[i].size()) << plans[i].name;
      writer.append(bytes[i]);
    }
    writer.finish();
    return Checkpoint::open(folder_);
  }
  Checkpoint write(QuantFormat format, const QuantizedMatrix& matrix) {
    const MatrixLayout layout = layout_of(format, matrix);
    check_layout(layout, kName);
    return write(layout_tensors(layout, kName), pack_layout(format, matrix));
  }

  std::filesystem::path folder_;
};

struct Shape {
  int64_t out, in, group;  // group 0: one a row
};

QuantizedMatrix random_matrix(QuantFormat format, int bits, const Shape& shape, bool symmetric,
                              bool act_order, uint32_t seed) {
  QuantizedMatrix m{.out = shape.out,
                    .in = shape.in,
                    .bits = bits,
                    .group_size = shape.group > 0 ? shape.group : shape.in,
                    .symmetric = symmetric};
  std::minstd_rand random(seed);
  const int values = 1 << bits, lowest = lowest_zero(format);
  for (int64_t i = 0; i < m.out * m.in; ++i)
    m.codes.push_back(static_cast<uint8_t>((random() >> 8) % values));
  for (int64_t i = 0; i < m.out * m.groups(); ++i) {
    m.scales.push_back(to_float(to_float16(0.001f + 1e-5f * static_cast<float>(random() >> 16))));
    m.zeros.push_back(static_cast<uint8_t>(
        symmetric ? values / 2 : lowest + static_cast<int>((random() >> 8) % (values - lowest))));
  }
  if (act_order) {
    for (int64_t k = 0; k < m.in; ++k)
      m.group_index.push_back(static_cast<int32_t>(k / m.group_size));
    std::shuffle(m.group_index.begin(), m.group_index.end(), random);
  }
  return m;
}

Quantization quantization_of(const MatrixLayout& layout) {
  Quantization quantization;
  quantization.packed = layout.settings;
  quantization.log = std::make_shared<OnceLog>([](std::string_view) {});
  return quantization;
}

void expect_same(const QuantizedMatrix& a, const QuantizedMatrix& b) {
  EXPECT_EQ(a.bits, b.bits);
  EXPECT_EQ(a.group_size, b.group_size);
  EXPECT_EQ(a.symmetric, b.symmetric);
  EXPECT_EQ(a.codes, b.codes);
  EXPECT_EQ(a.zeros, b.zeros);
  EXPECT_EQ(a.scales, b.scales);
  EXPECT_EQ(a.group_index, b.group_index);
}

// Rows as kernels get them, in slices that fit no layout's granules.
void expect_rows(const MatrixSource& source, const QuantizedMatrix& m) {
  MatrixSource::Rows rows;
  for (int64_t begin = 0; begin < m.out; begin += 13) {
    const int64_t end = std::min(m.out, begin + 13);
    source.read({}, begin, end, rows);
    for (int64_t o = begin; o < end; ++o) {
      for (int64_t k = 0; k < m.in; ++k) {
        const int64_t input = source.order().empty() ? k : source.order()[k];
        ASSERT_EQ(element(rows.weight, o - begin, k), m.value(o, input)) << o << ", " << input;
      }
    }
  }
}

struct Case {
  QuantFormat format;
  std::vector<int> bits;
  std::vector<Shape> shapes;
  bool orders = false;
};

std::vector<Case> cases() {
  const std::vector<Shape> words{{96, 160, 32}, {64, 96, 0}, {32, 160, 64}, {64, 64, 64}};
  return {
      {QuantFormat::compressed_tensors,
       {2, 3, 4, 5, 6, 7, 8},
       {{33, 50, 0}, {5, 160, 32}, {70, 100, 24}, {1, 7, 3}, {64, 64, 16}},
       true},
      {QuantFormat::gptq, {2, 3, 4, 8}, words, true},
      {QuantFormat::gptq_v2, {2, 3, 4, 8}, words, true},
      {QuantFormat::gptq_v2, {4}, {{40, 24, 10}, {8, 8, 3}}, true},
      {QuantFormat::gptq_planar, {2, 3, 4, 5, 6, 7, 8}, words, true},
      {QuantFormat::awq_gemm, {4}, {{8, 15, 0}, {72, 96, 32}, {64, 256, 128}, {16, 48, 3}}},
      {QuantFormat::awq_gemv,
       {4},
       {{8, 96, 32}, {72, 1088, 32}, {64, 1280, 64}, {24, 256, 128}, {8, 2048, 128}, {16, 200, 0}}},
      {QuantFormat::awq_marlin, {4}, {{64, 128, 32}, {192, 64, 0}, {128, 48, 16}}}};
}

TEST_F(QuantizedLayout, gives_back_what_was_packed_in_every_format_width_and_shape) {
  uint32_t seed = 1;
  for (const Case& c : cases()) {
    for (const int bits : c.bits) {
      for (const Shape& shape : c.shapes) {
        for (int kind = 0; kind < (c.orders ? 4 : 2); ++kind) {
          const bool symmetric = kind % 2 == 1 || c.format == QuantFormat::awq_marlin;
          const auto m =
              random_matrix(c.format, bits, shape, symmetric,
                            kind >= 2 && shape.group > 0 && shape.group < shape.in, ++seed);
          SCOPED_TRACE(to_string(c.format) + " " + std::to_string(bits) + " bits [" +
                       std::to_string(shape.out) + ", " + std::to_string(shape.in) + "] group " +
                       std::to_string(shape.group) + " seed " + std::to_string(seed));
          const Checkpoint checkpoint = write(c.format, m);
          const MatrixSource source =
              MatrixSource::open(checkpoint, quantization_of(layout_of(c.format, m)), kName,
                                 {.out = m.out, .in = m.in});
          ASSERT_NE(source.packed(), nullptr);
          expect_same(source.packed()->read_all(), m);
          expect_rows(source, m);
          std::vector<float> values;
          const int64_t first = std::min<int64_t>(1, m.out - 1);
          source.read_values(first, m.out, values);
          for (size_t i = 0; i < values.size(); ++i)
            ASSERT_EQ(values[i], m.value(first + static_cast<int64_t>(i) / m.in,
                                         static_cast<int64_t>(i) % m.in));
          if (HasFatalFailure()) return;
        }
      }
    }
  }
}

TEST_F(QuantizedLayout, keeps_the_rounded_offsets_of_gemv_fast) {
  for (const Shape& shape :
       {Shape{8, 128, 32}, Shape{64, 384, 64}, Shape{24, 640, 128}, Shape{16, 192, 0}}) {
    const auto m = random_matrix(QuantFormat::awq_gemv_fast, 4, shape, false, false, 77);
    const Checkpoint checkpoint = write(QuantFormat::awq_gemv_fast, m);
    const MatrixSource source =
        MatrixSource::open(checkpoint, quantization_of(layout_of(QuantFormat::awq_gemv_fast, m)),
                           kName, {.out = m.out, .in = m.in});
    expect_same(source.packed()->read_all(), m);
    EXPECT_EQ(source.format(), block_format(BlockType::q4_1));
    std::vector<float> values;
    source.read_values(0, m.out, values);
    MatrixSource::Rows rows;
    source.read({}, 0, m.out, rows);
    for (int64_t o = 0; o < m.out; ++o) {
      for (int64_t k = 0; k < m.in; ++k) {
        const int64_t group = o * m.groups() + m.group_of(k);
        const float offset = to_float(to_float16(-(m.scales[group] * m.zeros[group])));
        const float expected = static_cast<float>(m.codes[o * m.in + k]) * m.scales[group] + offset;
        ASSERT_EQ(values[o * m.in + k], expected);
        ASSERT_EQ(element(rows.weight, o, k), expected);
      }
    }
  }
}

TEST_F(QuantizedLayout, cuts_parts_out_of_a_fused_matrix_with_act_order) {
  const auto m = random_matrix(QuantFormat::gptq, 4, {96, 64, 16}, false, true, 5);
  const Checkpoint checkpoint = write(QuantFormat::gptq, m);
  const MatrixSource source = MatrixSource::open(
      checkpoint, quantization_of(layout_of(QuantFormat::gptq, m)), kName, {.out = 96, .in = 64});
  // Per head of 12 rows the second 4.
  const RowMap map{.first = 4, .run = 4, .stride = 12};
  MatrixSource::Rows rows;
  source.read(map, 3, 32, rows);
  for (int64_t r = 3; r < 32; ++r) {
    for (int64_t k = 0; k < 64; ++k)
      ASSERT_EQ(element(rows.weight, r - 3, k), m.value(4 + r / 4 * 12 + r % 4, source.order()[k]));
  }
}

TEST_F(QuantizedLayout, undoes_the_borrow_of_whole_words_in_gptq) {
  // z - 1 on the whole word: a zero borrows from the next field, as GPTQModel does.
  const auto m = random_matrix(QuantFormat::gptq_v2, 4, {64, 64, 32}, false, false, 9);
  ASSERT_TRUE(std::ranges::any_of(m.zeros, [](uint8_t z) { return z == 0; }));
  auto bytes = pack_layout(QuantFormat::gptq_v2, m);
  for (size_t at = 0; at < bytes[1].size(); at += 4) {
    uint32_t word;
    std::memcpy(&word, bytes[1].data() + at, 4);
    word -= 0x11111111u;
    std::memcpy(bytes[1].data() + at, &word, 4);
  }
  MatrixLayout layout = layout_of(QuantFormat::gptq_v2, m);
  const Checkpoint checkpoint = write(layout_tensors(layout, kName), bytes);
  layout.settings.format = QuantFormat::gptq;
  const MatrixSource source =
      MatrixSource::open(checkpoint, quantization_of(layout), kName, {.out = m.out, .in = m.in});
  expect_same(source.packed()->read_all(), m);
}

TEST_F(QuantizedLayout, knows_v2_zeros_under_the_name_of_v1_and_says_so_once) {
  const auto m = random_matrix(QuantFormat::gptq_v2, 4, {64, 64, 32}, true, false, 9);
  MatrixLayout layout = layout_of(QuantFormat::gptq_v2, m);
  const Checkpoint checkpoint = write(QuantFormat::gptq_v2, m);
  layout.settings.format = QuantFormat::gptq;
  Quantization quantization = quantization_of(layout);
  int said = 0;
  quantization.log = std::make_shared<OnceLog>([&](std::string_view) { ++said; });
  for (int i = 0; i < 2; ++i) {
    const auto source =
        MatrixSource::open(checkpoint, quantization, kName, {.out = m.out, .in = m.in});
    expect_same(source.packed()->read_all(), m);
  }
  EXPECT_EQ(said, 1);
}

TEST_F(QuantizedLayout, says_what_a_format_cannot_hold) {
  const auto refuses = [](QuantFormat format, int bits, const Shape& shape, bool symmetric = false,
                          bool ordered = false, DType scales = DType::f16) {
    const MatrixLayout layout{.settings = {.format = format,
                                           .bits = bits,
                                           .group_size = shape.group,
                                           .symmetric = symmetric,
                                           .act_order = ordered},
                              .out = shape.out,
                              .in = shape.in,
                              .scale_dtype = scales};
    try {
      check_layout(layout, kName);
    } catch (const Error& error) {
      return std::string(error.what()).find(kName) != std::string::npos;
    }
    return false;
  };
  const Shape usual{64, 128, 32};
  for (const QuantFormat format : {QuantFormat::awq_gemm, QuantFormat::awq_gemv,
                                   QuantFormat::awq_gemv_fast, QuantFormat::awq_marlin}) {
    EXPECT_FALSE(refuses(format, 4, usual, true)) << to_string(format);
    EXPECT_TRUE(refuses(format, 8, usual, true)) << to_string(format);
    EXPECT_TRUE(refuses(format, 4, {60, 128, 32}, true)) << to_string(format);
    EXPECT_TRUE(refuses(format, 4, {64, 128, 48}, true)) << to_string(format);
    EXPECT_TRUE(refuses(format, 4, usual, true, true)) << to_string(format);
    EXPECT_TRUE(refuses(format, 4, usual, true, false, DType::bf16)) << to_string(format);
  }
  EXPECT_TRUE(refuses(QuantFormat::awq_gemv, 4, {64, 96, 16}));
  EXPECT_TRUE(refuses(QuantFormat::awq_gemv_fast, 4, {64, 96, 32}));
  EXPECT_TRUE(refuses(QuantFormat::awq_marlin, 4, usual, false));
  EXPECT_TRUE(refuses(QuantFormat::awq_marlin, 4, {32, 128, 32}, true));
  EXPECT_TRUE(refuses(QuantFormat::gptq, 5, usual));
  EXPECT_TRUE(refuses(QuantFormat::gptq, 3, {64, 48, 16}));
  EXPECT_TRUE(refuses(QuantFormat::gptq, 4, {60, 64, 16}));
  EXPECT_TRUE(refuses(QuantFormat::gptq_planar, 4, {64, 48, 16}));
  EXPECT_TRUE(refuses(QuantFormat::gptq, 4, usual, false, false, DType::f32));
  EXPECT_FALSE(refuses(QuantFormat::gptq, 4, {24, 40, 10}, false, true));
  EXPECT_FALSE(refuses(QuantFormat::compressed_tensors, 3, {3, 5, 2}, false, true, DType::f32));
  EXPECT_TRUE(refuses(QuantFormat::compressed_tensors, 9, usual));
}

TEST_F(QuantizedLayout, reads_loose_words_and_plain_zeros_of_older_writers) {
  const auto m = random_matrix(QuantFormat::compressed_tensors, 3, {11, 64, 16}, false, false, 21);
  auto plans = layout_tensors(layout_of(QuantFormat::compressed_tensors, m), kName);
  auto bytes = pack_layout(QuantFormat::compressed_tensors, m);
  std::vector<uint32_t> loose(11 * 7);  // ten values a word
  for (int64_t o = 0; o < 11; ++o) {
    for (int64_t k = 0; k < 64; ++k)
      loose[o * 7 + k / 10] |= static_cast<uint32_t>(m.codes[o * 64 + k]) << (k % 10 * 3);
  }
  plans[0].shape = {11, 7};
  bytes[0].assign(reinterpret_cast<const std::byte*>(loose.data()),
                  reinterpret_cast<const std::byte*>(loose.data() + loose.size()));
  plans[3] = {plans[3].name, DType::i8, {11, 4}};
  bytes[3].clear();
  for (const uint8_t zero : m.zeros) bytes[3].push_back(static_cast<std::byte>(zero - 4));
  const Checkpoint checkpoint = write(plans, bytes);
  const auto source =
      MatrixSource::open(checkpoint, quantization_of(layout_of(QuantFormat::compressed_tensors, m)),
                         kName, {.out = 11, .in = 64});
  expect_same(source.packed()->read_all(), m);
  expect_rows(source, m);
}

}  // namespace
}  // namespace octavo
