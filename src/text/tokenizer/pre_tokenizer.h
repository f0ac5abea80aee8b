#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/matcher.h"
#include "text/tokenizer/regex.h"

namespace octavo::tokenizer {

// A text cut into the words that the model sees one by one.
struct Pieces {
  std::string text;
  std::vector<Span> spans;  // in order, none empty
  bool at_origin = true;    // the first span begins with the first character of the whole input

  std::string_view piece(const Span& span) const {
    return std::string_view(text).substr(span.begin, span.end - span.begin);
  }
};

enum class SplitBehavior { removed, isolated, merged_with_previous, merged_with_next, contiguous };

// The `pre_tokenizer` of a tokenizer.json, its sequences flattened into one list of steps.
class PreTokenizer {
  struct Split {
    Matcher matcher;
    SplitBehavior behavior;
    bool invert;
  };
  // Characters become the bytes' alphabet; where the model works on bytes, this step is left out.
  struct Bytes {
    ByteLevel alphabet;
  };
  struct PrefixSpace {};  // of ByteLevel
  struct Metaspace {
    enum class Prepend { first, never, always };
    std::string replacement;
    Prepend prepend;
    bool split;
  };
  struct FixedLength {
    int64_t characters;
  };
  struct Scripts {};  // UnicodeScripts
  using Step = std::variant<Split, Bytes, PrefixSpace, Metaspace, FixedLength, Scripts>;

 public:
  // Everything that steps keep between the texts of one encode() call.
  class Session {
   public:
    explicit Session(const PreTokenizer& owner);
    // Cuts further. On entry `pieces` has one span, the whole text.
    void apply(Pieces& pieces);

   private:
    void run(const Split& step, Matcher::Cursor& cursor, Pieces& pieces);
    static void run(const Bytes& step, Pieces& pieces);
    static void run(const PrefixSpace&, Pieces& pieces);
    void run(const Metaspace& step, Pieces& pieces);
    static void run(const FixedLength& step, Pieces& pieces);
    static void run(const Scripts&, Pieces& pieces);

    const PreTokenizer& owner_;
    std::vector<std::unique_ptr<Matcher::Cursor>>
        cursors_;  // one a step; null where none is needed
    std::vector<Match> cuts_;
    std::vector<Span> spans_;
  };

  PreTokenizer() = default;  // the whole text is one word
  // Throws Error for a type that is not known.
  static PreTokenizer load(const Field& field);

  // Whether the last step, and only that one, maps to the byte-level alphabet. Then the model may
  // work on bytes, and the step is dropped.
  bool take_bytes_step();

 private:
  void load_step(const Field& field, int depth);
  void load_byte_level(const Field& field);
  void load_metaspace(const Field& field);
  void add_split(Matcher matcher, SplitBehavior behavior, bool invert = false) {
    steps_.emplace_back(Split{std::move(matcher), behavior, invert});
  }

  std::vector<Step> steps_;
};

}  // namespace octavo::tokenizer
