#include "model/forward.h"

#include <algorithm>
#include <cmath>

#include "model/derive.h"
#include "model/linear.h"
#include "model/model.h"

// The walk over a spec: the whole of what a decoder computes, in order. Letters: n rows of this
// step, d hidden.

namespace octavo {
namespace {

// What every block of one step needs.
struct Step {
  const Model& model;
  Queue& queue;
  const Batch& batch;
  KvLayers kv;
  Workspace& workspace;
  const Tap* tap;
  std::span<const int32_t> slots;  // [n] where each row's keys and values go
  std::vector<Mat> cos, sin;       // [n, pairs] for each of the model's ropes

  int64_t rows() const { return static_cast<int64_t>(batch.tokens.size()); }
  const Ops& ops() const { return model.ops; }
};

// The norm of x, in y. No norm: y is x itself.
Mat normalised(Step& s, const NormSpec& spec, const NormWeights& w, Mat x, Mat y) {
  if (spec.kind == NormSpec::Kind::none) return x;
  const Norm norm{
      .x = x, .weight = w.weight, .bias = w.bias, .eps = spec.eps, .offset = spec.offset, .y = y};
  (spec.kind == NormSpec::Kind::rms ? s.ops().rms_norm : s.ops().layer_norm)(s.queue, norm);
  return y;
}

// Where a block's last product goes: straight onto the residual, unless something comes between.
struct Branch {
  Mat target;
  Into into;
};

Branch branch_of(Step& s, const LayerSpec& layer, const NormSpec& post, Mat residual) {
  if (post.kind == NormSpec::Kind::none && layer.residual_scale == 1) return {residual, Into::add};
  return {s.workspace.mat(s.rows(), residual.cols()), Into::overwrite};
}

void join(Step& s, const LayerSpec& layer, const NormSpec& post, const NormWeights& w,
          const Branch& branch, Mat residual) {
  if (branch.into == Into::add) return;
  normalised(s, post, w, branch.target, branch.target);
  s.ops().add(s.queue, branch.target, layer.residual_scale, residual);
}

// What the row at position p multiplies its query with.
float query_factor(const QueryScaleSpec& spec, int32_t p) {
  const auto trained = static_cast<double>(spec.trained_tokens);
  if (spec.kind == QueryScaleSpec::Kind::steps)
    return static_cast<float>(1 + spec.beta * std::log1p(std::floor(p / trained)));
  return static_cast<float>(std::max(1.0, std::log(p + 1.0) / std::log(trained)));
}

Vec query_factors(Step& s, const QueryScaleSpec& spec) {
  if (spec.kind == QueryScaleSpec::Kind::none) return {};
  auto* const factors = s.workspace.take<float>(s.rows());
  for (int64_t n = 0; n < s.rows(); ++n) factors[n] = query_factor(spec, s.batch.positions[n]);
  return {factors, static_cast<size_t>(s.rows())};
}

// The norms of q and k: of each head alone, or of all heads of a row as if they were one.
PlaceHeads::HeadNorms head_norms(const QkNormSpec& spec, const LayerWeights& w) {
  using Kind = PlaceHeads::NormKind;
  return {.kind = spec.norm.kind == NormSpec::Kind::none  ? Kind::none
                  : spec.norm.kind == NormSpec::Kind::rms ? Kind::rms
                                                          : Kind::layer,
          .q_weight = w.q_norm.weight,
          .q_bias = w.q_norm.bias,
          .k_weight = w.k_norm.weight,
          .k_bias = w.k_norm.bias,
          .eps = spec.norm.eps,
          .offset = spec.norm.offset,
          .after_rope = spec.after_rope};
}

// q, k and v on their way into the cache: norms, rotation, the query's factor.
void place_heads(Step& s, int64_t layer, const AttentionSpec& a, Mat q, Mat k, Mat v) {
  const LayerWeights& w = s.model.layers[layer];
  const Workspace::Scope scope(s.workspace);
  PlaceHeads p{.q = as_heads(q, a.heads, a.head_dim),
               .k = as_heads(k, a.kv_heads, a.head_dim),
               .v = as_heads(v, a.kv_heads, a.head_dim),
               .norms = head_norms(a.qk_norm, w),
               .query_factors = query_factors(s, a.query_scale),
               .slots = s.slots,
               .kv = s.kv[layer]};
  if (a.rope) {
    p.cos = s.cos[w.rope];
    p.sin = s.sin[w.rope];
    p.pairs = a.rope->pairs;
  }
  if (a.qk_norm.over == QkNormSpec::Over::all_heads) {
    OCTAVO_CHECK(!a.qk_norm.after_rope || !a.rope);
    normalised(s, a.qk_norm.norm, w.q_norm, q, q);
    normalised(s, a.qk_norm.norm, w.k_norm, k, k);
    p.norms.kind = PlaceHeads::NormKind::none;
  }
  s.ops().place_heads(s.queue, p);
}

// y (+)= o(norm(attention(rope(norm(q, k)), v)))
void mix(Step& s, int64_t layer, const AttentionSpec& a, ConstMat x, const Branch& branch) {
  const Workspace::Scope scope(s.workspace);
  const Mat q = s.workspace.mat(s.rows(), a.heads * a.head_dim);
  const Mat k = s.workspace.mat(s.rows(), a.kv_heads * a.head_dim),
            v = s.workspace.mat(s.rows(), a.kv_heads * a.head_dim);
  linear(s.model, s.queue, s.tap, layer, x, {{Role::q, q}, {Role::k, k}, {Role::v, v}});
  if (a.qkv_clip > 0) {
    for (const Mat& m : {q, k, v}) s.ops().clamp(s.queue, m, a.qkv_clip);
  }
  place_heads(s, layer, a, q, k, v);

  const Mat mixed = s.workspace.mat(s.rows(), a.heads * a.head_dim);
  s.ops().attention(
      s.queue, {.q = as_heads(q, a.heads, a.head_dim),
                .kv = s.kv[layer],
                .row_begin = s.batch.row_begin,
                .kv_tokens = s.batch.kv_tokens,
                .block_table = s.batch.block_table,
                .scale = a.scale,
                .window = a.window,
                .alibi = {.slopes = a.alibi.slopes, .scale = a.alibi.scale, .bf16 = a.alibi.bf16},
                .softcap = a.softcap,
                .out = as_heads(mixed, a.heads, a.head_dim)});
  normalised(s, a.out_norm, s.model.layers[layer].out_norm, mixed, mixed);
  linear(s.model, s.queue, s.tap, layer, mixed, {{Role::o, branch.target, branch.into}});
}

// y (+)= down(norm(act(gate x) · up x)), or down(norm(act(up x)))
void feed(Step& s, int64_t layer, const MlpSpec& m, ConstMat x, const Branch& branch) {
  const Workspace::Scope scope(s.workspace);
  const LayerWeights& w = s.model.layers[layer];
  const Mat up = s.workspace.mat(s.rows(), m.hidden);
  if (m.gated) {
    const Mat gate = s.workspace.mat(s.rows(), m.hidden);
    linear(s.model, s.queue, s.tap, layer, x, {{Role::gate, gate}, {Role::up, up}});
    s.ops().activate(s.queue, {.act = m.act, .gate = gate, .up = up, .y = up, .parameters = w.act});
  } else {
    linear(s.model, s.queue, s.tap, layer, x, {{Role::up, up}});
    s.ops().activate(s.queue, {.act = m.act, .gate = up, .y = up, .parameters = w.act});
  }
  normalised(s, m.down_norm, w.down_norm, up, up);
  linear(s.model, s.queue, s.tap, layer, up, {{Role::down, branch.target, branch.into}});
}

// x += mixer(in), then whatever the wiring puts behind it.
void run_mixer(Step& s, int64_t layer, Mat in, Mat x) {
  const LayerSpec& spec = s.model.spec.layers[layer];
  const Workspace::Scope scope(s.workspace);
  const Branch branch = branch_of(s, spec, spec.post_mixer, x);
  std::visit([&](const auto& mixer) { mix(s, layer, mixer, in, branch); }, spec.mixer);
  join(s, spec, spec.post_mixer, s.model.layers[layer].post_mixer, branch, x);
}

void run_ffn(Step& s, int64_t layer, Mat in, Mat x) {
  const LayerSpec& spec = s.model.spec.layers[layer];
  const Workspace::Scope scope(s.workspace);
  const Branch branch = branch_of(s, spec, spec.post_ffn, x);
  std::visit([&](const auto& ffn) { feed(s, layer, ffn, in, branch); }, spec.ffn);
  join(s, spec, spec.post_ffn, s.model.layers[layer].post_ffn, branch, x);
}

void run_layer(Step& s, int64_t layer, Mat x) {
  const Workspace::Scope scope(s.workspace);
  const LayerSpec& spec = s.model.spec.layers[layer];
  const LayerWeights& w = s.model.layers[layer];
  const Mat normed = spec.residual_is_normed ? x : s.workspace.mat(s.rows(), x.cols());
  switch (spec.wiring) {
    case LayerSpec::Wiring::sequential:
      run_mixer(s, layer, normalised(s, spec.norm_mixer, w.norm_mixer, x, normed), x);
      run_ffn(s, layer, normalised(s, spec.norm_ffn, w.norm_ffn, x, normed), x);
      break;
    case LayerSpec::Wiring::parallel: {
      // Both blocks read the layer's input: the second norm is taken before the residual changes.
      const Mat ffn_in =
          normalised(s, spec.norm_ffn, w.norm_ffn, x, s.workspace.mat(s.rows(), x.cols()));
      run_mixer(s, layer, normalised(s, spec.norm_mixer, w.norm_mixer, x, normed), x);
      run_ffn(s, layer, ffn_in, x);
      break;
    }
    case LayerSpec::Wiring::parallel_one_norm:
      normalised(s, spec.norm_mixer, w.norm_mixer, x, normed);
      run_mixer(s, layer, normed, x);
      run_ffn(s, layer, normed, x);
      break;
    case LayerSpec::Wiring::norm_after:
      run_mixer(s, layer, x, x);
      normalised(s, spec.norm_mixer, w.norm_mixer, x, x);
      run_ffn(s, layer, x, x);
      normalised(s, spec.norm_ffn, w.norm_ffn, x, x);
      break;
  }
}

// The slot of each row's keys and values, and the length its rope counts with.
void place_rows(const Batch& b, int64_t block_tokens, int32_t* slots, int32_t* lengths) {
  for (size_t seq = 0; seq < b.kv_tokens.size(); ++seq) {
    for (int32_t row = b.row_begin[seq]; row < b.row_begin[seq + 1]; ++row) {
      const int64_t index = b.kv_tokens[seq] - (b.row_begin[seq + 1] - row);
      const int32_t block = *b.block_table.at(static_cast<int64_t>(seq), index / block_tokens);
      slots[row] = static_cast<int32_t>(block * block_tokens + index % block_tokens);
      lengths[row] = std::max(b.prompt_tokens[seq], b.positions[row] + 1);
    }
  }
}

// Adds [sin…, cos…] of position · frequency, the frequencies falling from 1 to 1/10000.
void add_sinusoids(Step& s, Mat x) {
  const int64_t half = x.cols() / 2, offset = s.model.spec.embedding.position_offset;
  const float step = -std::log(10000.0f) / static_cast<float>(half - 1);
  for (int64_t i = 0; i < half; ++i) {
    const float frequency = std::exp(static_cast<float>(i) * step);
    for (int64_t n = 0; n < x.rows(); ++n) {
      const float angle = static_cast<float>(s.batch.positions[n] + offset) * frequency;
      x.at(n)[i] += std::sin(angle);
      x.at(n)[half + i] += std::cos(angle);
    }
  }
}

void add_positions(Step& s, Mat x) {
  const EmbeddingSpec& spec = s.model.spec.embedding;
  if (spec.sinusoids) add_sinusoids(s, x);
  if (s.model.positions.empty()) return;
  const Workspace::Scope scope(s.workspace);
  const Mat learned = s.workspace.mat(s.rows(), x.cols());
  auto* const rows = s.workspace.take<int32_t>(s.rows());
  for (int64_t n = 0; n < s.rows(); ++n)
    rows[n] = s.batch.positions[n] + static_cast<int32_t>(spec.position_offset);
  s.ops().embed(s.queue, s.model.positions, {rows, static_cast<size_t>(s.rows())}, 1, learned);
  s.ops().add(s.queue, learned, 1, x);
}

void embed(Step& s, Mat x) {
  const EmbeddingSpec& spec = s.model.spec.embedding;
  const Workspace::Scope scope(s.workspace);
  const Mat rows = spec.width > 0 ? s.workspace.mat(s.rows(), spec.width) : x;
  s.ops().embed(s.queue, s.model.embedding, s.batch.tokens, spec.scale, rows);
  if (spec.width > 0) linear(s.model, s.queue, s.tap, -1, rows, {{Role::project_in, x}});
  add_positions(s, x);
  normalised(s, spec.norm, s.model.embedding_norm, x, x);
}

// The head's input of the rows x, in `wide` [n, hidden] or, where the head is narrower, `narrow`.
Mat head_input(Step& s, Mat x, Mat wide, Mat narrow) {
  const Mat in = normalised(s, s.model.spec.final_norm, s.model.final_norm, x, wide);
  if (s.model.spec.embedding.width == 0) return in;
  linear(s.model, s.queue, s.tap, -1, in, {{Role::project_out, narrow}});
  return narrow;
}

void read_logits(Step& s, Mat x, Mat logits) {
  const Workspace::Scope scope(s.workspace);
  const auto wanted = static_cast<int64_t>(s.batch.logits_rows.size());
  if (wanted == 0) return;
  const Mat last = s.workspace.mat(wanted, x.cols());
  for (int64_t i = 0; i < wanted; ++i) std::ranges::copy(x.row(s.batch.logits_rows[i]), last.at(i));
  const Mat in = head_input(s, last, last, s.workspace.mat(wanted, s.model.spec.embedding.width));
  linear(s.model, s.queue, s.tap, -1, in, {{Role::head, logits}});
  const HeadSpec& head = s.model.spec.head;
  if (head.scale != 1 || head.softcap > 0)
    s.ops().scale_softcap(s.queue, logits, head.scale, head.softcap);
}

// The slots and angles of the batch's rows, in the workspace.
Step prepare(const Walk& walk) {
  const Model& model = walk.model;
  const Batch& batch = walk.batch;
  Workspace& workspace = walk.workspace;
  const auto n = static_cast<int64_t>(batch.tokens.size());
  auto* const slots = workspace.take<int32_t>(n);
  auto* const lengths = workspace.take<int32_t>(n);
  if (!walk.kv.empty()) place_rows(batch, walk.kv.front().shape.block_tokens, slots, lengths);
  Step step{.model = model,
            .queue = walk.queue,
            .batch = batch,
            .kv = walk.kv,
            .workspace = workspace,
            .tap = walk.tap,
            .slots = {slots, static_cast<size_t>(n)},
            .cos = {},
            .sin = {}};
  if (walk.kv.empty()) return step;  // no attention, no angles
  for (const RopeTable& rope : model.ropes) {
    step.cos.push_back(workspace.mat(n, rope.pairs()));
    step.sin.push_back(workspace.mat(n, rope.pairs()));
    rope.angles(batch.positions, {lengths, static_cast<size_t>(n)}, step.cos.back(),
                step.sin.back());
  }
  return step;
}

}  // namespace

void forward(const Model& model, Queue& queue, const Batch& batch, KvLayers kv,
             Workspace& workspace, Mat logits, const Tap* tap) {
  const Workspace::Scope scope(workspace);
  Step step = prepare({model, queue, batch, kv, workspace, tap});
  const Mat x = workspace.mat(step.rows(), model.spec.hidden);
  embed(step, x);
  for (size_t layer = 0; layer < model.layers.size(); ++layer)
    run_layer(step, static_cast<int64_t>(layer), x);
  read_logits(step, x, logits);
}

void forward_embedding(const Walk& walk, Mat x) {
  const Workspace::Scope scope(walk.workspace);
  Step step = prepare(walk);
  embed(step, x);
}

void forward_layer(const Walk& walk, int64_t layer, Mat x) {
  const Workspace::Scope scope(walk.workspace);
  Step step = prepare(walk);
  run_layer(step, layer, x);
}

void forward_block(const Walk& walk, int64_t layer, Block block, ConstMat in, Mat out) {
  const Workspace::Scope scope(walk.workspace);
  Step step = prepare(walk);
  const LayerSpec& spec = walk.model.spec.layers[layer];
  const Branch branch{out, Into::overwrite};
  if (block == Block::mixer) {
    std::visit([&](const auto& mixer) { mix(step, layer, mixer, in, branch); }, spec.mixer);
  } else {
    std::visit([&](const auto& ffn) { feed(step, layer, ffn, in, branch); }, spec.ffn);
  }
}

void forward_head_input(const Walk& walk, Mat x, Mat y) {
  const Workspace::Scope scope(walk.workspace);
  Step step = prepare(walk);
  const bool narrow = walk.model.spec.embedding.width > 0;
  const Mat wide = narrow ? walk.workspace.mat(x.rows(), x.cols()) : y;
  const Mat in = head_input(step, x, wide, y);
  if (in.data != y.data) {
    for (int64_t n = 0; n < in.rows(); ++n) std::ranges::copy(in.row(n), y.at(n));
  }
}

size_t workspace_bytes(const Model& model, int64_t rows) {
  int64_t block = 0, ropes = 0;
  for (const LayerSpec& layer : model.spec.layers) {
    const AttentionSpec& a = attention_of(layer);
    const int64_t ffn = std::visit([](const MlpSpec& m) { return 2 * m.hidden; }, layer.ffn);
    block = std::max({block, 2 * (a.heads + a.kv_heads) * a.head_dim, ffn});
  }
  for (const RopeTable& rope : model.ropes) ropes += 2 * rope.pairs();
  // Residual, two norms, two branches and the gathered last rows; then 64 bytes of alignment an
  // allocation.
  const int64_t floats =
      rows * (6 * model.spec.hidden + model.spec.embedding.width + block + ropes + 4);
  return static_cast<size_t>(floats) * sizeof(float) + 64 * (32 + 2 * model.ropes.size());
}

}  // namespace octavo
