#include "text/tokenizer/unigram.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <limits>

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

constexpr double kUnknownPenalty = 10.0;  // below the worst piece
constexpr size_t kMaxNodes = size_t{1} << 25;

// The reference reads a decimal as a whole number divided by a power of ten, which may miss the
// nearest double by one bit, and such bits decide between ways of equal score. The digits are those
// of the shortest decimal, which is what files are written with.
double as_reference_reads(double score) {
  char text[40];
  const auto end =
      std::to_chars(text, text + sizeof text, std::abs(score), std::chars_format::scientific).ptr;
  uint64_t digits = 0;
  int exponent = 0, decimals = 0;
  bool behind_point = false;
  for (const char* p = text; p < end; ++p) {
    if (*p == 'e') {
      const char* from = p[1] == '+' ? p + 2 : p + 1;
      std::from_chars(from, end, exponent);
      break;
    }
    if (*p == '.') {
      behind_point = true;
    } else {
      digits = digits * 10 + static_cast<uint64_t>(*p - '0');
      decimals += behind_point;
    }
  }
  exponent -= decimals;
  if (exponent >= 0 || exponent < -300) return score;
  return std::copysign(static_cast<double>(digits) / std::pow(10.0, -exponent), score);
}

}  // namespace

Unigram Unigram::load(const Field& model) {
  Unigram unigram;
  const Field vocab = model.at("vocab");
  double lowest = std::numeric_limits<double>::infinity();
  size_t index = 0;
  for (const auto entry : vocab.array()) {
    simdjson::dom::array pair;
    std::string_view piece;
    double score = 0;
    if (entry.get(pair) != simdjson::SUCCESS || pair.size() != 2 ||
        pair.at(0).get(piece) != simdjson::SUCCESS || pair.at(1).get(score) != simdjson::SUCCESS ||
        !std::isfinite(score)) {
      vocab.element(entry, index).fail("not a piece with its score");
    }
    score = as_reference_reads(score);
    unigram.lexicon_.add(piece, static_cast<TokenId>(index++));
    if (!piece.empty()) unigram.trie_.add(piece, static_cast<int32_t>(index - 1));
    unigram.scores_.push_back(score);
    if (unigram.trie_.nodes() > kMaxNodes) vocab.fail("vocabulary of more than 2^25 prefixes");
    lowest = std::min(lowest, score);
  }
  unigram.unk_score_ = lowest - kUnknownPenalty;
  if (const auto unk = model.find("unk_id")) {
    unigram.unk_ = static_cast<TokenId>(unk->integer(0, static_cast<int64_t>(index) - 1));
  }
  unigram.byte_fallback_ = model.flag_or("byte_fallback", false);
  for (size_t b = 0; b < 256; ++b) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(b));
    unigram.fallback_ids_[b] = unigram.lexicon_.find(name);
  }
  return unigram;
}

std::vector<Unigram::Node> Unigram::best_paths(std::string_view word) const {
  std::vector<Node> best(word.size() + 1);
  const auto offer = [&](size_t from, size_t to, double score, TokenId id) {
    Node& node = best[to];
    const double total = best[from].score + score;
    if (node.from < 0 || total > node.score) node = {total, id, static_cast<int64_t>(from)};
  };
  for (size_t at = 0; at < word.size();) {
    const size_t bytes = unicode::char_bytes(word[at]);
    bool single = false;
    trie_.each_prefix(word.substr(at), [&](size_t length, int32_t id) {
      offer(at, at + length, scores_[static_cast<size_t>(id)], id);
      single = single || length == bytes;
    });
    if (!single) offer(at, at + bytes, unk_score_, unk_);
    at += bytes;
  }
  return best;
}

void Unigram::encode(std::string_view word, std::vector<TokenId>& out) const {
  const std::vector<Node> best = best_paths(word);
  std::vector<Span> cuts;  // from the end; neighbouring unknown pieces are one
  for (size_t end = word.size(); end > 0;) {
    const Node& node = best[end];
    const auto begin = static_cast<size_t>(node.from);
    const bool unknown = node.id == unk_;
    if (unknown && !cuts.empty() && cuts.back().begin == end && cuts.back().unknown) {
      cuts.back().begin = begin;
    } else {
      cuts.push_back({begin, end, unknown});
    }
    end = begin;
  }
  for (size_t i = cuts.size(); i-- > 0;) {
    append(word.substr(cuts[i].begin, cuts[i].end - cuts[i].begin), out);
  }
}

void Unigram::append(std::string_view text, std::vector<TokenId>& out) const {
  const TokenId id = lexicon_.find(text);
  if (id != kNoToken) return out.push_back(id);
  const auto fallback = [&](char b) { return fallback_ids_[static_cast<unsigned char>(b)]; };
  if (byte_fallback_ &&
      std::all_of(text.begin(), text.end(), [&](char b) { return fallback(b) != kNoToken; })) {
    for (const char b : text) out.push_back(fallback(b));
  } else if (unk_ != kNoToken) {
    out.push_back(unk_);
  }
}

}  // namespace octavo::tokenizer
