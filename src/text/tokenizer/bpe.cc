#include "text/tokenizer/bpe.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

constexpr size_t kMaxDerived = size_t{1} << 23;
constexpr size_t kShort = 32;                 // symbols; above, a heap is faster
constexpr std::string_view kWordStart = "▁";  // U+2581 of sentencepiece

struct Later {  // order of a min-heap: lowest rank first, then leftmost
  bool operator()(const BpeWorkspace::Candidate& a, const BpeWorkspace::Candidate& b) const {
    return a.rank != b.rank ? a.rank > b.rank : a.at > b.at;
  }
};

// The two halves of a merge, written "a b" or ["a", "b"].
std::pair<std::string_view, std::string_view> halves(const Field& merges,
                                                     simdjson::dom::element entry, size_t index) {
  std::string_view line;
  if (entry.get(line) == simdjson::SUCCESS) {
    const size_t space = line.find(' ');
    if (space == line.npos || line.find(' ', space + 1) != line.npos) {
      merges.element(entry, index).fail("not two tokens with one space between them");
    }
    return {line.substr(0, space), line.substr(space + 1)};
  }
  simdjson::dom::array pair;
  std::string_view left, right;
  if (entry.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
      pair.at(0).get(left) != simdjson::SUCCESS || pair.at(1).get(right) != simdjson::SUCCESS) {
    merges.element(entry, index).fail("not a pair of tokens");
  }
  return {left, right};
}

}  // namespace

Bpe Bpe::load(const Field& model, Alphabet alphabet) {
  Bpe bpe(alphabet);
  bpe.lexicon_.load_object(model.at("vocab"));
  bpe.byte_fallback_ = model.flag_or("byte_fallback", false);
  bpe.fuse_unk_ = model.flag_or("fuse_unk", false);
  bpe.ignore_merges_ = model.flag_or("ignore_merges", false);
  const auto affix = [&](std::string_view name) {
    const std::string written = model.text_or(name, "");
    const auto key = bpe.lexicon_.to_key(written);
    // Text never holds such a character, so no symbol with this affix is in the vocabulary.
    if (!key) model.at(name).fail("holds a character outside the byte-level alphabet");
    return *key;
  };
  bpe.prefix_ = affix("continuing_subword_prefix");
  bpe.suffix_ = affix("end_of_word_suffix");
  bpe.plain_ = bpe.prefix_.empty() && bpe.suffix_.empty();
  bpe.unk_ = bpe.lexicon_.find_written(model.text_or("unk_token", ""));
  if (!model.find("unk_token")) bpe.unk_ = kNoToken;
  for (size_t b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    bpe.byte_ids_[b] = bpe.lexicon_.find({&byte, 1});
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(b));
    bpe.fallback_ids_[b] = bpe.lexicon_.find_written(name);
  }
  if (model.flag_or("merges_of_ranks", false)) {
    bpe.derive_merges(model);
  } else {
    bpe.load_merges(model.at("merges"));
  }
  if (alphabet == Alphabet::characters) bpe.find_boundary();
  const auto ids = static_cast<size_t>(bpe.lexicon_.keys().end_id());
  bpe.whole_ = std::make_unique<std::atomic<uint8_t>[]>(ids);
  return bpe;
}

void Bpe::load_merges(const Field& merges) {
  const simdjson::dom::array entries = merges.array();
  size_t count = 0, index = 0;
  for ([[maybe_unused]] const auto entry : entries) ++count;
  merges_.reserve(count);
  uint32_t rank = 0;
  std::string left_key, right_key;
  const ByteLevel& bytes = lexicon_.byte_level();
  const auto key_of = [&](std::string_view written, std::string& buffer) -> const std::string* {
    buffer.clear();
    if (lexicon_.alphabet() == Alphabet::characters) {
      buffer = written;
    } else if (!bytes.append_unmapped(buffer, written)) {
      return nullptr;
    }
    return &buffer;
  };
  for (const auto entry : entries) {
    const auto [left, right] = halves(merges, entry, index);
    ++index;
    if (entry.is_string() && left.starts_with("#version")) continue;
    const std::string* a = key_of(left, left_key);
    const std::string* b = key_of(right, right_key);
    const TokenId left_id = a ? lexicon_.find(*a) : lexicon_.find_written(left);
    const TokenId right_id = b ? lexicon_.find(*b) : lexicon_.find_written(right);
    TokenId merged = kNoToken;
    if (a && b && b->size() >= prefix_.size()) {
      left_key.append(*b, prefix_.size());
      merged = lexicon_.find(left_key);
    } else if (right.size() >= prefix_.size()) {  // outside the alphabet: check, but never used
      merged = lexicon_.find_written(std::string(left) + std::string(right.substr(prefix_.size())));
    }
    if (left_id == kNoToken || right_id == kNoToken || merged == kNoToken) {
      merges.element(entry, index - 1)
          .fail("merge of '" + std::string(left.substr(0, 64)) + "' and '" +
                std::string(right.substr(0, 64)) + "' names a token that the vocabulary lacks");
    }
    merges_.set(left_id, right_id, {rank++, merged});
  }
}

// Vocabularies of tiktoken have no list of merges: two neighbours merge when together they are a
// token, lowest id first.
void Bpe::derive_merges(const Field& model) {
  struct Pair {
    TokenId left, right, merged;
  };
  std::vector<Pair> pairs;
  for (TokenId id = 0; id < lexicon_.keys().end_id(); ++id) {
    const std::string_view key = lexicon_.key(id);
    for (size_t at = 1; at < key.size(); ++at) {
      const TokenId left = lexicon_.find(key.substr(0, at));
      const TokenId right = left == kNoToken ? kNoToken : lexicon_.find(key.substr(at));
      if (right != kNoToken) pairs.push_back({left, right, id});
    }
    if (pairs.size() > kMaxDerived)
      model.fail("tokens with more than 2^23 ways to cut them in two");
  }
  merges_.reserve(pairs.size());
  for (const Pair& pair : pairs) {
    merges_.set(pair.left, pair.right, {static_cast<uint32_t>(pair.merged), pair.merged});
  }
}

// Sentencepiece models see a whole text as one word. Cutting it where no merge can reach across
// gives the same ids and short words, which are fast and can be remembered.
void Bpe::find_boundary() {
  if (!plain_ || ignore_merges_ || lexicon_.find(kWordStart) == kNoToken) return;
  for (TokenId id = 0; id < lexicon_.keys().end_id(); ++id) {
    const std::string_view text = lexicon_.key(id);
    for (size_t at = text.find(kWordStart, 1); at != text.npos;
         at = text.find(kWordStart, at + 1)) {
      const bool run = at >= kWordStart.size() &&
                       text.substr(at - kWordStart.size(), kWordStart.size()) == kWordStart;
      if (!run) return;
    }
  }
  boundary_ = kWordStart;
}

void Bpe::encode(std::string_view word, BpeWorkspace& work, std::vector<TokenId>& out) const {
  if (boundary_.empty()) return encode_word(word, work, out);
  while (!word.empty()) {
    size_t at = 0;
    while (word.substr(at).starts_with(boundary_)) at += boundary_.size();
    const size_t end = std::min(word.find(boundary_, at), word.size());
    encode_word(word.substr(0, end), work, out);
    word.remove_prefix(end);
  }
}

void Bpe::encode_word(std::string_view word, BpeWorkspace& work, std::vector<TokenId>& out) const {
  if (plain_ || ignore_merges_) {
    const TokenId id = lexicon_.find(word);
    if (id != kNoToken) {
      std::atomic<uint8_t>& whole = whole_[static_cast<size_t>(id)];
      const uint8_t state = whole.load(std::memory_order_relaxed);
      if (ignore_merges_ || state == itself) return out.push_back(id);
      const size_t before = out.size();
      encode_parts(word, work, out);
      const bool same = out.size() == before + 1 && out.back() == id;
      if (state == unknown) whole.store(same ? itself : parts, std::memory_order_relaxed);
      return;
    }
  }
  using Known = BpeWorkspace::Known;
  if (work.known.empty() || word.size() > Known::kMaxBytes) return encode_parts(word, work, out);
  Known& known = work.known[hash_(word) & (BpeWorkspace::kKnownWords - 1)];
  if (known.bytes == word.size() && std::memcmp(known.word.data(), word.data(), word.size()) == 0) {
    out.insert(out.end(), known.ids.begin(), known.ids.begin() + known.count);
    return;
  }
  const size_t before = out.size();
  encode_parts(word, work, out);
  const size_t count = out.size() - before;
  if (count > Known::kMaxTokens) return;
  known.bytes = static_cast<uint8_t>(word.size());
  known.count = static_cast<uint8_t>(count);
  std::copy(word.begin(), word.end(), known.word.begin());
  std::copy(out.end() - static_cast<std::ptrdiff_t>(count), out.end(), known.ids.begin());
}

void Bpe::encode_parts(std::string_view word, BpeWorkspace& work, std::vector<TokenId>& out) const {
  work.ids.clear();
  split(word, work.ids);
  if (work.ids.size() > kShort) {
    merge_long(work);
  } else if (work.ids.size() > 1) {
    merge_short(work);
  }
  out.insert(out.end(), work.ids.begin(), work.ids.end());
}

// The word as symbols, one a character. Unknown ones follow the original to the letter: a pending
// unknown token is written before the next known symbol, not before bytes of the fallback.
void Bpe::split(std::string_view word, std::vector<TokenId>& ids) const {
  bool pending = false;
  for (size_t at = 0; at < word.size();) {
    const size_t bytes = lexicon_.alphabet() == Alphabet::bytes ? 1 : unicode::char_bytes(word[at]);
    const bool first = at == 0, last = at + bytes == word.size();
    const std::string_view unit = word.substr(at, bytes);
    at += bytes;
    const TokenId id = symbol(unit, first, last);
    if (id != kNoToken) {
      if (pending) ids.push_back(unk_);
      pending = false;
      ids.push_back(id);
      continue;
    }
    if (byte_fallback_ && append_fallback(unit, first, last, ids)) continue;
    if (unk_ == kNoToken) continue;
    if (pending && !fuse_unk_) ids.push_back(unk_);
    pending = true;
  }
  if (pending) ids.push_back(unk_);
}

TokenId Bpe::symbol(std::string_view unit, bool first, bool last) const {
  if ((first || prefix_.empty()) && (!last || suffix_.empty())) {
    if (unit.size() == 1) return byte_ids_[static_cast<unsigned char>(unit[0])];
    return lexicon_.find(unit);
  }
  std::string text = first ? std::string() : prefix_;
  text += unit;
  if (last) text += suffix_;
  return lexicon_.find(text);
}

bool Bpe::append_fallback(std::string_view unit, bool first, bool last,
                          std::vector<TokenId>& ids) const {
  std::string text = first ? std::string() : prefix_;
  text += unit;
  if (last) text += suffix_;
  for (const char b : text) {
    if (fallback_ids_[static_cast<unsigned char>(b)] == kNoToken) return false;
  }
  for (const char b : text) ids.push_back(fallback_ids_[static_cast<unsigned char>(b)]);
  return true;
}

// Quadratic, but without any structure to maintain.
void Bpe::merge_short(BpeWorkspace& work) const {
  TokenId* ids = work.ids.data();
  std::array<uint32_t, kShort + 1> ranks;    // ranks[i]: of the pair (i, i + 1)
  std::array<TokenId, kShort + 1> products;  // what it becomes
  size_t n = work.ids.size();
  const auto look = [&](size_t i) {
    const Merge merge = merges_.find(ids[i], ids[i + 1]);
    ranks[i] = merge.rank;
    products[i] = merge.merged;
  };
  for (size_t i = 0; i + 1 < n; ++i) look(i);
  while (n > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < n; ++i) {
      if (ranks[i] < ranks[best]) best = i;
    }
    if (ranks[best] == Merge::kNever) break;
    ids[best] = products[best];
    std::copy(ids + best + 2, ids + n, ids + best + 1);
    if (best + 2 < n) {  // pairs behind the merged one move up by one
      std::copy(&ranks[best + 2], &ranks[n - 1], &ranks[best + 1]);
      std::copy(&products[best + 2], &products[n - 1], &products[best + 1]);
    }
    --n;
    if (best > 0) look(best - 1);
    if (best + 1 < n) look(best);
  }
  work.ids.resize(n);
}

void Bpe::push_candidate(BpeWorkspace& work, int32_t at) const {
  const BpeWorkspace::Symbol& left = work.symbols[static_cast<size_t>(at)];
  if (left.next < 0) return;
  const Merge merge = merges_.find(left.id, work.symbols[static_cast<size_t>(left.next)].id);
  if (merge.rank != Merge::kNever) work.heap.push_back({merge.rank, at, merge.merged});
}

// A heap of candidates over a linked list; entries whose pair has changed are dropped when met.
void Bpe::merge_long(BpeWorkspace& work) const {
  const auto n = static_cast<int32_t>(work.ids.size());
  auto& symbols = work.symbols;
  auto& heap = work.heap;
  symbols.resize(static_cast<size_t>(n));
  heap.clear();
  for (int32_t i = 0; i < n; ++i) {
    symbols[static_cast<size_t>(i)] = {work.ids[static_cast<size_t>(i)], i - 1,
                                       i + 1 < n ? i + 1 : -1, true};
  }
  for (int32_t i = 0; i + 1 < n; ++i) push_candidate(work, i);
  std::make_heap(heap.begin(), heap.end(), Later{});
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), Later{});
    const BpeWorkspace::Candidate top = heap.back();
    heap.pop_back();
    BpeWorkspace::Symbol& left = symbols[static_cast<size_t>(top.at)];
    if (!left.alive || left.next < 0) continue;
    BpeWorkspace::Symbol& right = symbols[static_cast<size_t>(left.next)];
    if (merges_.find(left.id, right.id).merged != top.merged) continue;
    left.id = top.merged;
    left.next = right.next;
    right.alive = false;
    if (left.next >= 0) symbols[static_cast<size_t>(left.next)].previous = top.at;
    for (const int32_t at : {left.previous, top.at}) {
      const size_t before = heap.size();
      if (at >= 0) push_candidate(work, at);
      if (heap.size() > before) std::push_heap(heap.begin(), heap.end(), Later{});
    }
  }
  work.ids.clear();
  for (int32_t at = 0; at >= 0; at = symbols[static_cast<size_t>(at)].next) {
    work.ids.push_back(symbols[static_cast<size_t>(at)].id);
  }
}

}  // namespace octavo::tokenizer
