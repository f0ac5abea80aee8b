#include "quant/probe.h"

#include <algorithm>

#include "quant/rounding.h"

namespace octavo::quant {
namespace {

constexpr size_t kRows = 128;

std::vector<std::vector<TokenId>> beginning(Samples samples) {
  const auto& first = samples.front();
  return {{first.begin(), first.begin() + static_cast<int64_t>(std::min(kRows, first.size()))}};
}

}  // namespace

Probe::Probe(LayerJob& job)
    : job_(job),
      samples_(beginning(job.samples)),
      walk_(job.queue, samples_),
      range_(split_samples(samples_, static_cast<int64_t>(kRows)).front()) {
  const int64_t hidden = job.work.model().spec.hidden;
  input_.resize(static_cast<size_t>(range_.rows * hidden));
  job.states->read(0, Mat(input_.data(), {range_.rows, hidden}));
  output_ = run();
  matrices_.emplace(job, walk_, range_, input_);
  for (const StoredMatrix& matrix : job.work.matrices()) {
    const MatrixPlan& plan = job.plan_of(matrix);
    if (plan.dense) continue;
    const std::vector<float> original = job.work.values(matrix);
    const std::vector<float> values =
        read_back(job.pool(), original, matrix.shape.in, Rounding::of(plan.layout));
    matrices_->note_rounding(matrix, original, values);
    job.work.replace(matrix, values);
  }
  rounding_error_ = error_of(run());
  job.work.restore();
}

std::vector<float> Probe::run() {
  std::vector<float> x = input_;
  const int64_t hidden = job_.work.model().spec.hidden;
  walk_.layer(job_.work.model(), job_.work.layer(), range_, Mat(x.data(), {range_.rows, hidden}));
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

void Probe::measure(LayerReport& report) {
  report.rounding_error = rounding_error_;
  report.output_error = error_of(run());
  matrices_->measure();
}

}  // namespace octavo::quant
