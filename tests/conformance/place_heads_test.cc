// The fused walk from q, k, v to a written cache: bit by bit what its parts give one after another,
// in every table.

#include "tables.h"

namespace octavo::conformance {
namespace {

using Kind = PlaceHeads::NormKind;

struct PlaceShape {
  int64_t heads = 4, kv_heads = 2, head_dim = 64, rows = 3;
  DType dtype = DType::bf16;
  Kind norm = Kind::none;
  bool after_rope = false, own_weights = false, rotates = true, factors = false;
  RopePairs pairs = RopePairs::half;
};

class PlaceHeadsOps : public Conformance {
 protected:
  void norm(const PlaceHeads& p) {
    const auto run = [&](Heads x, Vec weight, Vec bias) {
      const HeadNorm each{
          .x = x, .weight = weight, .bias = bias, .eps = p.norms.eps, .offset = p.norms.offset};
      (p.norms.kind == Kind::rms ? ops_.head_rms_norm : ops_.head_layer_norm)(queue_, each);
    };
    if (p.norms.kind == Kind::none) return;
    run(p.q, p.norms.q_weight, p.norms.q_bias);
    run(p.k, p.norms.k_weight, p.norms.k_bias);
  }

  void run_parts(const PlaceHeads& p, Mat q) {
    if (!p.norms.after_rope) norm(p);
    if (p.cos.data != nullptr) {
      ops_.rope(queue_, p.q, p.cos, p.sin, p.pairs);
      ops_.rope(queue_, p.k, p.cos, p.sin, p.pairs);
    }
    if (p.norms.after_rope) norm(p);
    if (!p.query_factors.empty()) ops_.scale_rows(queue_, q, p.query_factors);
    ops_.write_kv(queue_, p.k, p.v, p.slots, p.kv);
  }

  void expect_parts(const PlaceShape& s) {
    Random random(31);
    const int64_t blocks = s.rows / 16 + 2;
    const KvShape shape{
        .kv_heads = s.kv_heads, .head_dim = s.head_dim, .block_tokens = 16, .dtype = s.dtype};
    const Padded q(s.rows, s.heads * s.head_dim, random),
        k(s.rows, s.kv_heads * s.head_dim, random);
    Padded v(s.rows, s.kv_heads * s.head_dim, random);
    const Padded cos(s.rows, s.head_dim / 2, random), sin(s.rows, s.head_dim / 2, random);
    const auto weights = [&](int64_t heads) {
      return random.normals(s.head_dim * (s.own_weights ? heads : 1));
    };
    const auto qw = weights(s.heads), qb = weights(s.heads);
    const auto kw = weights(s.kv_heads), kb = weights(s.kv_heads), f = random.normals(s.rows);
    std::vector<int32_t> slots(s.rows);
    for (int64_t n = 0; n < s.rows; ++n) slots[n] = static_cast<int32_t>(blocks * 16 - 1 - n);
    Padded q_out[2] = {q, q}, k_out[2] = {k, k};
    std::vector<std::byte> keys[2], values[2];
    for (int i = 0; i < 2; ++i) {
      keys[i].resize(blocks * shape.block_bytes());
      values[i].resize(blocks * shape.block_bytes());
      PlaceHeads p{.q = q_out[i].heads(s.heads),
                   .k = k_out[i].heads(s.kv_heads),
                   .v = v.heads(s.kv_heads),
                   .norms = {.kind = s.norm,
                             .q_weight = qw,
                             .q_bias = s.norm == Kind::layer ? Vec(qb) : Vec(),
                             .k_weight = kw,
                             .k_bias = s.norm == Kind::layer ? Vec(kb) : Vec(),
                             .eps = 1e-5f,
                             .offset = 1,
                             .after_rope = s.after_rope},
                   .pairs = s.pairs,
                   .query_factors = s.factors ? Vec(f) : Vec(),
                   .slots = slots,
                   .kv = {shape, keys[i].data(), values[i].data()}};
      if (s.rotates) {
        p.cos = cos.mat();
        p.sin = sin.mat();
      }
      if (i == 0) {
        run_parts(p, q_out[i].mat());
      } else {
        ops_.place_heads(queue_, p);
      }
    }
    EXPECT_EQ(q_out[0], q_out[1]);
    EXPECT_EQ(k_out[0], k_out[1]);
    EXPECT_TRUE(q_out[1].padding_untouched() && k_out[1].padding_untouched());
    EXPECT_EQ(keys[0], keys[1]);
    EXPECT_EQ(values[0], values[1]);
  }
};

TEST_P(PlaceHeadsOps, norms_and_rotation_come_in_either_order) {
  for (Kind kind : {Kind::none, Kind::rms, Kind::layer}) {
    for (bool after_rope : {false, true}) {
      for (RopePairs pairs : {RopePairs::half, RopePairs::interleaved}) {
        expect_parts(
            {.norm = kind, .after_rope = after_rope, .own_weights = after_rope, .pairs = pairs});
        expect_parts({.head_dim = 20,
                      .norm = kind,
                      .after_rope = after_rope,
                      .factors = true,
                      .pairs = pairs});
      }
    }
  }
}

TEST_P(PlaceHeadsOps, many_rows_and_none_rotated_give_the_same) {
  for (int64_t rows : {1, 17, 100}) {
    expect_parts({.heads = 8, .rows = rows, .norm = Kind::rms, .factors = true});
    expect_parts({.heads = 8, .rows = rows, .rotates = false});
  }
}

TEST_P(PlaceHeadsOps, writes_every_kind_of_cache) {
  for (DType dtype : {DType::f32, DType::bf16, DType::i8, DType::f8_e4m3, DType::f8_e5m2}) {
    expect_parts({.rows = 40, .dtype = dtype});
    expect_parts({.head_dim = 6, .dtype = dtype, .rotates = false});  // of int8 the reference's
  }
}

OCTAVO_EVERY_TABLE(PlaceHeadsOps);

}  // namespace
}  // namespace octavo::conformance
