#include "text/tokenizer/word_piece.h"

#include <algorithm>

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

void append_unknown(std::vector<TokenId>& out, TokenId unk) {
  if (unk != kNoToken) out.push_back(unk);
}

}  // namespace

WordLevel WordLevel::load(const Field& model) {
  WordLevel words;
  words.lexicon_.load_object(model.at("vocab"));
  words.unk_ = words.lexicon_.find(model.text_or("unk_token", "<unk>"));
  return words;
}

void WordLevel::encode(std::string_view word, std::vector<TokenId>& out) const {
  const TokenId id = lexicon_.find(word);
  append_unknown(out, id != kNoToken ? id : unk_);
}

WordPiece WordPiece::load(const Field& model) {
  WordPiece pieces;
  pieces.lexicon_.load_object(model.at("vocab"));
  pieces.unk_ = pieces.lexicon_.find(model.text_or("unk_token", "[UNK]"));
  pieces.prefix_ = model.text_or("continuing_subword_prefix", "##");
  pieces.max_chars_ = model.integer_or("max_input_chars_per_word", 100, 0, INT64_MAX);
  return pieces;
}

void WordPiece::encode(std::string_view word, std::vector<TokenId>& out) const {
  int64_t chars = 0;
  for (size_t at = 0; at < word.size(); at += unicode::char_bytes(word[at])) ++chars;
  const size_t before = out.size();
  std::string text;
  const size_t longest = lexicon_.keys().longest_bytes();
  bool good = chars <= max_chars_;
  for (size_t begin = 0; good && begin < word.size();) {
    TokenId found = kNoToken;
    size_t end = std::min(word.size(), begin + longest);
    while (end < word.size() && (static_cast<unsigned char>(word[end]) & 0xC0) == 0x80) --end;
    while (end > begin) {
      const std::string_view part = word.substr(begin, end - begin);
      if (begin == 0) {
        found = lexicon_.find(part);
      } else {
        text.assign(prefix_).append(part);
        found = lexicon_.find(text);
      }
      if (found != kNoToken) break;
      end -= unicode::char_before(word, end).bytes;
    }
    good = found != kNoToken;
    if (good) out.push_back(found);
    begin = end;
  }
  if (good) return;
  out.resize(before);
  append_unknown(out, unk_);
}

}  // namespace octavo::tokenizer
