#include "tables.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/cpu.h"
#include "cpu/features_levels.h"

namespace octavo::conformance {

std::vector<std::string> levels() {
  std::vector<std::string> found;
  for (const cpu::Level& level : cpu::levels()) {
    if (cpu::offers(cpu::detect(), level.features)) found.emplace_back(level.name);
  }
  return found;
}

Ops table(const std::string& level) { return cpu::ops(cpu::limit(cpu::detect(), level)); }

std::vector<float> Random::normals(int64_t count, float scale) {
  std::vector<float> values(count);
  for (float& v : values) v = normal() * scale;
  return values;
}

Padded::Padded(int64_t rows, int64_t cols, int64_t padding)
    : rows_(rows),
      cols_(cols),
      stride_(cols + padding),
      data_(rows * stride_, std::numeric_limits<float>::quiet_NaN()) {
  for (int64_t n = 0; n < rows; ++n) std::fill_n(mat().at(n), cols, 0.0f);
}

Padded::Padded(int64_t rows, int64_t cols, Random& random, float scale) : Padded(rows, cols) {
  for (int64_t n = 0; n < rows; ++n) {
    for (float& v : mat().row(n)) v = random.normal() * scale;
  }
}

bool Padded::padding_untouched() const {
  for (int64_t n = 0; n < rows_; ++n) {
    for (int64_t i = cols_; i < stride_; ++i) {
      if (!std::isnan(data_[n * stride_ + i])) return false;
    }
  }
  return true;
}

bool Padded::operator==(const Padded& other) const {
  if (rows_ != other.rows_ || cols_ != other.cols_) return false;
  for (int64_t n = 0; n < rows_; ++n) {
    if (std::memcmp(mat().at(n), other.mat().at(n), cols_ * sizeof(float)) != 0) return false;
  }
  return true;
}

}  // namespace octavo::conformance
