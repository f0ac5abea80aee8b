#include <algorithm>
#include <cmath>

#include "quant/layer_job.h"
#include "quant/limit_search.h"
#include "quant/observations.h"
#include "quant/rounding.h"
#include "quant/scale_search.h"

// AWQ over a layer (2306.00978): look at its inputs, search scales for every group on the weights
// as they are, fold all of them, then search limits on what that gives.

namespace octavo::quant {
namespace {

using From = ScaleGroup::From;

constexpr int64_t kSearchRows = 1024;
// In front of GPTQ, which makes up for much of what scales prevent, they are folded from 4 bits on
// only where rounding to nearest loses so much less with them; at 3 and 2 bits they help anyway.
constexpr double kWorthBeforeGptq = 0.8;
constexpr int kAlwaysWorthBits = 3;
constexpr size_t kOutliers = 8;  // of a matrix's inputs, for the report

// The role whose set holds the observations of `role`'s input.
const Observed& observed_input(const Observations& observed, const StoredMatrix& matrix) {
  const Role role = matrix.parts.front().role;
  const auto found = observed.inputs.find(role);
  if (found != observed.inputs.end()) return found->second;
  return observed.inputs.at(role <= Role::v ? Role::q : Role::gate);
}

class Folder {
 public:
  explicit Folder(LayerWork& work) : work_(work) {}

  void fold(const ScaleGroup& group, std::vector<float> scales) {
    const LayerSpec& spec = work_.spec();
    const Names& names = work_.model().spec.names;
    const auto& a = std::get<AttentionSpec>(spec.mixer);
    const auto& mlp = std::get<MlpSpec>(spec.ffn);
    switch (group.from) {
      case From::norm_mixer:
        divide(&LayerWeights::norm_mixer, spec.norm_mixer, names.norm_mixer, scales);
        break;
      case From::norm_ffn:
        divide(&LayerWeights::norm_ffn, spec.norm_ffn, names.norm_ffn, scales);
        break;
      case From::out_norm:
        divide(&LayerWeights::out_norm, a.out_norm, names.out_norm, scales);
        break;
      case From::down_norm:
        divide(&LayerWeights::down_norm, mlp.down_norm, names.down_norm, scales);
        break;
      case From::v:
        divide(Role::v, of_channels(scales, a.head_dim, group.sharing));
        break;
      case From::up:
        divide(Role::up, group.squared ? roots(scales) : scales);
        break;
    }
    for (const Role role : group.to) {
      StoredMatrix& matrix = *work_.find(role);
      if (std::ranges::find(multiplied_, &matrix) != multiplied_.end()) continue;  // fused
      multiplied_.push_back(&matrix);
      matrix.column_factors = scales;
    }
  }

 private:
  // `scales` become what the rounded norm really divides by, so that the product stays what it was.
  void divide(NormWeights LayerWeights::*norm, const NormSpec& spec, const std::string& suffix,
              std::vector<float>& scales) {
    const NormWeights& weights = work_.model().layers[static_cast<size_t>(work_.layer())].*norm;
    const std::vector<float> before(weights.weight.begin(), weights.weight.end());
    work_.divide_norm(norm, spec, work_.full_name(suffix), scales);
    for (size_t i = 0; i < scales.size(); ++i) {
      const float exact = (before[i] + spec.offset) / (weights.weight[i] + spec.offset);
      if (std::isfinite(exact) && exact > 0) scales[i] = exact;
    }
  }

  void divide(Role role, const std::vector<float>& divisors) {
    StoredMatrix& matrix = *work_.find(role);
    const auto part = std::ranges::find(matrix.parts, role, &MatrixPart::role);
    if (matrix.row_divisors.empty())
      matrix.row_divisors.assign(static_cast<size_t>(matrix.shape.out), 1.0f);
    const std::vector<int64_t> rows = matrix.rows(*part);
    for (size_t i = 0; i < rows.size(); ++i)
      matrix.row_divisors[static_cast<size_t>(rows[i])] = divisors[i];
    work_.divide_bias(role, divisors);
  }

  // Of the channels of v: the first query head of those that read it stands for all.
  static std::vector<float> of_channels(const std::vector<float>& scales, int64_t head_dim,
                                        int64_t sharing) {
    std::vector<float> channels;
    const auto heads = static_cast<int64_t>(scales.size()) / head_dim;
    for (int64_t h = 0; h < heads; h += sharing) {
      const auto head = scales.begin() + h * head_dim;
      channels.insert(channels.end(), head, head + head_dim);
    }
    return channels;
  }

  static std::vector<float> roots(std::vector<float> scales) {
    for (float& s : scales) s = std::sqrt(s);
    return scales;
  }

  LayerWork& work_;
  std::vector<StoredMatrix*> multiplied_;
};

std::string names_of(const std::vector<Role>& roles) {
  std::string text;
  for (const Role role : roles) text += (text.empty() ? "" : ", ") + std::string(name(role));
  return text;
}

bool any_quantized(const LayerJob& job, const ScaleGroup& group) {
  return std::ranges::any_of(group.to, [&](Role role) {
    StoredMatrix* const matrix = job.work.find(role);
    return matrix != nullptr && !job.plan_of(*matrix).dense;
  });
}

std::vector<MatrixReport::Outlier> outliers_of(const std::vector<float>& mean_abs) {
  std::vector<float> sorted = mean_abs;
  std::ranges::nth_element(sorted, sorted.begin() + static_cast<int64_t>(sorted.size() / 2));
  const double median = sorted[sorted.size() / 2];
  std::vector<MatrixReport::Outlier> all;
  for (size_t k = 0; k < mean_abs.size(); ++k) {
    all.push_back({static_cast<int64_t>(k), median > 0 ? mean_abs[k] / median : 0});
  }
  const size_t count = std::min(kOutliers, all.size());
  std::ranges::partial_sort(all, all.begin() + static_cast<int64_t>(count), std::greater(),
                            &MatrixReport::Outlier::ratio);
  all.resize(count);
  return all;
}

// Whether found scales are folded where GPTQ follows.
bool worth_before_gptq(const LayerJob& job, const ScaleGroup& group, const FoundScales& found) {
  const MatrixPlan& plan = job.plan_of(*job.work.find(group.to.front()));
  const int bits = plan.dense ? 0 : plan.layout.settings.bits;
  return bits <= kAlwaysWorthBits || found.loss < kWorthBeforeGptq * found.loss_one;
}

// Scales are searched and folded; returns what was seen.
Observations scale_layer(LayerJob& job, bool moments, bool advance) {
  Observations observed =
      observe(job, {.search_rows = kSearchRows, .moments = moments, .advance = advance});
  std::vector<std::pair<ScaleGroup, FoundScales>> found;
  for (const ScaleGroup& group : scale_groups(job.work.spec())) {
    if (any_quantized(job, group)) found.emplace_back(group, search_scales(job, group, observed));
  }
  Folder folder(job.work);
  for (auto& [group, scales] : found) {
    job.report.scales.push_back({.from = job.work.full_name(std::string(name(group.from))),
                                 .to = names_of(group.to),
                                 .ratio = scales.ratio,
                                 .loss = scales.loss,
                                 .loss_one = scales.loss_one,
                                 .scales = scales.scales});
    const bool gptq_follows = job.recipe.method == Recipe::Method::awq_gptq;
    if (scales.ratio >= 0 && (!gptq_follows || worth_before_gptq(job, group, scales)))
      folder.fold(group, std::move(scales.scales));
  }
  return observed;
}

}  // namespace

void search_layer(LayerJob& job) {
  scale_layer(job, false, false);
  // From here on the model computes with the scaled matrices and norms.
  for (const StoredMatrix& matrix : job.work.matrices()) {
    if (!matrix.column_factors.empty() || !matrix.row_divisors.empty())
      job.work.replace(matrix, job.work.values(matrix));
  }
}

void awq_layer(LayerJob& job) {
  const bool clip = job.recipe.apply_clip;
  const Observations observed = scale_layer(job, clip, true);
  for (const StoredMatrix& matrix : job.work.matrices()) {
    const MatrixPlan& plan = job.plan_of(matrix);
    const std::vector<float> values = job.work.values(matrix);
    if (plan.dense) {
      job.work.replace(matrix, values);
      continue;
    }
    const Observed& input = observed_input(observed, matrix);
    FoundLimits found;
    if (clip) found = search_limits(job, matrix, values, input, matrix.column_factors);
    MatrixReport report;
    report.clipped = found.clipped;
    report.outliers = outliers_of(input.mean_abs);
    accept(job, matrix,
           round_to_nearest(job.pool(), values, matrix.shape.out, matrix.shape.in,
                            Rounding::of(plan.layout), found.limits),
           values, std::move(report));
  }
}

}  // namespace octavo::quant
