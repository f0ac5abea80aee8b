#include "quant/validate.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "io/quantized_layout.h"
#include "model/derive.h"
#include "octavo/error.h"
#include "quant/recipe_settings.h"
#include "quant/rules.h"

namespace octavo::quant {
namespace {

using Method = Recipe::Method;
using Weight = Finding::Weight;

// Fewer tokens than this share of a matrix's inputs say little of their correlations.
constexpr int64_t kTokensAnInput = 2;
constexpr size_t kMostShown = 3;

// A stored matrix as the recipe would make it.
struct Target {
  std::string name;
  int64_t layer = 0;  // -1: the head
  Role role = Role::q;
  bool dense = false;
  MatrixLayout layout;
};

std::string number(int64_t value) { return std::to_string(value); }

class Validation {
 public:
  Validation(const Recipe& recipe, const ModelSource& source, const CalibrationFacts& calibration)
      : recipe_(recipe),
        source_(source),
        calibration_(calibration),
        rules_(recipe.rules, "field dynamic"),
        root_(root_in_use(source.spec, source.checkpoint)) {}

  std::vector<Finding> run() {
    check_method();
    check_average();
    check_calibration();
    check_head();
    find_targets();
    for (const Target& target : targets_) check_target(target);
    check_names();
    check_fused();
    if (std::ranges::all_of(targets_, &Target::dense))
      problem("every matrix would stay dense", "modules_to_not_convert, dynamic",
              "leave some to quantize");
    gather();
    std::ranges::stable_sort(findings_, {}, &Finding::weight);
    return std::move(findings_);
  }

 private:
  void problem(std::string what, std::string where, std::string mend) {
    findings_.push_back({Weight::problem, std::move(what), std::move(where), std::move(mend)});
  }
  void advice(std::string what, std::string where, std::string mend) {
    findings_.push_back({Weight::advice, std::move(what), std::move(where), std::move(mend)});
  }
  // Of one matrix; those alike become one.
  void of_matrix(Weight weight, const std::string& what, const std::string& mend,
                 const std::string& matrix) {
    by_matrix_[{weight, what, mend}].push_back(matrix);
  }

  bool uses_gptq() const {
    return recipe_.method == Method::gptq || recipe_.method == Method::awq_gptq;
  }

  void check_method() {
    const std::string method(name(recipe_.method));
    if (recipe_.group_size < 0)
      problem("group size " + number(recipe_.group_size), "group_size",
              "use 128, or -1 for one group a row");
    if (recipe_.desc_act && !uses_gptq())
      problem("act-order is GPTQ's, and the method is " + method, "desc_act",
              "use method gptq or awq_gptq, or leave desc_act out");
    if (recipe_.desc_act && recipe_.act_group_aware.value_or(false))
      problem("act_group_aware and desc_act exclude each other", "act_group_aware",
              "leave desc_act out: group-aware order is as good and costs nothing at run time");
    if (recipe_.static_groups && !recipe_.desc_act)
      advice("static_groups changes nothing without desc_act", "static_groups",
             "set desc_act too, or leave it out");
    if (recipe_.gptaq_alpha && recipe_.method != Method::gptq)
      advice("gptaq is not used by method " + method, "gptaq", "use method gptq");
    if (recipe_.mse > 0 && !uses_gptq())
      advice("the range search mse is not used by method " + method, "mse",
             "use method gptq or awq_gptq");
    if (recipe_.damp_percent <= 0 && uses_gptq())
      advice("no damping: it is raised wherever a Hessian cannot be factored", "damp_percent",
             "use 0.05");
  }

  void check_average() {
    if (recipe_.average_bits <= 0) return;
    const double nearest = std::clamp(recipe_.average_bits, 2.0, 8.0);
    if (nearest != recipe_.average_bits)
      problem("an average of " + std::to_string(recipe_.average_bits) + " bits", "average_bits",
              nearest < recipe_.average_bits ? "use at most 8" : "use at least 2");
    if (is_awq(recipe_.format))
      problem("layouts of AWQ hold 4 bits only, so there is nothing to spend", "average_bits",
              "use format gptq-v2 or compressed-tensors");
  }

  void check_calibration() {
    const bool measures = recipe_.average_bits > 0;
    if (recipe_.method == Method::rtn && !measures) {
      if (calibration_.samples > 0)
        advice("rounding to nearest uses no calibration data", "--calibration", "leave it out");
      return;
    }
    if (calibration_.samples == 0)
      problem((measures ? "a budget of bits" : "method " + std::string(name(recipe_.method))) +
                  " needs calibration data",
              "--calibration",
              measures ? "name a file of text" : "name a file of text, or use method rtn");
    const int64_t positions = source_.spec.max_positions;
    if (positions > 0 && calibration_.longest > positions)
      problem("samples of " + number(calibration_.longest) + " tokens, the model takes " +
                  number(positions),
              "--seq-len", "use " + number(positions));
  }

  void check_head() {
    if (!recipe_.head || has_own_head()) return;
    problem("the output head is the embedding table, which stays as it is", "lm_head",
            "leave lm_head out");
  }

  bool has_own_head() const {
    return !source_.spec.head.tied &&
           source_.checkpoint.find(source_.spec.names.head + ".weight") != nullptr;
  }

  void find_targets() {
    std::set<std::string> seen;
    for (size_t i = 0; i < source_.spec.layers.size(); ++i) {
      const auto layer = static_cast<int64_t>(i);
      for (const MatrixPart& part : layer_matrices(source_.spec, layer, root_)) {
        if (seen.insert(part.name).second) add(part.name, layer, part.role, part.stored);
      }
    }
    if (recipe_.head && has_own_head())
      add(source_.spec.names.head, -1, Role::head,
          {.out = source_.spec.vocab, .in = embedding_width(source_.spec)});
  }

  void add(const std::string& name, int64_t layer, Role role, const MatrixShape& shape) {
    Target target{.name = name, .layer = layer, .role = role, .layout = {}};
    const Recipe::Rule* rule = rule_of(name);
    const Recipe::Rule own = rule != nullptr ? *rule : Recipe::Rule{};
    target.dense = own.skip || kept_dense(name);
    const bool order = own.desc_act.value_or(recipe_.desc_act) && !recipe_.static_groups;
    target.layout = {.settings = {.format = recipe_.format,
                                  .bits = own.bits.value_or(recipe_.bits),
                                  .group_size = own.group_size.value_or(recipe_.group_size),
                                  .symmetric = own.symmetric.value_or(recipe_.symmetric),
                                  .act_order = order && uses_gptq()},
                     .out = shape.out,
                     .in = shape.in};
    targets_.push_back(std::move(target));
  }

  const Recipe::Rule* rule_of(const std::string& name) {
    const Recipe::Rule* rule = rules_.find(name);
    if (rule != nullptr) used_.insert(rule->pattern);
    return rule;
  }

  bool kept_dense(const std::string& name) {
    bool dense = false;
    for (const std::string& part : recipe_.not_converted) {
      if (name.find(part) == std::string::npos) continue;
      used_.insert(part);
      dense = true;
    }
    return dense;
  }

  void check_target(const Target& target) {
    if (target.dense) return;
    const MatrixLayout& layout = target.layout;
    const int64_t group = layout.settings.group_size, in = layout.in;
    const bool divides = group <= 0 || group >= in || in % group == 0;
    if (!divides) {
      const bool awq = is_awq(recipe_.format);
      of_matrix(awq ? Weight::problem : Weight::advice,
                "group size " + number(group) + " does not divide " + number(in) + " inputs" +
                    (awq ? "" : ", which few other readers take"),
                "use " + nearest_groups(group, in), target.name);
      if (awq) return;
    }
    try {
      check_layout(layout, target.name);
    } catch (const Error& error) {
      of_matrix(Weight::problem, error.problem(), error.mend(), target.name);
    }
    if (uses_gptq() && calibration_.tokens > 0 && calibration_.tokens < kTokensAnInput * in)
      of_matrix(Weight::advice,
                number(calibration_.tokens) + " tokens to calibrate with are few for " +
                    number(in) + " inputs",
                "give " + number(8 * in) + " or more", target.name);
  }

  // The usual sizes next to `group` that divide `in`.
  static std::string nearest_groups(int64_t group, int64_t in) {
    int64_t below = 0, above = 0;
    for (int64_t size = 16; size <= 1024; size *= 2) {
      if (in % size != 0) continue;
      if (size <= group) below = size;
      if (size > group && above == 0) above = size;
    }
    std::string text;
    for (const int64_t size : {below, above}) {
      if (size > 0) text += (text.empty() ? "" : " or ") + number(size);
    }
    return text.empty() ? "-1 (one group a row)" : text;
  }

  // Rules and names that nothing has: misspelled, or the model is another one.
  void check_names() {
    for (const Recipe::Rule& rule : recipe_.rules) {
      if (used_.contains(rule.pattern)) continue;
      if (!recipe_.head && rules_.find(source_.spec.names.head) != nullptr &&
          rules_.find(source_.spec.names.head)->pattern == rule.pattern) {
        if (!rule.skip)
          advice("the head stays dense, so rule \"" + rule.pattern + "\" changes nothing",
                 "dynamic", "set lm_head");
        continue;
      }
      advice("rule \"" + rule.pattern + "\" is the first match of no matrix", "dynamic",
             "correct it; a matrix is called " + example());
    }
    for (const std::string& part : recipe_.not_converted) {
      const bool head = source_.spec.names.head.find(part) != std::string::npos;
      if (!used_.contains(part) && !head)
        advice("no matrix has \"" + part + "\" in its name", "modules_to_not_convert",
               "correct it; a matrix is called " + example());
    }
  }

  std::string example() const { return targets_.empty() ? "nothing here" : targets_[0].name; }

  // Readers that join q, k, v and gate, up need them alike.
  void check_fused() {
    using Key = std::pair<int64_t, int>;
    std::map<Key, const Target*> first;
    std::set<Key> mixed;
    for (const Target& target : targets_) {
      const bool qkv = target.role == Role::q || target.role == Role::k || target.role == Role::v;
      const bool gate_up = target.role == Role::gate || target.role == Role::up;
      if (!qkv && !gate_up) continue;
      const Key key{target.layer, qkv};
      const auto [found, fresh] = first.emplace(key, &target);
      const bool alike =
          fresh || (found->second->dense == target.dense &&
                    (target.dense || found->second->layout.settings == target.layout.settings));
      if (!alike) mixed.insert(key);
    }
    if (!mixed.empty())
      advice("q, k, v or gate, up are not made alike in " +
                 number(static_cast<int64_t>(mixed.size())) + " places, which vLLM does not load",
             "dynamic, modules_to_not_convert", "treat those of a layer alike");
  }

  void gather() {
    for (const auto& [kind, matrices] : by_matrix_) {
      std::string where;
      for (size_t i = 0; i < std::min(kMostShown, matrices.size()); ++i)
        where += (where.empty() ? "" : ", ") + matrices[i];
      if (matrices.size() > kMostShown)
        where += " and " + number(static_cast<int64_t>(matrices.size() - kMostShown)) + " more";
      findings_.push_back({std::get<0>(kind), std::get<1>(kind), where, std::get<2>(kind)});
    }
  }

  const Recipe& recipe_;
  const ModelSource& source_;
  const CalibrationFacts& calibration_;
  Rules rules_;
  std::string root_;
  std::vector<Target> targets_;
  std::set<std::string> used_;  // patterns and parts of names that something has
  std::map<std::tuple<Weight, std::string, std::string>, std::vector<std::string>> by_matrix_;
  std::vector<Finding> findings_;
};

}  // namespace

std::vector<Finding> validate(const Recipe& recipe, const ModelSource& source,
                              const CalibrationFacts& calibration) {
  return Validation(recipe, source, calibration).run();
}

std::vector<std::string> refuse_problems(const std::vector<Finding>& findings) {
  std::vector<const Finding*> problems;
  std::vector<std::string> lines;
  for (const Finding& finding : findings) {
    if (finding.weight == Weight::problem)
      problems.push_back(&finding);
    else
      lines.push_back(finding.what + " (" + finding.where + "): " + finding.mend);
  }
  if (problems.empty()) return lines;
  std::string earlier;
  for (size_t i = 0; i + 1 < problems.size(); ++i)
    earlier += problems[i]->what + " (" + problems[i]->where + "): " + problems[i]->mend + "; ";
  throw Error(earlier + problems.back()->what, problems.back()->where, problems.back()->mend);
}

}  // namespace octavo::quant
