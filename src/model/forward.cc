#include "model/forward.h"

#include <algorithm>

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

// Where a block's last product goes: straight onto the residual, unless a norm comes between.
struct Branch {
  Mat target;
  Into into;
};

Branch branch_of(Step& s, const NormSpec& post, Mat residual) {
  if (post.kind == NormSpec::Kind::none) return {residual, Into::add};
  return {s.workspace.mat(s.rows(), residual.cols()), Into::overwrite};
}

void join(Step& s, const NormSpec& post, const NormWeights& w, const Branch& branch, Mat residual) {
  if (post.kind == NormSpec::Kind::none) return;
  normalised(s, post, w, branch.target, branch.target);
  s.ops().add(s.queue, branch.target, 1, residual);
}

// y (+)= o(attention(rope(norm(q, k)), v))
void mix(Step& s, int64_t layer, const AttentionSpec& a, Mat x, const Branch& branch) {
  const Workspace::Scope scope(s.workspace);
  const LayerWeights& w = s.model.layers[layer];
  const Mat q = s.workspace.mat(s.rows(), a.heads * a.head_dim);
  const Mat k = s.workspace.mat(s.rows(), a.kv_heads * a.head_dim),
            v = s.workspace.mat(s.rows(), a.kv_heads * a.head_dim);
  linear(s.model, s.queue, s.tap, layer, x, {{Role::q, q}, {Role::k, k}, {Role::v, v}});

  const Heads qh = as_heads(q, a.heads, a.head_dim), kh = as_heads(k, a.kv_heads, a.head_dim);
  if (a.qk_norm.kind == NormSpec::Kind::rms) {
    s.ops().head_rms_norm(s.queue, qh, w.q_norm.weight, a.qk_norm.eps, a.qk_norm.offset);
    s.ops().head_rms_norm(s.queue, kh, w.k_norm.weight, a.qk_norm.eps, a.qk_norm.offset);
  }
  if (a.rope) {
    s.ops().rope(s.queue, qh, s.cos[w.rope], s.sin[w.rope], a.rope->pairs);
    s.ops().rope(s.queue, kh, s.cos[w.rope], s.sin[w.rope], a.rope->pairs);
  }
  s.ops().write_kv(s.queue, kh, as_heads(v, a.kv_heads, a.head_dim), s.slots, s.kv[layer]);

  const Mat mixed = s.workspace.mat(s.rows(), a.heads * a.head_dim);
  s.ops().attention(s.queue, {.q = qh,
                              .kv = s.kv[layer],
                              .row_begin = s.batch.row_begin,
                              .kv_tokens = s.batch.kv_tokens,
                              .block_table = s.batch.block_table,
                              .scale = a.scale,
                              .window = a.window,
                              .softcap = a.softcap,
                              .out = as_heads(mixed, a.heads, a.head_dim)});
  linear(s.model, s.queue, s.tap, layer, mixed, {{Role::o, branch.target, branch.into}});
}

// y (+)= down(act(gate x) · up x), or down(act(up x))
void feed(Step& s, int64_t layer, const MlpSpec& m, Mat x, const Branch& branch) {
  const Workspace::Scope scope(s.workspace);
  const Mat up = s.workspace.mat(s.rows(), m.hidden);
  if (m.gated) {
    const Mat gate = s.workspace.mat(s.rows(), m.hidden);
    linear(s.model, s.queue, s.tap, layer, x, {{Role::gate, gate}, {Role::up, up}});
    s.ops().activate(s.queue, m.act, gate, up, up);
  } else {
    linear(s.model, s.queue, s.tap, layer, x, {{Role::up, up}});
    s.ops().activate(s.queue, m.act, up, {}, up);
  }
  linear(s.model, s.queue, s.tap, layer, up, {{Role::down, branch.target, branch.into}});
}

void run_layer(Step& s, int64_t layer, Mat x) {
  const Workspace::Scope scope(s.workspace);
  const LayerSpec& spec = s.model.spec.layers[layer];
  const LayerWeights& w = s.model.layers[layer];
  const Mat normed = s.workspace.mat(s.rows(), x.cols());
  const bool parallel = spec.wiring == LayerSpec::Wiring::parallel;

  // In parallel wiring both blocks read the layer's input: the second norm is taken before the
  // residual changes.
  const Mat mixer_in = normalised(s, spec.norm_mixer, w.norm_mixer, x, normed);
  const Mat ffn_in =
      parallel ? normalised(s, spec.norm_ffn, w.norm_ffn, x, s.workspace.mat(s.rows(), x.cols()))
               : Mat();

  const Branch mixed = branch_of(s, spec.post_mixer, x);
  std::visit([&](const auto& mixer) { mix(s, layer, mixer, mixer_in, mixed); }, spec.mixer);
  join(s, spec.post_mixer, w.post_mixer, mixed, x);

  const Branch fed = branch_of(s, spec.post_ffn, x);
  const Mat in = parallel ? ffn_in : normalised(s, spec.norm_ffn, w.norm_ffn, x, normed);
  std::visit([&](const auto& ffn) { feed(s, layer, ffn, in, fed); }, spec.ffn);
  join(s, spec.post_ffn, w.post_ffn, fed, x);
  if (s.tap != nullptr && s.tap->layer_output) s.tap->layer_output(layer, x);
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

void embed(Step& s, Mat x) {
  s.ops().embed(s.queue, s.model.embedding, s.batch.tokens, s.model.spec.embedding.scale, x);
  if (s.model.positions.empty()) return;
  const Workspace::Scope scope(s.workspace);
  const Mat learned = s.workspace.mat(s.rows(), x.cols());
  s.ops().embed(s.queue, s.model.positions, s.batch.positions, 1, learned);
  s.ops().add(s.queue, learned, 1, x);
}

void read_logits(Step& s, Mat x, Mat logits) {
  const Workspace::Scope scope(s.workspace);
  const auto wanted = static_cast<int64_t>(s.batch.logits_rows.size());
  if (wanted == 0) return;
  const Mat last = s.workspace.mat(wanted, x.cols());
  for (int64_t i = 0; i < wanted; ++i) std::ranges::copy(x.row(s.batch.logits_rows[i]), last.at(i));
  const Mat in = normalised(s, s.model.spec.final_norm, s.model.final_norm, last, last);
  linear(s.model, s.queue, s.tap, -1, in, {{Role::head, logits}});
  const HeadSpec& head = s.model.spec.head;
  if (head.scale != 1 || head.softcap > 0)
    s.ops().scale_softcap(s.queue, logits, head.scale, head.softcap);
}

}  // namespace

void forward(const Model& model, Queue& queue, const Batch& batch, KvLayers kv,
             Workspace& workspace, Mat logits, const Tap* tap) {
  const Workspace::Scope scope(workspace);
  const auto n = static_cast<int64_t>(batch.tokens.size());
  auto* const slots = workspace.take<int32_t>(n);
  auto* const lengths = workspace.take<int32_t>(n);
  place_rows(batch, kv.front().shape.block_tokens, slots, lengths);
  Step step{.model = model,
            .queue = queue,
            .batch = batch,
            .kv = kv,
            .workspace = workspace,
            .tap = tap,
            .slots = {slots, static_cast<size_t>(n)},
            .cos = {},
            .sin = {}};
  for (const RopeTable& rope : model.ropes) {
    step.cos.push_back(workspace.mat(n, rope.pairs()));
    step.sin.push_back(workspace.mat(n, rope.pairs()));
    rope.angles(batch.positions, {lengths, static_cast<size_t>(n)}, step.cos.back(),
                step.sin.back());
  }
  const Mat x = workspace.mat(n, model.spec.hidden);
  embed(step, x);
  for (size_t layer = 0; layer < model.layers.size(); ++layer)
    run_layer(step, static_cast<int64_t>(layer), x);
  read_logits(step, x, logits);
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
  const int64_t floats = rows * (6 * model.spec.hidden + block + ropes + 2);
  return static_cast<size_t>(floats) * sizeof(float) + 64 * (32 + 2 * model.ropes.size());
}

}  // namespace octavo
