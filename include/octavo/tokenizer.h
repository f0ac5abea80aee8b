#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/tokens.h"

namespace octavo {

// Text to token ids and back, as the model's tokenizer.json says. Immutable: every const function
// may be called from any thread. Copies share one tokenizer and are cheap.
class Tokenizer {
 public:
  // Whether encode() adds what the file's post-processor adds (BOS, EOS and the like).
  enum class Specials { none, add };
  // Special added tokens written in the text: their ids, or plain text like any other. Added tokens
  // that are not special are found in both cases.
  enum class InText { recognise, as_text };
  // Whether special tokens show in decoded text.
  enum class InOutput { keep_special, skip_special };

  // Loads `dir_or_file` (a tokenizer.json, or the directory that holds it) and the
  // tokenizer_config.json beside it, if there is one. Throws Error naming file and field.
  static Tokenizer load(const std::filesystem::path& dir_or_file);
  // The file that load() starts from in a directory; empty when there is none.
  static std::filesystem::path file_in(const std::filesystem::path& directory);
  // From the bytes of a tokenizer.json; `name` stands for the file in errors.
  static Tokenizer from_json(std::string_view json, std::string_view name);
  // The same with the bytes of a tokenizer_config.json, which names BOS, EOS and padding.
  static Tokenizer from_json(std::string_view json, std::string_view config, std::string_view name);

  // Bytes that are not UTF-8 are read as U+FFFD. Throws Error only when a pattern of the file takes
  // unreasonably long on this text.
  std::vector<TokenId> encode(std::string_view text, Specials specials = Specials::none,
                              InText in_text = InText::recognise) const;
  // Ids without a token are passed over. The result is valid UTF-8.
  std::string decode(std::span<const TokenId> ids, InOutput in_output) const;

  // The largest id and one, added tokens included.
  int64_t vocab_size() const;
  std::optional<TokenId> id_of(std::string_view token) const;
  // As the file writes it; empty when there is no such id.
  std::string token(TokenId id) const;
  bool is_special(TokenId id) const;
  // The bytes that this token adds to the text, which need not be whole characters.
  std::string token_bytes(TokenId id) const;

  // A token that tokenizer_config.json names. `id` is empty when no token has this text.
  struct Named {
    std::string text;
    std::optional<TokenId> id;
  };
  const std::optional<Named>& bos() const;
  const std::optional<Named>& eos() const;
  const std::optional<Named>& pad() const;

  struct Impl;

 private:
  friend class Detokenizer;
  explicit Tokenizer(std::shared_ptr<const Impl> impl);

  std::shared_ptr<const Impl> impl_;
};

// Text of a sequence that grows token by token. One thread at a time.
class Detokenizer {
 public:
  Detokenizer(const Tokenizer& tokenizer, Tokenizer::InOutput in_output);
  ~Detokenizer();
  Detokenizer(Detokenizer&&) noexcept;
  Detokenizer& operator=(Detokenizer&&) noexcept;

  // The text that this token makes final: possibly none, never part of a character. A character
  // whose last bytes have not come yet is held back.
  std::string push(TokenId id);
  // What was held back, incomplete characters as U+FFFD. The sequence is over.
  std::string flush();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace octavo
