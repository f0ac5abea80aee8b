#include <algorithm>
#include <cstring>
#include <optional>

#include "quant/layer_job.h"
#include "quant/moments.h"

// GPTQ over a layer: for each set of matrices with one input, the Hessian of that input, then the
// matrices, then on with the quantized ones.

namespace octavo::quant {
namespace {

void solve(LayerJob& job, const StoredMatrix& matrix, Moments& moments, bool last) {
  const MatrixPlan& plan = job.plan_of(matrix);
  if (plan.dense) return;
  const std::vector<float> values = job.work.values(matrix);
  GptqResult result = solve({job.queue, job.ops, job.recipe, plan, values, last}, moments);
  MatrixReport report;
  report.damp = result.damp;
  report.fell_back = result.rounded;
  accept(job, matrix, std::move(result.matrix), values, std::move(report));
}

void solve(LayerJob& job, const InputSet& set, Moments& moments) {
  moments.settle();
  for (const StoredMatrix* matrix : set.matrices)
    solve(job, *matrix, moments, matrix == set.matrices.back());
}

bool any_quantized(const LayerJob& job, const InputSet& set) {
  return std::ranges::any_of(set.matrices,
                             [&](const StoredMatrix* m) { return !job.plan_of(*m).dense; });
}

// One walk with all rows: each set is solved when the walk comes to it.
void solve_in_passing(LayerJob& job, std::vector<InputSet>& sets) {
  const Tap tap{.linear_input = [&](int64_t, Role role, ConstMat x) {
    for (const InputSet& set : sets) {
      if (set.first != role || !any_quantized(job, set)) continue;
      Moments moments(job.queue, job.ops, set.in, false);
      moments.add(job.samples, job.ranges.front(), x, nullptr);
      solve(job, set, moments);
    }
    return true;
  }};
  job.walk.layer(job.work.model(), job.work.layer(), job.ranges.front(), job.states->all(), &tap);
}

// Walks over ranges of samples as far as the inputs of one set, or of several.
class Collector {
 public:
  Collector(LayerJob& job, States* float_states, const LayerWork* original)
      : job_(job), float_states_(float_states), original_(original) {}

  // The walk stops after the first of the roles, when there is but one.
  void collect(std::span<InputSet* const> sets, std::span<Moments> moments) {
    for (const SampleRange& range : job_.ranges) {
      const Mat x = rows_of(states_, *job_.states, range);
      std::optional<ConstMat> original;
      if (float_states_ != nullptr) original = original_input(*sets.front(), range);
      bool stopped = false;
      const Tap tap{.linear_input = [&](int64_t, Role role, ConstMat input) {
        for (size_t i = 0; i < sets.size(); ++i) {
          if (sets[i]->first != role || stopped) continue;
          moments[i].add(job_.samples, range, input, original ? &*original : nullptr);
          stopped = sets.size() == 1;
        }
        return !stopped;
      }};
      job_.walk.layer(job_.work.model(), job_.work.layer(), range, x, &tap);
    }
  }

  // The layer's outputs become the next states.
  void finish() {
    for (const SampleRange& range : job_.ranges) {
      advance(*job_.states, job_.work.model(), range);
      if (float_states_ != nullptr) advance(*float_states_, original_->model(), range);
    }
  }

 private:
  Mat rows_of(std::vector<float>& buffer, const States& states, const SampleRange& range) {
    const int64_t hidden = job_.work.model().spec.hidden;
    buffer.resize(static_cast<size_t>(range.rows * hidden));
    const Mat x(buffer.data(), {range.rows, hidden});
    states.read(range.first_row, x);
    return x;
  }

  void advance(States& states, const Model& model, const SampleRange& range) {
    const Mat x = rows_of(states_, states, range);
    job_.walk.layer(model, job_.work.layer(), range, x);
    states.write(range.first_row, x);
  }

  // What the set multiplies in the unquantized model.
  ConstMat original_input(const InputSet& set, const SampleRange& range) {
    const Mat x = rows_of(float_rows_, *float_states_, range);
    original_input_.resize(static_cast<size_t>(range.rows * set.in));
    const Mat kept(original_input_.data(), {range.rows, set.in});
    bool stopped = false;
    const Tap tap{.linear_input = [&](int64_t, Role role, ConstMat input) {
      if (role == set.first && !stopped) {
        for (int64_t n = 0; n < input.rows(); ++n)
          std::memcpy(kept.at(n), input.at(n), static_cast<size_t>(set.in) * sizeof(float));
        stopped = true;
      }
      return !stopped;
    }};
    job_.walk.layer(original_->model(), job_.work.layer(), range, x, &tap);
    return kept;
  }

  LayerJob& job_;
  States* float_states_;
  const LayerWork* original_;
  std::vector<float> states_, float_rows_, original_input_;
};

}  // namespace

void gptq_layer(LayerJob& job, States* float_states) {
  std::vector<InputSet> sets = input_sets(job.work);
  const bool whole = job.ranges.size() == 1 && job.states->in_memory();
  if (job.recipe.true_sequential && whole && float_states == nullptr)
    return solve_in_passing(job, sets);
  std::optional<LayerWork> original;
  if (float_states != nullptr)
    original.emplace(job.work.source(), job.ops, job.pool(), job.work.layer());
  Collector collector(job, float_states, original ? &*original : nullptr);
  std::erase_if(sets, [&](const InputSet& set) { return !any_quantized(job, set); });
  std::vector<InputSet*> all;
  for (InputSet& set : sets) all.push_back(&set);
  // GPTAQ pairs each input with the unquantized model's, one set at a time.
  const bool one_by_one = job.recipe.true_sequential || float_states != nullptr;
  const size_t step = one_by_one ? 1 : std::max<size_t>(1, all.size());
  for (size_t begin = 0; begin < all.size(); begin += step) {
    const auto some = std::span(all).subspan(begin, step);
    std::vector<Moments> moments;
    for (const InputSet* set : some)
      moments.emplace_back(job.queue, job.ops, set->in, float_states != nullptr);
    collector.collect(some, moments);
    for (size_t i = 0; i < some.size(); ++i) solve(job, *some[i], moments[i]);
  }
  collector.finish();
}

}  // namespace octavo::quant
