#include "text/tokenizer/piece_lattice.h"

#include <algorithm>

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

constexpr float kUnknownPenalty = 10.0f;   // below the worst piece
constexpr double kUserDefinedMalus = 0.1;  // so that of two ways the one with fewer pieces wins

}  // namespace

PieceLattice::PieceLattice(const PieceModel& model) : byte_fallback_(model.byte_fallback) {
  using Kind = PieceModel::Kind;
  bool any = false;
  float lowest = 0;
  for (const PieceModel::Piece& piece : model.pieces) {
    const auto id = static_cast<TokenId>(scores_.size());
    scores_.push_back(piece.score);
    is_user_defined_.push_back(piece.kind == Kind::user_defined);
    if (piece.kind == Kind::normal) {
      lowest = any ? std::min(lowest, piece.score) : piece.score;
      highest_ = any ? std::max(highest_, piece.score) : piece.score;
      any = true;
    }
    if (piece.kind == Kind::unknown) unknown_ = id;
    if (piece.kind == Kind::byte) {
      byte_ids_[static_cast<unsigned char>(byte_of_name(piece.text))] = id;
    }
    const bool is_text = piece.kind == Kind::normal || piece.kind == Kind::user_defined;
    if (is_text && !piece.text.empty() && piece.text.find('\0') == piece.text.npos)
      trie_.add(piece.text, id);
  }
  unknown_score_ = lowest - kUnknownPenalty;
}

std::vector<PieceLattice::Node> PieceLattice::best_ways(std::string_view text) const {
  std::vector<Node> best(text.size() + 1);
  const auto offer = [&](size_t from, size_t to, float score, TokenId id) {
    Node& node = best[to];
    const float sum = score + best[from].score;
    if (node.from < 0 || sum > node.score) node = {sum, id, static_cast<int64_t>(from)};
  };
  for (size_t at = 0; at < text.size();) {
    const size_t bytes = unicode::char_bytes(text[at]);
    bool single = false;
    trie_.each_prefix(text.substr(at), [&](size_t length, int32_t id) {
      const auto index = static_cast<size_t>(id);
      // A piece that the user defined is always taken.
      const float score =
          is_user_defined_[index]
              ? static_cast<float>(static_cast<float>(length) * highest_ - kUserDefinedMalus)
              : scores_[index];
      offer(at, at + length, score, id);
      single = single || length == bytes;
    });
    if (!single) offer(at, at + bytes, unknown_score_, unknown_);
    at += bytes;
  }
  return best;
}

void PieceLattice::encode(std::string_view text, std::vector<TokenId>& out) const {
  const std::vector<Node> best = best_ways(text);
  const auto first = static_cast<std::ptrdiff_t>(out.size());
  bool after_unknown = false;                 // neighbouring unknown pieces are one
  for (size_t end = text.size(); end > 0;) {  // from the end
    const Node& node = best[end];
    const auto begin = static_cast<size_t>(node.from);
    if (node.id != unknown_) {
      out.push_back(node.id);
    } else if (byte_fallback_) {
      for (size_t at = end; at-- > begin;) {
        out.push_back(byte_ids_[static_cast<unsigned char>(text[at])]);
      }
    } else if (!after_unknown) {
      out.push_back(unknown_);
    }
    after_unknown = node.id == unknown_;
    end = begin;
  }
  std::reverse(out.begin() + first, out.end());
}

}  // namespace octavo::tokenizer
