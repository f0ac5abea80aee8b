#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "octavo/tokens.h"
#include "ops/kv.h"
#include "tensor/queue.h"
#include "tensor/view.h"
#include "tensor/workspace.h"

namespace octavo {

class Model;
enum class Role : uint8_t;

// One step's rows, ragged: chunks of prefill, single decodes and drafts alike. Sequence s owns rows
// row_begin[s] .. row_begin[s+1]; they are its newest tokens.
struct Batch {
  std::span<const TokenId> tokens;     // [n]
  std::span<const int32_t> positions;  // [n] index in its sequence
  std::span<const int32_t> row_begin;  // [s + 1]
  std::span<const int32_t> kv_tokens;  // [s] tokens of the sequence in the cache after this step
  // [s] tokens of the request's prompt. Ropes whose frequencies depend on the sequence's length
  // take max(prompt, position + 1) as that length, so the result does not depend on how a prompt
  // was cut into chunks.
  std::span<const int32_t> prompt_tokens;
  View<const int32_t, 2> block_table;    // [s, b]
  std::span<const int32_t> logits_rows;  // [k] rows whose logits are wanted
};

// The cache as forward sees it: one entry a layer, all over the same block numbers.
using KvLayers = std::span<const KvLayer>;

// Observes the inputs of the weight multiplications: (layer, role, x [n, in]). Roles that share an
// input are reported one by one, before any of them is multiplied, so a tap may change their
// weights. For calibration; null in serving.
struct Tap {
  // False: this product is left out and what follows works on garbage. A caller that wants no more
  // than the inputs of one role stops there for the price of the small operations behind it.
  std::function<bool(int64_t layer, Role role, ConstMat x)> linear_input;
};

// Bytes of workspace that a step of up to `rows` rows, `logits_rows` of them with logits, needs.
size_t workspace_bytes(const Model& model, int64_t rows);

// Runs the model over the batch: writes the rows' keys and values into the cache and the wanted
// logits [k, vocab]. REQUIRES: tokens and blocks in range, a workspace of workspace_bytes(n).
// Allocates nothing, throws nothing.
void forward(const Model& model, Queue& queue, const Batch& batch, KvLayers kv,
             Workspace& workspace, Mat logits, const Tap* tap = nullptr);

// ---- The walk in parts, for whoever streams a model layer by layer. Same requirements.

// What a part of the walk works on, and with.
struct Walk {
  const Model& model;
  Queue& queue;
  const Batch& batch;
  KvLayers kv;
  Workspace& workspace;
  const Tap* tap = nullptr;
};

// x [n, hidden] = the embedded rows.
void forward_embedding(const Walk& walk, Mat x);
// x [n, hidden] = layer(x).
void forward_layer(const Walk& walk, int64_t layer, Mat x);
// out [n, hidden] = one block of a layer alone, between its norm and what is done with its result.
enum class Block : uint8_t { mixer, ffn };
void forward_block(const Walk& walk, int64_t layer, Block block, ConstMat in, Mat out);
// y [n, hidden] = the final norm of x, projected where the head is narrower: the head's input.
void forward_head_input(const Walk& walk, Mat x, Mat y);

}  // namespace octavo
