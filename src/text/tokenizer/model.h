#pragma once

#include <string_view>
#include <variant>
#include <vector>

#include "text/tokenizer/bpe.h"
#include "text/tokenizer/sentencepiece.h"
#include "text/tokenizer/unigram.h"
#include "text/tokenizer/word_piece.h"

namespace octavo::tokenizer {

using Model = std::variant<Bpe, Unigram, WordPiece, WordLevel, SentencePiece>;

enum class ModelType { bpe, unigram, word_piece, word_level };

// Old files name no type; then the fields tell. Throws Error for a type that is not known.
ModelType model_type(const Field& model);
// `alphabet` matters to BPE alone.
Model load_model(const Field& model, ModelType type, Alphabet alphabet);

const Lexicon& lexicon_of(const Model& model);
void encode_word(const Model& model, std::string_view word, BpeWorkspace& work,
                 std::vector<TokenId>& out);

}  // namespace octavo::tokenizer
