#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "octavo/tokenizer.h"
#include "text/tokenizer/added_tokens.h"
#include "text/tokenizer/decoder.h"
#include "text/tokenizer/model.h"
#include "text/tokenizer/normalizer.h"
#include "text/tokenizer/post_processor.h"
#include "text/tokenizer/pre_tokenizer.h"

namespace octavo {

// The parts of a tokenizer.json, in the order in which a text passes them.
struct Tokenizer::Impl {
  explicit Impl(const tokenizer::Field& root);

  void encode_text(std::string_view text, bool at_origin, bool as_text,
                   tokenizer::PreTokenizer::Session& session, tokenizer::BpeWorkspace& work,
                   std::vector<TokenId>& out) const;
  // Takes BOS, EOS and padding from a tokenizer_config.json.
  void name_tokens(const Json& config);
  // The token as the file writes it, added or of the model; empty when there is none.
  std::optional<std::string> written(TokenId id) const;
  // The bytes of a token for a decoder that joins bytes; empty when there is none.
  std::optional<std::string> raw_bytes(TokenId id) const;
  // Whether decoding shows this token.
  bool shown(TokenId id, InOutput in_output) const;

  tokenizer::Normalizer normalizer;
  tokenizer::PreTokenizer pre_tokenizer;
  tokenizer::Model model;
  tokenizer::AddedTokens added;
  tokenizer::PostProcessor post_processor;
  tokenizer::Decoder decoder;
  std::optional<Named> bos, eos, pad;

 private:
  struct Front;
  Impl(const tokenizer::Field& root, Front front);
};

}  // namespace octavo
