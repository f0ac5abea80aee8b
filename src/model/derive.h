#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/matrix_source.h"
#include "model/spec.h"

// What follows from a spec, the same way for every family: which tensors hold its matrices, how
// much memory it takes.

namespace octavo {

// A weight multiplication and where its matrix is stored.
struct MatrixPart {
  int64_t layer = 0;  // -1: the head
  Role role = Role::q;
  std::string name;  // of the stored tensor, without ".weight"; parts of a fused tensor share it
  RowMap rows;       // of that tensor
  int64_t out = 0, in = 0;
  MatrixShape stored;
  bool bias = false;
};

// The matrices of layer `layer` in the order of the walk. `root` is the prefix in use (Names::root
// or empty).
std::vector<MatrixPart> layer_matrices(const ModelSpec& spec, int64_t layer,
                                       const std::string& root);
// Names::root as far as the checkpoint carries it: some files lack its first parts, or all.
std::string root_in_use(const ModelSpec& spec, const Checkpoint& checkpoint);
// "model.layers.3." + suffix
std::string layer_name(const ModelSpec& spec, int64_t layer, const std::string& root,
                       const std::string& suffix);

// Features of a row of the embedding table, and of the head's input.
int64_t embedding_width(const ModelSpec& spec);
int64_t parameters(const ModelSpec& spec);
// Tokens of the longest sequence that the model is made for: the config's positions, or where its
// rope stretches by a factor (dynamic), the trained length times that.
int64_t max_sequence_tokens(const ModelSpec& spec);
int64_t kv_bytes_per_token(const ModelSpec& spec, DType dtype);

// One attention block of each layer, for whoever only needs its geometry.
const AttentionSpec& attention_of(const LayerSpec& layer);

}  // namespace octavo
