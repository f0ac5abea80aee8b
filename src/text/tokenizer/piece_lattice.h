#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "octavo/tokenizer.h"
#include "text/tokenizer/piece_model.h"
#include "text/tokenizer/trie.h"

namespace octavo::tokenizer {

// The Unigram models of sentencepiece (Kudo, arXiv 1804.10959): the way through a normalized text
// with the best sum of scores. Versions of the library round this sum differently, and ties between
// equal ways are common in runs of one character; sums in single precision are those of its
// current version.
class PieceLattice {
 public:
  explicit PieceLattice(const PieceModel& model);

  // Appends the ids of `text`. REQUIRES: valid UTF-8, normalized as the model wants it.
  void encode(std::string_view text, std::vector<TokenId>& out) const;

 private:
  struct Node {
    float score = 0;
    TokenId id = -1;
    int64_t from = -1;  // -1: not reached
  };
  std::vector<Node> best_ways(std::string_view text) const;

  Trie trie_;
  std::vector<float> scores_;          // by id
  std::vector<bool> is_user_defined_;  // by id
  float unknown_score_ = 0, highest_ = 0;
  TokenId unknown_ = 0;
  bool byte_fallback_ = false;
  std::array<TokenId, 256> byte_ids_{};
};

}  // namespace octavo::tokenizer
