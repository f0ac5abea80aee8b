#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/tokenizer.h"
#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/document.h"
#include "text/tokenizer/vocabulary.h"

namespace octavo::tokenizer {

// What the model's strings are made of: the characters that the file writes, or the bytes that
// these stand for in the byte-level alphabet. With bytes the text need not be mapped at all.
enum class Alphabet { characters, bytes };

// The model's vocabulary. In the alphabet of bytes, strings outside the byte-level alphabet are
// kept apart: no text can produce them, but ids and merges may name them.
class Lexicon {
 public:
  explicit Lexicon(Alphabet alphabet) : alphabet_(alphabet) {}

  // Adds the object {"string": id, ...}. Throws Error for ids that are negative, doubled or
  // absurdly large.
  void load_object(const Field& vocab);
  void reserve(size_t count, size_t bytes) { keys_.reserve(count, bytes); }
  // REQUIRES: `id` is free.
  void add(std::string_view written, TokenId id);

  TokenId find(std::string_view key) const { return keys_.find(key); }
  std::string_view key(TokenId id) const { return keys_.text(id); }
  TokenId find_written(std::string_view written) const;
  std::string written(TokenId id) const;
  bool has(TokenId id) const { return keys_.has(id) || odd_texts_.count(id) != 0; }
  // `written` in the alphabet; empty when it is outside.
  std::optional<std::string> to_key(std::string_view written) const;

  size_t count() const { return keys_.count() + odd_ids_.size(); }
  int64_t end_id() const;
  const Vocabulary& keys() const { return keys_; }
  Alphabet alphabet() const { return alphabet_; }
  const ByteLevel& byte_level() const { return byte_level_; }

 private:
  Alphabet alphabet_;
  ByteLevel byte_level_;
  Vocabulary keys_;
  std::map<std::string, TokenId, std::less<>> odd_ids_;
  std::map<TokenId, std::string> odd_texts_;
};

// Ids of a file with `count` strings may not reach this far: memory is taken per id.
int64_t id_limit(size_t count);

}  // namespace octavo::tokenizer
