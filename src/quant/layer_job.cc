#include "quant/layer_job.h"

#include <algorithm>
#include <cmath>

#include "quant/rounding.h"

namespace octavo::quant {
namespace {

// The input that a role multiplies.
int input_of(Role role) {
  switch (role) {
    case Role::q:
    case Role::k:
    case Role::v:
      return 0;
    case Role::o:
      return 1;
    case Role::gate:
    case Role::up:
      return 2;
    default:
      return 3;
  }
}

}  // namespace

std::vector<InputSet> input_sets(LayerWork& work) {
  std::vector<InputSet> sets;
  std::vector<int> inputs;
  for (StoredMatrix& matrix : work.matrices()) {
    const int input = input_of(matrix.parts.front().role);
    const auto found = std::ranges::find(inputs, input);
    if (found == inputs.end()) {
      inputs.push_back(input);
      sets.push_back(
          {.first = matrix.parts.front().role, .in = matrix.shape.in, .matrices = {&matrix}});
    } else {
      sets[static_cast<size_t>(found - inputs.begin())].matrices.push_back(&matrix);
    }
  }
  return sets;
}

void describe(ThreadPool& pool, const QuantizedMatrix& quantized, std::span<const float> values,
              MatrixReport& report) {
  const int64_t out = quantized.out, in = quantized.in;
  std::vector<double> errors(static_cast<size_t>(out)), norms(errors.size());
  std::vector<float> largest(errors.size());
  pool.each(out, [&](int64_t o, int) {
    double error = 0, norm = 0;
    float most = 0;
    for (int64_t k = 0; k < in; ++k) {
      const float value = values[static_cast<size_t>(o * in + k)];
      const float d = quantized.value(o, k) - value;
      error += static_cast<double>(d) * d;
      norm += static_cast<double>(value) * value;
      most = std::max(most, std::abs(d));
    }
    const auto row = static_cast<size_t>(o);
    errors[row] = error, norms[row] = norm, largest[row] = most;
  });
  double error = 0, norm = 0;
  for (size_t o = 0; o < errors.size(); ++o) error += errors[o], norm += norms[o];
  report.out = out;
  report.in = in;
  report.bits = quantized.bits;
  report.group_size = quantized.group_size;
  report.relative_error = norm > 0 ? std::sqrt(error / norm) : 0;
  report.largest_error = *std::ranges::max_element(largest);
}

void accept(LayerJob& job, const StoredMatrix& matrix, QuantizedMatrix quantized,
            std::span<const float> values, MatrixReport report) {
  report.name = matrix.name;
  report.layer = job.work.layer();
  describe(job.pool(), quantized, values, report);
  job.report.matrices.push_back(std::move(report));
  std::vector<float> read(values.size());
  job.pool().each(quantized.out, [&](int64_t o, int) {
    for (int64_t k = 0; k < quantized.in; ++k)
      read[static_cast<size_t>(o * quantized.in + k)] = quantized.value(o, k);
  });
  job.work.replace(matrix, read);
  job.matrices.insert_or_assign(matrix.name, std::move(quantized));
}

void round_layer(LayerJob& job) {
  for (const StoredMatrix& matrix : job.work.matrices()) {
    const MatrixPlan& plan = job.plan_of(matrix);
    if (plan.dense) continue;
    const std::vector<float> values = job.work.values(matrix);
    accept(job, matrix,
           round_to_nearest(job.pool(), values, matrix.shape.out, matrix.shape.in,
                            Rounding::of(plan.layout)),
           values, {});
  }
}

}  // namespace octavo::quant
