#include "quant/probe.h"

#include "quant/rounding.h"

namespace octavo::quant {
namespace {

constexpr int64_t kRows = 256;  // at least one sample

}  // namespace

Probe::Probe(LayerJob& job) : job_(job), range_(split_samples(job.samples, kRows).front()) {
  const int64_t hidden = job.work.model().spec.hidden;
  input_.resize(static_cast<size_t>(range_.rows * hidden));
  job.states->read(0, Mat(input_.data(), {range_.rows, hidden}));
  output_ = run();
  for (const StoredMatrix& matrix : job.work.matrices()) {
    const MatrixPlan& plan = job.plan_of(matrix);
    if (plan.dense) continue;
    const Rounding rounding = Rounding::of(plan.layout);
    const auto in = static_cast<size_t>(matrix.shape.in);
    std::vector<float> values = job.work.values(matrix);
    job.pool().each(matrix.shape.out, [&](int64_t o, int) {
      const std::span<float> row = std::span(values).subspan(static_cast<size_t>(o) * in, in);
      const std::vector<float> exact(row.begin(), row.end());
      read_back(exact, rounding, std::numeric_limits<float>::infinity(), row);
    });
    job.work.replace(matrix, values);
  }
  rounding_error_ = error_of(run());
  job.work.restore();
}

std::vector<float> Probe::run() const {
  std::vector<float> x = input_;
  const int64_t hidden = job_.work.model().spec.hidden;
  job_.walk.layer(job_.work.model(), job_.work.layer(), range_,
                  Mat(x.data(), {range_.rows, hidden}));
  return x;
}

double Probe::error_of(const std::vector<float>& output) const {
  double error = 0, update = 0;
  for (size_t i = 0; i < output.size(); ++i) {
    const double e = output[i] - output_[i], u = output_[i] - input_[i];
    error += e * e;
    update += u * u;
  }
  return update > 0 ? error / update : 0;
}

void Probe::measure(LayerReport& report) const {
  report.rounding_error = rounding_error_;
  report.output_error = error_of(run());
}

}  // namespace octavo::quant
