#include "quant/head.h"

#include "model/source.h"
#include "quant/layer_job.h"
#include "quant/layer_work.h"
#include "quant/moments.h"
#include "quant/rounding.h"

namespace octavo::quant {
namespace {

Moments moments_of(const HeadJob& job) {
  const auto head = load_part(job.source, job.ops, job.queue.pool(), {.head = true},
                              {.dtype = DTypeChoice::float32});
  const int64_t hidden = job.source.spec.hidden, width = embedding_width(job.source.spec);
  Moments moments(job.queue, job.ops, width, false);
  std::vector<float> rows, inputs;
  for (const SampleRange& range : job.ranges) {
    rows.resize(static_cast<size_t>(range.rows * hidden));
    inputs.resize(static_cast<size_t>(range.rows * width));
    const Mat x(rows.data(), {range.rows, hidden}), y(inputs.data(), {range.rows, width});
    job.states->read(range.first_row, x);
    job.walk.head_input(*head, range, x, y);
    moments.add(job.samples, range, y, nullptr);
  }
  moments.settle();
  return moments;
}

}  // namespace

HeadOutcome quantize_head(const HeadJob& job) {
  const StoredMatrix matrix{.name = job.plan.name, .shape = job.plan.shape};
  const std::vector<float> values = read_values(job.source, job.queue.pool(), matrix);
  HeadOutcome outcome;
  const bool hessian =
      job.recipe.method == Recipe::Method::gptq || job.recipe.method == Recipe::Method::awq_gptq;
  if (hessian) {
    Moments moments = moments_of(job);
    GptqResult result = solve({job.queue, job.ops, job.recipe, job.plan, values, true}, moments);
    outcome.report.damp = result.damp;
    outcome.report.fell_back = result.rounded;
    outcome.matrix = std::move(result.matrix);
  } else {
    outcome.matrix = round_to_nearest(job.queue.pool(), values, matrix.shape.out, matrix.shape.in,
                                      Rounding::of(job.plan.layout));
  }
  outcome.report.name = matrix.name;
  describe(job.queue.pool(), outcome.matrix, values, outcome.report);
  return outcome;
}

}  // namespace octavo::quant
