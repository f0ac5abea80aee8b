#include "quant/plan.h"

#include <algorithm>
#include <set>

#include "octavo/error.h"

namespace octavo::quant {
namespace {

// The stored matrices of the layers, each once although a fused one has several parts.
std::map<std::string, MatrixShape> stored_matrices(const ModelSpec& spec,
                                                   const Checkpoint& checkpoint) {
  std::map<std::string, MatrixShape> matrices;
  const std::string root = root_in_use(spec, checkpoint);
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    for (const MatrixPart& part : layer_matrices(spec, static_cast<int64_t>(i), root))
      matrices.emplace(part.name, part.stored);
  }
  return matrices;
}

void check(const Recipe& recipe) {
  const int bits = recipe.bits;
  if (bits != 2 && bits != 3 && bits != 4 && bits != 8)
    throw Error(std::to_string(bits) + " bits are not supported", "--bits", "use 2, 3, 4 or 8");
  if (recipe.group_size < 0)
    throw Error("group size " + std::to_string(recipe.group_size) + " is negative", "--group-size",
                "use 32, 64, 128 or 0 for one group a row");
}

// What readers of the format expect of scales.
bool is_float(DType type) {
  return type == DType::f32 || type == DType::f16 || type == DType::bf16;
}

Step quantized(const TensorEntry& entry, const std::string& matrix, const MatrixShape& shape,
               const Recipe& recipe) {
  const int64_t group = recipe.group_size > 0 ? recipe.group_size : shape.in;
  const int64_t groups = (shape.in + group - 1) / group, bits = recipe.bits;
  Step step{.source = &entry,
            .matrix = matrix,
            .shape = shape,
            .group_size = group,
            .groups = groups,
            .scale_dtype = is_float(entry.dtype) ? entry.dtype : DType::f32,
            .outputs = {}};
  step.outputs.push_back(
      {matrix + ".weight_packed", DType::i32, {shape.out, (shape.in * bits + 31) / 32}});
  step.outputs.push_back({matrix + ".weight_scale", step.scale_dtype, {shape.out, groups}});
  step.outputs.push_back({matrix + ".weight_shape", DType::i64, {2}});
  if (!recipe.symmetric)
    step.outputs.push_back(
        {matrix + ".weight_zero_point", DType::i32, {(shape.out * bits + 31) / 32, groups}});
  return step;
}

}  // namespace

Plan make_plan(const ModelSpec& spec, const Checkpoint& checkpoint, const Recipe& recipe) {
  check(recipe);
  const auto matrices = stored_matrices(spec, checkpoint);
  const auto dense = [&](const std::string& name) {
    return std::ranges::any_of(recipe.not_converted, [&](const std::string& part) {
      return name.find(part) != std::string::npos;
    });
  };
  Plan plan;
  plan.settings = {.bits = recipe.bits,
                   .group_size = recipe.group_size,
                   .symmetric = recipe.symmetric,
                   .ignore = {spec.names.head}};
  for (const std::string& name : checkpoint.names()) {
    const TensorEntry& entry = checkpoint.get(name);
    const bool is_weight = name.ends_with(".weight");
    const std::string matrix = is_weight ? name.substr(0, name.size() - 7) : "";
    const auto found = matrices.find(matrix);
    if (is_weight && found != matrices.end() && !dense(matrix)) {
      plan.steps.push_back(quantized(entry, matrix, found->second, recipe));
      continue;
    }
    if (is_weight && found != matrices.end()) plan.settings.ignore.push_back(matrix);
    plan.steps.push_back({.source = &entry,
                          .matrix = {},
                          .shape = {},
                          .group_size = 0,
                          .outputs = {{name, entry.dtype, entry.shape}}});
  }
  for (const auto& [name, shape] : matrices)
    checkpoint.get(name + ".weight");  // throws for an incomplete source
  return plan;
}

}  // namespace octavo::quant
