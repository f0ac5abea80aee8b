#include "model/derive.h"

#include <algorithm>

namespace octavo {
namespace {

// Adds the matrices of one block; found by std::visit, so a new kind of block is a compile error
// until it has a row here.
struct Collector {
  const ModelSpec& spec;
  int64_t layer;
  const std::string& root;
  std::vector<MatrixPart>& parts;

  std::string full(const std::string& suffix) const {
    return layer_name(spec, layer, root, suffix);
  }

  // A matrix [out, in] of its own, or the part of a fused one that `rows` picks out of its
  // `stored_out`.
  struct Shape {
    int64_t out, in;
    RowMap rows = {};
    int64_t stored_out = 0;  // 0: not fused
  };
  void add(Role role, const std::string& name, const Shape& shape, bool bias) const {
    const int64_t stored_out = shape.stored_out > 0 ? shape.stored_out : shape.out;
    parts.push_back({.layer = layer,
                     .role = role,
                     .name = full(name),
                     .rows = shape.rows,
                     .out = shape.out,
                     .in = shape.in,
                     .stored = {stored_out, shape.in, spec.names.transposed},
                     .bias = bias});
  }

  void operator()(const AttentionSpec& a) const {
    const Names& n = spec.names;
    const int64_t q = a.heads * a.head_dim, kv = a.kv_heads * a.head_dim, all = q + 2 * kv,
                  e = a.head_dim;
    switch (n.qkv_rows) {
      case QkvRows::separate:
        add(Role::q, n.q, {q, spec.hidden}, a.qkv_bias);
        add(Role::k, n.k, {kv, spec.hidden}, a.qkv_bias);
        add(Role::v, n.v, {kv, spec.hidden}, a.qkv_bias);
        break;
      case QkvRows::blocks:
        add(Role::q, n.qkv, {q, spec.hidden, {.first = 0}, all}, a.qkv_bias);
        add(Role::k, n.qkv, {kv, spec.hidden, {.first = q}, all}, a.qkv_bias);
        add(Role::v, n.qkv, {kv, spec.hidden, {.first = q + kv}, all}, a.qkv_bias);
        break;
      case QkvRows::per_head:
        add(Role::q, n.qkv, {q, spec.hidden, {.first = 0, .run = e, .stride = 3 * e}, all},
            a.qkv_bias);
        add(Role::k, n.qkv, {kv, spec.hidden, {.first = e, .run = e, .stride = 3 * e}, all},
            a.qkv_bias);
        add(Role::v, n.qkv, {kv, spec.hidden, {.first = 2 * e, .run = e, .stride = 3 * e}, all},
            a.qkv_bias);
        break;
    }
    add(Role::o, n.o, {spec.hidden, q}, a.out_bias);
  }

  void operator()(const MlpSpec& m) const {
    const Names& n = spec.names;
    if (m.gated && !n.gate_up.empty()) {
      add(Role::gate, n.gate_up, {m.hidden, spec.hidden, {.first = 0}, 2 * m.hidden}, m.bias);
      add(Role::up, n.gate_up, {m.hidden, spec.hidden, {.first = m.hidden}, 2 * m.hidden}, m.bias);
    } else {
      if (m.gated) add(Role::gate, n.gate, {m.hidden, spec.hidden}, m.bias);
      add(Role::up, n.up, {m.hidden, spec.hidden}, m.bias);
    }
    add(Role::down, n.down, {spec.hidden, m.hidden}, m.bias);
  }
};

}  // namespace

std::string root_in_use(const ModelSpec& spec, const Checkpoint& checkpoint) {
  const Names& n = spec.names;
  const auto holds = [&](const std::string& root) {
    return checkpoint.find(root + n.embedding + ".weight") != nullptr;
  };
  return holds(n.root) || !holds("") ? n.root : "";
}

std::string layer_name(const ModelSpec& spec, int64_t layer, const std::string& root,
                       const std::string& suffix) {
  std::string prefix = spec.names.layer;
  prefix.replace(prefix.find("{}"), 2, std::to_string(layer));
  return root + prefix + suffix;
}

std::vector<MatrixPart> layer_matrices(const ModelSpec& spec, int64_t layer,
                                       const std::string& root) {
  std::vector<MatrixPart> parts;
  const Collector collect{spec, layer, root, parts};
  std::visit(collect, spec.layers[layer].mixer);
  std::visit(collect, spec.layers[layer].ffn);
  return parts;
}

const AttentionSpec& attention_of(const LayerSpec& layer) {
  return std::get<AttentionSpec>(layer.mixer);
}

int64_t parameters(const ModelSpec& spec) {
  int64_t total = spec.vocab * spec.hidden * (spec.head.tied ? 1 : 2) +
                  spec.embedding.learned_positions * spec.hidden + spec.hidden;
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    for (const MatrixPart& part : layer_matrices(spec, static_cast<int64_t>(i), {}))
      total += part.out * part.in + (part.bias ? part.out : 0);
    const LayerSpec& layer = spec.layers[i];
    for (const NormSpec* norm :
         {&layer.norm_mixer, &layer.post_mixer, &layer.norm_ffn, &layer.post_ffn}) {
      if (norm->kind != NormSpec::Kind::none) total += spec.hidden * (norm->bias ? 2 : 1);
    }
  }
  return total;
}

int64_t max_sequence_tokens(const ModelSpec& spec) {
  int64_t tokens = spec.max_positions;
  for (const LayerSpec& layer : spec.layers) {
    const AttentionSpec& a = attention_of(layer);
    const auto* dynamic = a.rope ? std::get_if<RopeSpec::Dynamic>(&a.rope->scaling) : nullptr;
    if (dynamic == nullptr) continue;
    const double stretched = dynamic->factor * static_cast<double>(dynamic->trained_tokens);
    tokens = std::max(tokens, static_cast<int64_t>(std::min(stretched, 2147483647.0)));
  }
  return tokens;
}

int64_t kv_bytes_per_token(const ModelSpec& spec, DType dtype) {
  int64_t bytes = 0;
  for (const LayerSpec& layer : spec.layers)
    bytes += 2 * attention_of(layer).kv_heads * attention_of(layer).head_dim * size_bytes(dtype);
  return bytes;
}

std::string_view name(Role role) {
  static constexpr std::string_view kNames[] = {"q", "k", "v", "o", "gate", "up", "down", "head"};
  return kNames[static_cast<size_t>(role)];
}

}  // namespace octavo
