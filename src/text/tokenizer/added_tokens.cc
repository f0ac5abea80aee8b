#include "text/tokenizer/added_tokens.h"

#include <algorithm>

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

constexpr size_t kMaxTokens = 1 << 20;
// A token is compared at every place of a text, so its length is a factor of the time.
constexpr size_t kMaxTokenBytes = 2048;

AddedToken read(const Field& field) {
  AddedToken token;
  (void)field.at("id").integer(0, INT32_MAX);
  token.content = field.at("content").text();
  if (token.content.size() > kMaxTokenBytes) field.fail("added token of more than 2 KiB");
  token.special = field.flag_or("special", false);
  token.normalized = field.flag_or("normalized", !token.special);
  token.left_strip = field.flag_or("lstrip", false);
  token.right_strip = field.flag_or("rstrip", false);
  token.single_word = field.flag_or("single_word", false);
  return token;
}

bool is_word_before(std::string_view text, size_t end) {
  return end > 0 && unicode::is(unicode::char_before(text, end).code, unicode::kWord);
}

bool is_word_at(std::string_view text, size_t at) {
  return at < text.size() && unicode::is(unicode::char_at(text, at).code, unicode::kWord);
}

size_t spaces_begin(std::string_view text, size_t end, size_t stop) {
  while (end > stop) {
    const auto c = unicode::char_before(text, end);
    if (!unicode::is(c.code, unicode::kSpace)) break;
    end -= c.bytes;
  }
  return std::max(end, stop);
}

size_t spaces_end(std::string_view text, size_t at) {
  while (at < text.size()) {
    const auto c = unicode::char_at(text, at);
    if (!unicode::is(c.code, unicode::kSpace)) break;
    at += c.bytes;
  }
  return at;
}

}  // namespace

AddedTokens AddedTokens::load(const Field& root, const Lexicon& lexicon,
                              const Normalizer& normalizer) {
  AddedTokens tokens;
  const auto list = root.find("added_tokens");
  if (!list) return tokens;
  size_t count = 0;
  for (const auto entry : list->array()) {
    if (count >= kMaxTokens) list->fail("more than 2^20 added tokens");
    const Field field = list->element(entry, count++);
    AddedToken token = read(field);
    if (token.content.empty()) continue;
    if (token.special) tokens.special_[token.content] = true;
    tokens.place(std::move(token), lexicon);
  }
  tokens.index(normalizer);
  return tokens;
}

AddedTokens AddedTokens::of(std::vector<AddedToken> list, const Lexicon& lexicon,
                            const Normalizer& normalizer) {
  AddedTokens tokens;
  for (AddedToken& token : list) {
    if (token.content.empty() || token.content.size() > kMaxTokenBytes) continue;
    if (token.special) tokens.special_[token.content] = true;
    if (token.id == kNoToken) {
      tokens.place(std::move(token), lexicon);
      continue;
    }
    tokens.by_content_[token.content] = token.id;
    const TokenId id = token.id;
    tokens.by_id_[id] = std::move(token);
  }
  tokens.index(normalizer);
  return tokens;
}

void AddedTokens::place(AddedToken token, const Lexicon& lexicon) {
  const auto known = by_content_.find(token.content);
  TokenId id = known != by_content_.end() ? known->second : lexicon.find_written(token.content);
  if (id == kNoToken) {
    const auto next = static_cast<TokenId>(lexicon.count());
    const TokenId last = by_id_.empty() ? kNoToken : by_id_.rbegin()->first;
    id = last >= next ? last + 1 : next;
  }
  token.id = id;
  by_content_[token.content] = id;
  by_id_[id] = std::move(token);
}

void AddedTokens::index(const Normalizer& normalizer) {
  for (auto at = by_id_.rbegin(); at != by_id_.rend(); ++at) {  // of two alike the first one stays
    const auto& [id, token] = *at;
    if (!token.in_text) continue;
    NormalText text{token.content, true};
    if (token.normalized) normalizer.apply(text);
    if (text.text.empty() || text.text.size() > 2 * kMaxTokenBytes) continue;
    Finder& finder = tries_[token.normalized];
    finder.trie.add(text.text, id);
    finder.empty = false;
  }
}

void AddedTokens::cut(std::string_view text, bool normalized, bool as_text,
                      std::vector<Stretch>& out) const {
  out.clear();
  const Finder& finder = tries_[normalized];
  size_t done = 0;
  for (size_t at = finder.empty ? text.size() : 0; at < text.size();) {
    if (!finder.trie.starts(text[at])) {
      ++at;
      continue;
    }
    size_t length = 0;
    TokenId id = kNoToken;
    finder.trie.each_prefix(text.substr(at), [&](size_t bytes, int32_t value) {
      length = bytes;
      id = value;
    });
    if (id == kNoToken) {
      ++at;
      continue;
    }
    size_t begin = at, end = at + length;
    at = end;
    const AddedToken& token = *find(id);
    if (as_text && is_special(token.content)) continue;
    if (token.single_word && (is_word_before(text, begin) || is_word_at(text, end))) continue;
    if (token.left_strip) begin = spaces_begin(text, begin, std::min(done, begin));
    if (token.right_strip) end = spaces_end(text, end);
    if (done < begin) out.push_back({{done, begin}, kNoToken});
    out.push_back({{begin, end}, id});
    done = end;
  }
  if (done < text.size()) out.push_back({{done, text.size()}, kNoToken});
}

const AddedToken* AddedTokens::find(TokenId id) const {
  const auto found = by_id_.find(id);
  return found == by_id_.end() ? nullptr : &found->second;
}

const AddedToken* AddedTokens::find(std::string_view content) const {
  const auto found = by_content_.find(content);
  return found == by_content_.end() ? nullptr : find(found->second);
}

bool AddedTokens::is_special(std::string_view content) const {
  return special_.count(content) != 0;
}

}  // namespace octavo::tokenizer
