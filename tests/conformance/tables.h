#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "ops/ops.h"

namespace octavo::conformance {

// Levels of OCTAVO_ISA that this machine has, "reference" included.
std::vector<std::string> levels();
Ops table(const std::string& level);

inline constexpr double kUnit = 0x1p-24;     // unit roundoff of float
inline constexpr double kBf16Unit = 0x1p-8;  // of bfloat16

// A suite that runs once a level.
class Conformance : public testing::TestWithParam<std::string> {
 protected:
  Ops ops_ = table(GetParam());
  Ops reference_ = reference::ops();
  ThreadPool pool_{2};
  Queue queue_{pool_};
};

#define OCTAVO_EVERY_TABLE(suite)                                                             \
  INSTANTIATE_TEST_SUITE_P(tables, suite, testing::ValuesIn(levels()), [](const auto& info) { \
    std::string name = info.param;                                                            \
    for (char& c : name) c = c == '-' ? '_' : c;                                              \
    return name;                                                                              \
  })

class Random {
 public:
  explicit Random(uint32_t seed) : engine_(seed) {}
  float normal() { return normal_(engine_); }
  int64_t below(int64_t bound) {
    return static_cast<int64_t>(engine_() % static_cast<uint64_t>(bound));
  }
  std::vector<float> normals(int64_t count, float scale = 1);

 private:
  std::mt19937 engine_;
  std::normal_distribution<float> normal_;
};

// A matrix whose rows lie apart: between them stand NaNs, which an operation must neither read nor
// overwrite.
class Padded {
 public:
  Padded(int64_t rows, int64_t cols, int64_t padding = 5);
  Padded(int64_t rows, int64_t cols, Random& random, float scale = 1);

  Mat mat() { return {data_.data(), {rows_, cols_}, {stride_, 1}}; }
  ConstMat mat() const { return {data_.data(), {rows_, cols_}, {stride_, 1}}; }
  Heads heads(int64_t heads) { return as_heads(mat(), heads, cols_ / heads); }
  bool padding_untouched() const;
  // Same rows, bit by bit.
  bool operator==(const Padded& other) const;

 private:
  int64_t rows_, cols_, stride_;
  std::vector<float> data_;
};

}  // namespace octavo::conformance
