#include "quant/scale_groups.h"

#include <gtest/gtest.h>

namespace octavo::quant {
namespace {

using From = ScaleGroup::From;
using Judge = ScaleGroup::Judge;

LayerSpec llama_layer(int64_t kv_heads) {
  const NormSpec norm{.kind = NormSpec::Kind::rms, .eps = 1e-6f};
  return {.norm_mixer = norm,
          .mixer = AttentionSpec{.heads = 8, .kv_heads = kv_heads, .head_dim = 4},
          .norm_ffn = norm,
          .ffn = MlpSpec{.hidden = 64, .act = Act::silu, .gated = true}};
}

std::vector<From> sources(const LayerSpec& layer) {
  std::vector<From> all;
  for (const ScaleGroup& group : scale_groups(layer)) all.push_back(group.from);
  return all;
}

TEST(ScaleGroups, of_a_llama_layer) {
  const auto groups = scale_groups(llama_layer(2));
  ASSERT_EQ(groups.size(), 4u);
  EXPECT_EQ(groups[0].to, (std::vector{Role::q, Role::k, Role::v}));
  EXPECT_EQ(groups[1].from, From::v);
  EXPECT_EQ(groups[1].sharing, 4);
  EXPECT_EQ(groups[2].to, (std::vector{Role::gate, Role::up}));
  EXPECT_EQ(groups[3].from, From::up);
}

TEST(ScaleGroups, one_norm_for_both_blocks_is_one_group) {
  LayerSpec layer = llama_layer(8);
  layer.wiring = LayerSpec::Wiring::parallel_one_norm;
  const auto groups = scale_groups(layer);
  EXPECT_EQ(groups[0].to.size(), 5u);
  EXPECT_EQ(groups[0].judge, Judge::both);
  EXPECT_EQ(sources(layer), (std::vector{From::norm_mixer, From::v, From::up}));
}

TEST(ScaleGroups, nothing_is_folded_where_another_reads_along) {
  LayerSpec after = llama_layer(8);
  after.wiring = LayerSpec::Wiring::norm_after;  // the blocks read the residual
  EXPECT_EQ(sources(after), (std::vector{From::v, From::up}));
  LayerSpec bloom = llama_layer(8);
  bloom.residual_is_normed = true;
  EXPECT_EQ(sources(bloom), (std::vector{From::v, From::up}));
  LayerSpec olmo = llama_layer(8);
  olmo.norm_mixer.weight = olmo.norm_ffn.weight = false;
  EXPECT_EQ(sources(olmo), (std::vector{From::v, From::up}));
}

TEST(ScaleGroups, an_activation_in_between_lets_through_only_what_commutes) {
  LayerSpec layer = llama_layer(8);
  auto& mlp = std::get<MlpSpec>(layer.ffn);
  mlp.gated = false;
  mlp.act = Act::gelu;
  EXPECT_EQ(sources(layer), (std::vector{From::norm_mixer, From::v, From::norm_ffn}));
  mlp.act = Act::relu;
  EXPECT_EQ(sources(layer).back(), From::up);
  mlp.act = Act::relu2;
  EXPECT_TRUE(scale_groups(layer).back().squared);
}

TEST(ScaleGroups, norms_and_clips_between_matrices_count) {
  LayerSpec layer = llama_layer(8);
  std::get<AttentionSpec>(layer.mixer).out_norm = layer.norm_mixer;
  std::get<MlpSpec>(layer.ffn).down_norm = layer.norm_mixer;
  EXPECT_EQ(sources(layer),
            (std::vector{From::norm_mixer, From::out_norm, From::norm_ffn, From::down_norm}));
  LayerSpec clipped = llama_layer(8);
  std::get<AttentionSpec>(clipped.mixer).qkv_clip = 8;
  EXPECT_EQ(sources(clipped), (std::vector{From::norm_mixer, From::norm_ffn, From::up}));
}

}  // namespace
}  // namespace octavo::quant
