#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/tokenizer.h"
#include "text/tokenizer/lexicon.h"
#include "text/tokenizer/piece_lattice.h"
#include "text/tokenizer/piece_model.h"

namespace octavo::tokenizer {

// A `tokenizer.model`, run by libsentencepiece. Any thread may call the const functions. Texts are
// valid UTF-8.
class SentencePiece {
 public:
  // Throws Error naming `name` for bytes that are no usable model.
  static SentencePiece parse(std::string_view bytes, std::string_view name);
  ~SentencePiece();
  SentencePiece(SentencePiece&&) noexcept;
  SentencePiece& operator=(SentencePiece&&) noexcept;

  enum class Prefix { as_trained, none };  // the space that training put before each text
  void encode(std::string_view text, Prefix prefix, std::vector<TokenId>& out) const;
  // What the library makes of these ids. REQUIRES: all in the vocabulary.
  std::string decode(std::span<const TokenId> ids) const;
  // Whether decoded text passes rules of its own at the end, so that it is not the tokens' texts
  // one after the other.
  bool has_denormalizer() const;

  const Lexicon& lexicon() const { return lexicon_; }
  // REQUIRES: the lexicon has `id`.
  PieceModel::Kind kind(TokenId id) const { return kinds_[static_cast<size_t>(id)]; }
  // The control pieces of these roles, where the model has them.
  std::optional<TokenId> bos() const { return bos_; }
  std::optional<TokenId> eos() const { return eos_; }
  std::optional<TokenId> pad() const { return pad_; }

  // Text of ids that come one by one; equals decode() of them all but for a denormalizer.
  class Stream {
   public:
    explicit Stream(const SentencePiece& model) : model_(&model) {}
    // The text that is final with this piece. REQUIRES: the lexicon has `id`.
    std::string push(TokenId id);
    // The same for a token that is no piece, or shows although it is a control piece.
    std::string push_text(std::string_view text);
    // What was held back of an unfinished character.
    std::string flush();

   private:
    std::string shown(TokenId id);

    const SentencePiece* model_;
    std::string bytes_;     // of byte pieces: of an unfinished character
    bool at_begin_ = true;  // spaces here came from the prefix
    bool space_seen_ = false;
  };

  // The bytes that a piece adds to the middle of a text.
  std::string bytes_of(TokenId id) const;

 private:
  struct Library;
  SentencePiece();

  std::unique_ptr<const Library> library_;
  std::optional<PieceLattice> lattice_;  // of Unigram models
  Lexicon lexicon_{Alphabet::characters};
  std::vector<PieceModel::Kind> kinds_;
  std::optional<TokenId> bos_, eos_, pad_;
  std::string unk_surface_;
  bool drops_first_space_ = false, drops_first_spaces_ = false;
};

}  // namespace octavo::tokenizer
