#include "quant/matrix_probe.h"

#include <algorithm>

namespace octavo::quant {

MatrixProbe::MatrixProbe(LayerJob& job, LayerWalk& walk, const SampleRange& range,
                         std::vector<float> x)
    : job_(job), rows_(range.rows) {
  for (const InputSet& set : input_sets(job.work)) {
    inputs_[set.first];
    for (const StoredMatrix* matrix : set.matrices) first_[matrix->name] = set.first;
  }
  const Tap tap{.linear_input = [&](int64_t, Role role, ConstMat input) {
    const auto found = inputs_.find(role);
    if (found == inputs_.end() || !found->second.empty()) return true;
    for (int64_t n = 0; n < input.rows(); ++n)
      found->second.insert(found->second.end(), input.at(n), input.at(n) + input.cols());
    return true;
  }};
  const int64_t hidden = job.work.model().spec.hidden;
  walk.layer(job.work.model(), job.work.layer(), range, Mat(x.data(), {rows_, hidden}), &tap);
}

void MatrixProbe::note_rounding(const StoredMatrix& matrix, std::span<const float> exact,
                                std::span<const float> rounded) {
  if (input_of(matrix) == nullptr) return;
  norms_[matrix.name] = squares(matrix, exact);
  std::vector<float> difference(rounded.begin(), rounded.end());
  for (size_t i = 0; i < difference.size(); ++i) difference[i] -= exact[i];
  rounding_[matrix.name] = squares(matrix, difference);
}

void MatrixProbe::measure() {
  for (MatrixReport& report : job_.report.matrices) {
    const auto made = job_.matrices.find(report.name);
    const auto norm = norms_.find(report.name);
    if (made == job_.matrices.end() || norm == norms_.end() || !(norm->second > 0)) continue;
    const StoredMatrix& matrix =
        *std::ranges::find(job_.work.matrices(), report.name, &StoredMatrix::name);
    report.output_error = squares(matrix, change(matrix, made->second)) / norm->second;
    report.rounding_error = rounding_[report.name] / norm->second;
  }
}

const std::vector<float>* MatrixProbe::input_of(const StoredMatrix& matrix) const {
  const auto first = first_.find(matrix.name);
  if (first == first_.end()) return nullptr;
  const std::vector<float>& input = inputs_.at(first->second);
  const bool fits = static_cast<int64_t>(input.size()) == rows_ * matrix.shape.in;
  return fits ? &input : nullptr;
}

double MatrixProbe::squares(const StoredMatrix& matrix, std::span<const float> w) {
  const int64_t out = matrix.shape.out, in = matrix.shape.in;
  std::vector<float> products(static_cast<size_t>(rows_ * out));
  job_.ops.gemm(job_.queue, {.a = ConstMat(input_of(matrix)->data(), {rows_, in}),
                             .b = ConstMat(w.data(), {out, in}),
                             .c = Mat(products.data(), {rows_, out}),
                             .form = GemmForm::abt});
  double sum = 0;
  for (const float y : products) sum += static_cast<double>(y) * y;
  return sum;
}

std::vector<float> MatrixProbe::change(const StoredMatrix& matrix,
                                       const QuantizedMatrix& made) const {
  std::vector<float> values = job_.work.values(matrix);  // as folded
  const int64_t in = matrix.shape.in;
  job_.pool().each(matrix.shape.out, [&](int64_t o, int) {
    const float up = matrix.row_divisors.empty() ? 1 : matrix.row_divisors[static_cast<size_t>(o)];
    for (int64_t k = 0; k < in; ++k) {
      const float down =
          matrix.column_factors.empty() ? 1 : matrix.column_factors[static_cast<size_t>(k)];
      float& value = values[static_cast<size_t>(o * in + k)];
      value = (made.value(o, k) - value) * up / down;
    }
  });
  return values;
}

}  // namespace octavo::quant
