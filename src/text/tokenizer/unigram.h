#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "text/tokenizer/lexicon.h"
#include "text/tokenizer/trie.h"

namespace octavo::tokenizer {

// The most probable way to cut a word into pieces that each have a probability of their own (Kudo,
// arXiv 1804.10959).
class Unigram {
 public:
  // Throws Error for a vocabulary that is not a list of [piece, score].
  static Unigram load(const Field& model);
  void encode(std::string_view word, std::vector<TokenId>& out) const;
  const Lexicon& lexicon() const { return lexicon_; }

 private:
  struct Node {  // the best way to reach a place
    double score = 0;
    TokenId id = kNoToken;
    int64_t from = -1;  // -1: not reached
  };

  struct Span {
    size_t begin, end;
    bool unknown;
  };

  std::vector<Node> best_paths(std::string_view word) const;
  void append(std::string_view text, std::vector<TokenId>& out) const;

  Lexicon lexicon_{Alphabet::characters};
  Trie trie_;
  std::vector<double> scores_;  // by id
  double unk_score_ = 0;
  TokenId unk_ = kNoToken;
  bool byte_fallback_ = false;
  std::array<TokenId, 256> fallback_ids_{};
};

}  // namespace octavo::tokenizer
