#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::tokenizer {

// What a sentencepiece `tokenizer.model` holds, as far as encoding and decoding need it. The
// library that runs such models trusts them; so the file is read here, checked, and written anew
// for the library without anything that was not looked at. Borrows from the file's bytes.
struct PieceModel {
  enum class Kind : uint8_t { normal = 1, unknown, control, user_defined, unused, byte };
  struct Piece {
    std::string_view text;
    float score = 0;
    Kind kind = Kind::normal;
  };
  struct Rules {  // NormalizerSpec
    std::string_view charsmap;
    bool add_dummy_prefix = true, remove_extra_whitespaces = true, escape_whitespaces = true;
  };

  // Throws Error naming `name` for bytes that are no such model, and for one that could make the
  // library read past its memory.
  static PieceModel parse(std::string_view bytes, std::string_view name);
  // The model for the library, with or without the space before the text.
  std::string written(bool add_dummy_prefix) const;

  std::vector<Piece> pieces;
  Rules rules, denormalizer;
  static constexpr uint64_t kUnigram = 1;
  uint64_t type = kUnigram;  // or 2 BPE, 3 words, 4 characters
  bool byte_fallback = false, whitespace_as_suffix = false;
  std::string_view unk_surface = " \u2047 ";
  std::string_view unk = "<unk>", bos = "<s>", eos = "</s>", pad = "<pad>";
};

// The byte that the text "<0x41>" of a byte piece stands for. REQUIRES: such a text.
char byte_of_name(std::string_view text);

}  // namespace octavo::tokenizer
