#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/lexicon.h"

namespace octavo::tokenizer {

// A vocabulary of whole words.
class WordLevel {
 public:
  static WordLevel load(const Field& model);
  void encode(std::string_view word, std::vector<TokenId>& out) const;
  const Lexicon& lexicon() const { return lexicon_; }

 private:
  Lexicon lexicon_{Alphabet::characters};
  TokenId unk_ = kNoToken;
};

// Longest match first from the left; a word that cannot be covered is one unknown token (Wu et al.,
// arXiv 1609.08144, as released with BERT).
class WordPiece {
 public:
  static WordPiece load(const Field& model);
  void encode(std::string_view word, std::vector<TokenId>& out) const;
  const Lexicon& lexicon() const { return lexicon_; }

 private:
  Lexicon lexicon_{Alphabet::characters};
  TokenId unk_ = kNoToken;
  std::string prefix_;
  int64_t max_chars_ = 100;
};

}  // namespace octavo::tokenizer
