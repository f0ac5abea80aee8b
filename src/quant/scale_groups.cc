#include "quant/scale_groups.h"

namespace octavo::quant {
namespace {

using From = ScaleGroup::From;
using Judge = ScaleGroup::Judge;

// A norm whose weights can take the scales.
bool folds(const NormSpec& norm) { return norm.kind != NormSpec::Kind::none && norm.weight; }

// Activations f with f(g) · u linear in u, or f(u / s) = f(u) / s for positive s.
bool passes_scale(const MlpSpec& mlp) {
  return mlp.gated || mlp.act == Act::none || mlp.act == Act::relu || mlp.act == Act::relu2;
}

std::vector<Role> feeding(const MlpSpec& mlp) {
  return mlp.gated ? std::vector{Role::gate, Role::up} : std::vector{Role::up};
}

}  // namespace

std::string_view name(From from) {
  static constexpr std::string_view kNames[] = {"norm_mixer", "norm_ffn", "out_norm",
                                                "down_norm",  "v",        "up"};
  return kNames[static_cast<size_t>(from)];
}

std::vector<ScaleGroup> scale_groups(const LayerSpec& layer) {
  const auto& a = std::get<AttentionSpec>(layer.mixer);
  const auto& mlp = std::get<MlpSpec>(layer.ffn);
  std::vector<ScaleGroup> groups;
  const bool before =
      layer.wiring == LayerSpec::Wiring::sequential || layer.wiring == LayerSpec::Wiring::parallel;
  // Where a norm's output is the residual itself, it has another reader.
  const bool alone = !layer.residual_is_normed;
  if (layer.wiring == LayerSpec::Wiring::parallel_one_norm && folds(layer.norm_mixer) && alone) {
    std::vector<Role> to{Role::q, Role::k, Role::v};
    for (const Role role : feeding(mlp)) to.push_back(role);
    groups.push_back({.from = From::norm_mixer, .to = std::move(to), .judge = Judge::both});
  } else if (before && folds(layer.norm_mixer) && alone) {
    groups.push_back(
        {.from = From::norm_mixer, .to = {Role::q, Role::k, Role::v}, .judge = Judge::mixer});
  }
  if (folds(a.out_norm)) {
    groups.push_back({.from = From::out_norm, .to = {Role::o}, .judge = Judge::product});
  } else if (a.out_norm.kind == NormSpec::Kind::none && a.qkv_clip == 0) {
    groups.push_back({.from = From::v,
                      .to = {Role::o},
                      .judge = Judge::product,
                      .sharing = a.heads / a.kv_heads});
  }
  if (before && folds(layer.norm_ffn) && alone)
    groups.push_back({.from = From::norm_ffn, .to = feeding(mlp), .judge = Judge::ffn});
  if (folds(mlp.down_norm)) {
    groups.push_back({.from = From::down_norm, .to = {Role::down}, .judge = Judge::product});
  } else if (mlp.down_norm.kind == NormSpec::Kind::none && passes_scale(mlp)) {
    groups.push_back({.from = From::up,
                      .to = {Role::down},
                      .judge = Judge::product,
                      .squared = !mlp.gated && mlp.act == Act::relu2});
  }
  return groups;
}

}  // namespace octavo::quant
