#include "quant/plan.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/json.h"
#include "io/gguf.h"
#include "io/quantization_section.h"
#include "octavo/error.h"
#include "quant/rules.h"

namespace octavo::quant {
namespace {

// What the recipe says of one matrix, its rules applied.
MatrixPlan settled(const Recipe& recipe, const Rules& rules, const std::string& name) {
  MatrixPlan plan{.name = name, .shape = {}, .mse = recipe.mse};
  plan.layout.settings = {.format = recipe.format,
                          .bits = recipe.bits,
                          .group_size = recipe.group_size,
                          .symmetric = recipe.symmetric,
                          .act_order = recipe.desc_act && !recipe.static_groups};
  plan.dense = std::ranges::any_of(recipe.not_converted, [&](const std::string& part) {
    return name.find(part) != std::string::npos;
  });
  const Recipe::Rule* const rule = rules.find(name);
  if (rule == nullptr) return plan;
  QuantSettings& settings = plan.layout.settings;
  plan.dense |= rule->skip;
  settings.bits = rule->bits.value_or(settings.bits);
  settings.group_size = rule->group_size.value_or(settings.group_size);
  settings.symmetric = rule->symmetric.value_or(settings.symmetric);
  settings.act_order = rule->desc_act.value_or(recipe.desc_act) && !recipe.static_groups;
  plan.mse = rule->mse.value_or(recipe.mse);
  return plan;
}

class Planner {
 public:
  Planner(const ModelSource& source, const Recipe& recipe)
      : source_(source), recipe_(recipe), rules_(recipe.rules, "field dynamic") {}

  Plan plan() {
    const std::string root = root_in_use(source_.spec, source_.checkpoint);
    plan_.layers = static_cast<int64_t>(source_.spec.layers.size());
    plan_.head = source_.spec.names.head;
    for (int64_t i = 0; i < plan_.layers; ++i) {
      for (const MatrixPart& part : layer_matrices(source_.spec, i, root))
        add(part.name, part.stored, i);
    }
    if (recipe_.head) add_head();
    lay_out();
    return std::move(plan_);
  }

 private:
  void add(const std::string& name, const MatrixShape& shape, int64_t layer) {
    if (plan_.find(name) != nullptr) return;  // another part of a fused one
    MatrixPlan matrix = settled(recipe_, rules_, name);
    matrix.shape = shape;
    matrix.layer = layer;
    const TensorEntry& entry = source_.checkpoint.get(name + ".weight");
    matrix.layout.out = shape.out;
    matrix.layout.in = shape.in;
    matrix.layout.scale_dtype = scale_dtype_in(recipe_.format, entry.dtype);
    if (!matrix.dense) check_layout(matrix.layout, name);
    plan_.matrices.push_back(std::move(matrix));
  }

  void add_head() {
    const std::string& name = source_.spec.names.head;
    if (source_.spec.head.tied || source_.checkpoint.find(name + ".weight") == nullptr) {
      throw Error("the output head is the embedding table, which stays as it is", "lm_head",
                  "leave lm_head out");
    }
    add(name, {.out = source_.spec.vocab, .in = embedding_width(source_.spec)}, -1);
  }

  void lay_out() {
    std::map<std::string, const MatrixPlan*> quantized;
    for (const MatrixPlan& matrix : plan_.matrices) {
      if (!matrix.dense) quantized.emplace(matrix.name + ".weight", &matrix);
    }
    for (const std::string& name : source_.checkpoint.names()) {
      const TensorEntry& entry = source_.checkpoint.get(name);
      if (const auto found = quantized.find(name); found != quantized.end()) {
        for (TensorPlan& tensor : layout_tensors(found->second->layout, found->second->name))
          plan_.tensors.push_back(std::move(tensor));
      } else {
        plan_.tensors.push_back({name, entry.dtype, entry.shape});
        plan_.copied.push_back(name);
      }
    }
  }

  const ModelSource& source_;
  const Recipe& recipe_;
  Rules rules_;
  Plan plan_;
};

}  // namespace

const MatrixPlan* Plan::find(const std::string& name) const {
  const auto found = std::ranges::find(matrices, name, &MatrixPlan::name);
  return found == matrices.end() ? nullptr : &*found;
}

ModelSource open_full_precision(const std::filesystem::path& model) {
  if (is_gguf(model)) {
    throw Error("a GGUF file cannot be quantized again", model.string(),
                "give the model's full-precision directory");
  }
  ModelSource source = ModelSource::open(model);
  if (source.config.has("quantization_config")) {
    throw Error("the model is quantized already", source.config.where(),
                "give the full-precision model");
  }
  return source;
}

Plan make_plan(const ModelSource& source, const Recipe& recipe) {
  return Planner(source, recipe).plan();
}

Json config_section(const Plan& plan, const Recipe& recipe) {
  std::vector<SectionMatrix> matrices;
  for (const MatrixPlan& matrix : plan.matrices)
    matrices.push_back({.name = matrix.name,
                        .dense = matrix.dense,
                        .settings = matrix.layout.settings,
                        .head = matrix.name == plan.head});
  if (plan.find(plan.head) == nullptr)
    matrices.push_back({.name = plan.head, .dense = true, .head = true});
  return quantization_section(recipe, matrices, {.gptqmodel_keys = recipe.states_format});
}

}  // namespace octavo::quant
