#include "text/tokenizer/lexicon.h"

#include <algorithm>

namespace octavo::tokenizer {

int64_t id_limit(size_t count) {
  return std::min<int64_t>(int64_t{1} << 28, static_cast<int64_t>(count) * 16 + 65536);
}

void Lexicon::load_object(const Field& vocab) {
  const simdjson::dom::object entries = vocab.object();
  size_t bytes = 0, count = 0;  // object.size() saturates at 2^24 - 1, which does no harm here
  for (const auto [text, id] : entries) {
    bytes += text.size();
    ++count;
  }
  reserve(count, bytes);
  const int64_t limit = id_limit(count);
  for (const auto [text, value] : entries) {
    int64_t id = 0;
    if (value.get(id) != simdjson::SUCCESS || id < 0 || id >= limit) {
      vocab.fail("id of token '" + std::string(text.substr(0, 64)) +
                 "' is not a whole number from 0 to " + std::to_string(limit - 1));
    }
    const auto token = static_cast<TokenId>(id);
    if (has(token)) {
      if (written(token) == text) continue;
      vocab.fail("two tokens have the id " + std::to_string(id));
    }
    add(text, token);
  }
}

void Lexicon::add(std::string_view written, TokenId id) {
  if (alphabet_ == Alphabet::bytes) {
    std::string key;
    if (!byte_level_.append_unmapped(key, written)) {
      const auto [at, fresh] = odd_ids_.emplace(written, id);
      if (!fresh) odd_texts_.erase(at->second);
      at->second = id;
      odd_texts_.emplace(id, written);
      return;
    }
    keys_.add(key, id);
    return;
  }
  keys_.add(written, id);
}

TokenId Lexicon::find_written(std::string_view written) const {
  if (alphabet_ == Alphabet::characters) return keys_.find(written);
  const auto key = byte_level_.unmapped(written);
  if (key) return keys_.find(*key);
  const auto odd = odd_ids_.find(written);
  return odd == odd_ids_.end() ? kNoToken : odd->second;
}

std::string Lexicon::written(TokenId id) const {
  if (alphabet_ == Alphabet::characters) return std::string(keys_.text(id));
  std::string text;
  if (keys_.has(id)) {
    byte_level_.append_mapped(text, keys_.text(id));
  } else if (const auto odd = odd_texts_.find(id); odd != odd_texts_.end()) {
    text = odd->second;
  }
  return text;
}

std::optional<std::string> Lexicon::to_key(std::string_view written) const {
  if (alphabet_ == Alphabet::characters) return std::string(written);
  return byte_level_.unmapped(written);
}

int64_t Lexicon::end_id() const {
  const int64_t odd = odd_texts_.empty() ? 0 : odd_texts_.rbegin()->first + int64_t{1};
  return std::max(keys_.end_id(), odd);
}

}  // namespace octavo::tokenizer
