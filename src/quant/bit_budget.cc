#include "quant/bit_budget.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "quant/layer_job.h"
#include "quant/rounding.h"
#include "quant/rules.h"

namespace octavo::quant {
namespace {

constexpr std::array kWidths{2, 3, 4, 8};
constexpr size_t kSamples = 8, kTokens = 64;  // beginnings of so many, so long

std::vector<std::vector<TokenId>> beginnings(Samples samples) {
  std::vector<std::vector<TokenId>> parts;
  const size_t count = std::min(kSamples, samples.size());
  for (size_t i = 0; i < count; ++i) {
    const auto& sample = samples[i * samples.size() / count];
    parts.emplace_back(sample.begin(),
                       sample.begin() + static_cast<int64_t>(std::min(kTokens, sample.size())));
  }
  return parts;
}

class Measurement {
 public:
  explicit Measurement(const BudgetJob& job)
      : job_(job),
        samples_(beginnings(job.samples)),
        walk_(job.queue, samples_),
        range_(split_samples(samples_, std::numeric_limits<int64_t>::max()).front()),
        rules_(job.recipe.rules, "field dynamic") {}

  std::vector<BitUnit> run() {
    const auto ends = load_part(job_.source, job_.ops, job_.queue.pool(), {.embedding = true},
                                {.dtype = DTypeChoice::float32});
    input_.resize(static_cast<size_t>(range_.rows * job_.source.spec.hidden));
    walk_.embed(*ends, range_, view(input_));
    for (int64_t layer = 0; layer < job_.plan.layers; ++layer) {
      if (job_.progress) job_.progress(layer);
      LayerWork work(job_.source, job_.ops, job_.queue.pool(), layer);
      output_ = run_layer(work);
      for (const InputSet& set : input_sets(work)) measure(work, set);
      input_ = output_;
    }
    return std::move(units_);
  }

 private:
  Mat view(std::vector<float>& rows) const {
    return {rows.data(), {range_.rows, job_.source.spec.hidden}};
  }

  std::vector<float> run_layer(const LayerWork& work) {
    std::vector<float> x = input_;
    walk_.layer(work.model(), work.layer(), range_, view(x));
    return x;
  }

  // Whether the budget says how wide the matrix becomes.
  bool is_free(const StoredMatrix& matrix) const {
    const Recipe::Rule* const rule = rules_.find(matrix.name);
    return !job_.plan.find(matrix.name)->dense && (rule == nullptr || !rule->bits);
  }

  void measure(LayerWork& work, const InputSet& set) {
    BitUnit unit;
    for (const StoredMatrix* matrix : set.matrices) {
      if (!is_free(*matrix)) continue;
      unit.matrices.push_back(matrix->name);
      unit.weights += matrix->shape.out * matrix->shape.in;
    }
    if (unit.matrices.empty()) return;
    double best = std::numeric_limits<double>::infinity();
    for (const int bits : kWidths) {
      for (const StoredMatrix* matrix : set.matrices) {
        if (is_free(*matrix)) round(work, *matrix, bits);
      }
      best = std::min(best, error_of(run_layer(work)));  // never growing with the width
      unit.errors[bits] = best;
      work.restore();
    }
    units_.push_back(std::move(unit));
  }

  void round(LayerWork& work, const StoredMatrix& matrix, int bits) {
    Rounding rounding = Rounding::of(job_.plan.find(matrix.name)->layout);
    rounding.bits = bits;
    work.replace(matrix,
                 read_back(job_.queue.pool(), work.values(matrix), matrix.shape.in, rounding));
  }

  // Of each row by itself: what follows looks at directions, and a few rows are much longer.
  double error_of(const std::vector<float>& output) const {
    const int64_t hidden = job_.source.spec.hidden;
    double sum = 0;
    for (int64_t n = 0; n < range_.rows; ++n) {
      double error = 0, norm = 0;
      for (int64_t k = 0; k < hidden; ++k) {
        const auto at = static_cast<size_t>(n * hidden + k);
        const double d = static_cast<double>(output[at]) - output_[at];
        error += d * d;
        norm += static_cast<double>(output_[at]) * output_[at];
      }
      if (norm > 0) sum += error / norm;
    }
    return sum / static_cast<double>(range_.rows);
  }

  const BudgetJob& job_;
  std::vector<std::vector<TokenId>> samples_;
  LayerWalk walk_;
  SampleRange range_;
  Rules rules_;
  std::vector<float> input_, output_;
  std::vector<BitUnit> units_;
};

// `name` as a pattern that fits it alone.
std::string quoted(const std::string& name) {
  std::string pattern;
  for (const char c : name) {
    if (c == '.') pattern += '\\';
    pattern += c;
  }
  return pattern + "$";
}

}  // namespace

std::map<std::string, int> spend_bits(std::span<const BitUnit> units, double average) {
  std::vector<int> widths;
  double weights = 0, spent = 0;
  for (const BitUnit& unit : units) {
    widths.push_back(unit.errors.begin()->first);
    weights += static_cast<double>(unit.weights);
    spent += static_cast<double>(unit.weights) * widths.back();
  }
  const double budget = average * weights;
  for (;;) {
    // The best step that still fits: a wider one too, where the next by itself gains little.
    size_t chosen = units.size();
    int to = 0;
    double most = 0;
    for (size_t i = 0; i < units.size(); ++i) {
      for (const auto& [width, error] : units[i].errors) {
        const double more = static_cast<double>(units[i].weights) * (width - widths[i]);
        if (width <= widths[i] || spent + more > budget) continue;
        const double gain = (units[i].errors.at(widths[i]) - error) / more;
        if (gain > most) most = gain, chosen = i, to = width;
      }
    }
    if (chosen == units.size()) break;
    spent += static_cast<double>(units[chosen].weights) * (to - widths[chosen]);
    widths[chosen] = to;
  }
  std::map<std::string, int> bits;
  for (size_t i = 0; i < units.size(); ++i) {
    for (const std::string& matrix : units[i].matrices) bits[matrix] = widths[i];
  }
  return bits;
}

std::vector<BitUnit> measure_units(const BudgetJob& job) { return Measurement(job).run(); }

Recipe with_bits(Recipe recipe, const std::map<std::string, int>& bits) {
  const Rules rules(recipe.rules, "field dynamic");
  std::vector<Recipe::Rule> all;
  for (const auto& [name, width] : bits) {
    if (width == recipe.bits) continue;
    Recipe::Rule rule;
    if (const Recipe::Rule* const found = rules.find(name)) rule = *found;  // keeps what it says
    rule.pattern = quoted(name);
    rule.plus = true;
    rule.bits = width;
    all.push_back(std::move(rule));
  }
  all.insert(all.end(), recipe.rules.begin(), recipe.rules.end());
  std::ranges::stable_sort(all, std::ranges::greater(), &Recipe::Rule::skip);
  recipe.rules = std::move(all);
  recipe.average_bits = 0;
  return recipe;
}

}  // namespace octavo::quant
