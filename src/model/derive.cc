#include "model/derive.h"

#include <algorithm>

#include "ops/kv.h"

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
    const int64_t group = a.heads / a.kv_heads * e, quarter = q / 4;
    const auto fused = [&](Role role, int64_t out, const RowMap& rows) {
      add(role, n.qkv, {out, spec.hidden, rows, all}, a.qkv_bias);
    };
    switch (n.qkv_rows) {
      case QkvRows::separate:
        add(Role::q, n.q, {q, spec.hidden}, a.qkv_bias);
        add(Role::k, n.k, {kv, spec.hidden}, a.qkv_bias);
        add(Role::v, n.v, {kv, spec.hidden}, a.qkv_bias);
        break;
      case QkvRows::blocks:
        fused(Role::q, q, {.first = 0});
        fused(Role::k, kv, {.first = q});
        fused(Role::v, kv, {.first = q + kv});
        break;
      case QkvRows::groups:
        fused(Role::q, q, {.first = 0, .run = group, .stride = group + 2 * e});
        fused(Role::k, kv, {.first = group, .run = e, .stride = group + 2 * e});
        fused(Role::v, kv, {.first = group + e, .run = e, .stride = group + 2 * e});
        break;
      case QkvRows::quarters:
        fused(Role::q, q, {.first = 0, .run = quarter, .stride = 3 * quarter});
        fused(Role::k, kv, {.first = 2 * quarter, .run = quarter, .stride = 3 * quarter});
        fused(Role::v, kv, {.first = quarter, .run = quarter, .stride = 3 * quarter});
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
  for (std::string root = n.root;; root.erase(0, root.find('.') + 1)) {
    if (checkpoint.find(root + n.embedding + ".weight") != nullptr) return root;
    if (root.empty()) return n.root;
  }
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

int64_t embedding_width(const ModelSpec& spec) {
  return spec.embedding.width > 0 ? spec.embedding.width : spec.hidden;
}

namespace {

int64_t norm_values(const NormSpec& norm, const ModelSpec& spec) {
  if (norm.kind == NormSpec::Kind::none) return 0;
  return spec.hidden * ((norm.weight ? 1 : 0) + (norm.bias ? 1 : 0));
}

}  // namespace

int64_t parameters(const ModelSpec& spec) {
  const int64_t width = embedding_width(spec), projected = spec.embedding.width > 0 ? 2 : 0;
  int64_t total = spec.vocab * width * (spec.head.tied ? 1 : 2) + projected * width * spec.hidden +
                  spec.embedding.learned_positions * spec.hidden +
                  norm_values(spec.final_norm, spec) + norm_values(spec.embedding.norm, spec);
  for (size_t i = 0; i < spec.layers.size(); ++i) {
    for (const MatrixPart& part : layer_matrices(spec, static_cast<int64_t>(i), {}))
      total += part.out * part.in + (part.bias ? part.out : 0);
    const LayerSpec& layer = spec.layers[i];
    for (const NormSpec* norm :
         {&layer.norm_mixer, &layer.post_mixer, &layer.norm_ffn, &layer.post_ffn})
      total += norm_values(*norm, spec);
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
    bytes += 2 * attention_of(layer).kv_heads *
             KvShape::kv_token_bytes(attention_of(layer).head_dim, dtype);
  return bytes;
}

std::string_view name(Role role) {
  static constexpr std::string_view kNames[] = {"q",  "k",    "v",    "o",          "gate",
                                                "up", "down", "head", "project_in", "project_out"};
  return kNames[static_cast<size_t>(role)];
}

}  // namespace octavo
