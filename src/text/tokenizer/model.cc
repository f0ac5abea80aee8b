#include "text/tokenizer/model.h"

namespace octavo::tokenizer {

ModelType model_type(const Field& model) {
  if (const auto type = model.find("type")) {
    const std::string_view name = type->text();
    if (name == "BPE") return ModelType::bpe;
    if (name == "Unigram") return ModelType::unigram;
    if (name == "WordPiece") return ModelType::word_piece;
    if (name == "WordLevel") return ModelType::word_level;
    type->fail("model '" + std::string(name) + "' is not supported");
  }
  if (model.find("merges")) return ModelType::bpe;
  if (model.at("vocab").is_array()) return ModelType::unigram;
  return model.find("continuing_subword_prefix") ? ModelType::word_piece : ModelType::word_level;
}

Model load_model(const Field& model, ModelType type, Alphabet alphabet) {
  switch (type) {
    case ModelType::bpe:
      return Bpe::load(model, alphabet);
    case ModelType::unigram:
      return Unigram::load(model);
    case ModelType::word_piece:
      return WordPiece::load(model);
    case ModelType::word_level:
      break;
  }
  return WordLevel::load(model);
}

const Lexicon& lexicon_of(const Model& model) {
  return std::visit([](const auto& one) -> const Lexicon& { return one.lexicon(); }, model);
}

void encode_word(const Model& model, std::string_view word, BpeWorkspace& work,
                 std::vector<TokenId>& out) {
  if (const auto* bpe = std::get_if<Bpe>(&model)) return bpe->encode(word, work, out);
  if (const auto* unigram = std::get_if<Unigram>(&model)) return unigram->encode(word, out);
  if (const auto* pieces = std::get_if<WordPiece>(&model)) return pieces->encode(word, out);
  if (const auto* words = std::get_if<WordLevel>(&model)) return words->encode(word, out);
  std::get<SentencePiece>(model).encode(word, SentencePiece::Prefix::as_trained, out);
}

}  // namespace octavo::tokenizer
