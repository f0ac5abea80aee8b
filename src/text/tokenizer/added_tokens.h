#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "text/tokenizer/lexicon.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/trie.h"

namespace octavo::tokenizer {

struct AddedToken {
  TokenId id = kNoToken;
  std::string content;
  bool special = false, normalized = false;
  bool left_strip = false, right_strip = false, single_word = false;
  bool in_text = true;  // found in the text; otherwise only the output knows it
};

// A stretch of text: an added token, or text between such.
struct Stretch {
  Span span;
  TokenId id = kNoToken;  // kNoToken: text
};

// The tokens that are found in the text before anything else happens to it.
class AddedTokens {
 public:
  // Ids are given as the original does: that of the vocabulary, else the next one free; the ids
  // that the file writes are those, unless it was edited by hand. Throws Error for tokens of wrong
  // types.
  static AddedTokens load(const Field& root, const Lexicon& lexicon, const Normalizer& normalizer);

  // The same for tokens read elsewhere: an id that is not kNoToken stays, and the last token with
  // an id or a content counts. REQUIRES: ids >= 0 otherwise.
  static AddedTokens of(std::vector<AddedToken> list, const Lexicon& lexicon,
                        const Normalizer& normalizer);

  // Finds tokens that are matched against the text as it came, or against normalized text. With
  // `as_text` special tokens are not taken. Replaces `out`.
  void cut(std::string_view text, bool normalized, bool as_text, std::vector<Stretch>& out) const;
  bool empty(bool normalized) const { return tries_[normalized].empty; }

  const AddedToken* find(TokenId id) const;
  const AddedToken* find(std::string_view content) const;
  bool is_special(std::string_view content) const;
  // The largest id and one; 0: none.
  int64_t end_id() const { return by_id_.empty() ? 0 : by_id_.rbegin()->first + int64_t{1}; }

 private:
  struct Finder {
    Trie trie;
    bool empty = true;
  };

  void place(AddedToken token, const Lexicon& lexicon);
  void index(const Normalizer& normalizer);

  std::map<TokenId, AddedToken> by_id_;
  std::map<std::string, TokenId, std::less<>> by_content_;
  std::map<std::string, bool, std::less<>> special_;  // contents of special tokens
  Finder tries_[2];                                   // by AddedToken::normalized
};

}  // namespace octavo::tokenizer
