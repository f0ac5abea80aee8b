#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/matcher.h"

namespace octavo::tokenizer {

// The `decoder` of a tokenizer.json, its sequences flattened into one list of steps.
class Decoder {
 public:
  Decoder() = default;  // joins tokens with spaces
  // Throws Error for a type that is not known.
  static Decoder load(const Field& field);

  std::string apply(std::vector<std::string> tokens) const;
  // The bytes that one token adds to a text, in its middle or as its first token.
  enum class Place { first, later };
  std::string bytes_of(std::string_view token, Place place) const;
  // Whether the text is nothing but the bytes of the tokens one after the other, invalid UTF-8
  // replaced. Then it can be decoded token by token.
  bool is_bytes() const { return steps_.size() == 1 && std::holds_alternative<Bytes>(steps_[0]); }

  // How to decode token by token: join what bytes_of() gives and drop up to `count` characters
  // `strip` from the front of it all. Empty where a token's text depends on what follows.
  struct Stream {
    char32_t strip = 0;
    int64_t count = 0;
  };
  std::optional<Stream> stream() const;
  // Whether this token is one byte of a character that has no token.
  bool is_fallback_byte(std::string_view token) const;

 private:
  struct Bytes {
    ByteLevel alphabet;
  };
  struct ByteFallback {};
  struct Fuse {};
  struct Replace {
    Matcher matcher;
    std::string content;
  };
  struct Strip {
    char32_t content;
    int64_t start, stop;
  };
  struct Metaspace {
    char32_t replacement;
    bool prepended;
  };
  struct WordPiece {
    std::string prefix;
    bool cleanup;
  };
  struct EndOfWord {  // BPEDecoder
    std::string suffix;
  };
  struct Ctc {
    std::string pad, delimiter;
    bool cleanup;
  };
  using Step =
      std::variant<Bytes, ByteFallback, Fuse, Replace, Strip, Metaspace, WordPiece, EndOfWord, Ctc>;
  using Tokens = std::vector<std::string>;

  void load_step(const Field& field, int depth);

  static Tokens run(const Bytes& step, Tokens tokens);
  static Tokens run(const ByteFallback&, Tokens tokens);
  static Tokens run(const Fuse&, Tokens tokens);
  static Tokens run(const Replace& step, Tokens tokens);
  static Tokens run(const Strip& step, Tokens tokens);
  static Tokens run(const Metaspace& step, Tokens tokens);
  static Tokens run(const WordPiece& step, Tokens tokens);
  static Tokens run(const EndOfWord& step, Tokens tokens);
  static Tokens run(const Ctc& step, Tokens tokens);

  std::vector<Step> steps_;
};

}  // namespace octavo::tokenizer
