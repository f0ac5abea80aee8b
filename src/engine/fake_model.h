#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include "base/check.h"
#include "engine/distribution.h"
#include "engine/random.h"
#include "engine/step_model.h"

namespace octavo {

// A model for tests of the engine: it writes each row's token into the sequence's blocks and
// computes the logits after a row from the tokens that it reads back from there, in every layer. A
// wrong block, position, length, chunk, preemption or shared prefix gives another continuation.
struct FakeModel {
  static constexpr int64_t kVocab = 53;

  int64_t layers = 2, max_positions = 256;
  std::function<void(const Batch&)> before_step = {};  // may throw, may look
  TokenId poison = -1;                                 // a sequence that holds this token gets NaN
  uint8_t identity = 0;                                // 0: its blocks are not kept

  // The tokens' hash decides every logit.
  static void logits_after(std::span<const TokenId> tokens, std::span<float> out) {
    uint64_t hash = 1;
    for (const TokenId token : tokens) hash = philox(hash, static_cast<uint64_t>(token));
    for (size_t i = 0; i < out.size(); ++i) {
      out[i] = static_cast<float>(uniform(hash, i) * 12);
    }
  }
  // What a greedy request must put out.
  static std::vector<TokenId> greedy(std::vector<TokenId> tokens, int64_t count) {
    std::vector<TokenId> output;
    std::vector<float> logits(kVocab);
    for (int64_t i = 0; i < count; ++i) {
      logits_after(tokens, logits);
      output.push_back(find_peak(logits).top.id);
      tokens.push_back(output.back());
    }
    return output;
  }

  StepModel step_model(int64_t block_tokens) const {
    StepModel model;
    model.vocab = kVocab;
    model.max_positions = max_positions;
    model.kv.assign(layers, {.kv_heads = 1, .head_dim = 1, .block_tokens = block_tokens});
    model.step = [fake = *this](const Batch& batch, KvLayers kv, Mat logits) {
      if (fake.before_step) fake.before_step(batch);
      fake.step(batch, kv, logits);
    };
    if (identity > 0) {
      model.identity = [filler = identity] {
        Digest digest;
        digest.fill(filler);
        return digest;
      };
    }
    return model;
  }

  void step(const Batch& batch, KvLayers kv, Mat logits) const {
    const auto seqs = static_cast<int64_t>(batch.kv_tokens.size());
    int64_t wanted = 0;
    std::vector<TokenId> tokens;
    for (int64_t s = 0; s < seqs; ++s) {
      for (int32_t row = batch.row_begin[s]; row < batch.row_begin[s + 1]; ++row) {
        const int32_t position = batch.positions[row];
        OCTAVO_CHECK(position == batch.kv_tokens[s] - batch.row_begin[s + 1] + row);
        for (const KvLayer& layer : kv) {
          *slot(layer, layer.k, batch, s, position) = batch.tokens[row];
          *slot(layer, layer.v, batch, s, position) = batch.tokens[row] + 1;
        }
        if (wanted >= logits.rows() || batch.logits_rows[wanted] != row) continue;
        read_back(batch, kv, s, position + 1, tokens);
        logits_after(tokens, logits.row(wanted));
        for (const TokenId token : tokens) {
          if (token == poison) logits.row(wanted)[0] = __builtin_nanf("");
        }
        ++wanted;
      }
    }
    OCTAVO_CHECK(wanted == logits.rows());
  }

 private:
  static TokenId* slot(const KvLayer& layer, std::byte* plane, const Batch& batch, int64_t sequence,
                       int64_t position) {
    const int64_t in_block = layer.shape.block_tokens;
    const int32_t block = *batch.block_table.at(sequence, position / in_block);
    return reinterpret_cast<TokenId*>(plane + block * layer.shape.block_bytes()) +
           position % in_block;
  }
  static void read_back(const Batch& batch, KvLayers kv, int64_t sequence, int64_t count,
                        std::vector<TokenId>& tokens) {
    tokens.clear();
    for (int64_t position = 0; position < count; ++position) {
      const TokenId token = *slot(kv[0], kv[0].k, batch, sequence, position);
      for (const KvLayer& layer : kv) {
        OCTAVO_CHECK(*slot(layer, layer.k, batch, sequence, position) == token);
        OCTAVO_CHECK(*slot(layer, layer.v, batch, sequence, position) == token + 1);
      }
      tokens.push_back(token);
    }
  }
};

}  // namespace octavo
