#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/tokenizer/document.h"
#include "text/tokenizer/regex.h"
#include "text/tokenizer/scanner.h"

namespace octavo::tokenizer {

// A stretch of text and whether the pattern matched there.
struct Match {
  Span span;
  bool matched;
};

// What Split and Replace look for: {"String": ...}, {"Regex": ...}, a class of characters or one
// character.
class Matcher {
 public:
  // The `pattern` at this place.
  static Matcher load(const Field& pattern);
  static Matcher of_class(uint32_t mask) { return Matcher(mask); }
  static Matcher of_text(std::string text) { return Matcher(std::move(text)); }
  static Matcher of_known(KnownPattern known) { return Matcher(known); }

  // Cuts texts into matches and what lies between them; keeps what is costly between texts. One
  // thread.
  class Cursor {
   public:
    explicit Cursor(const Matcher& matcher);
    // Every stretch of `text` in order. REQUIRES: valid UTF-8. Replaces `out`.
    void cut(std::string_view text, std::vector<Match>& out);

   private:
    void cut_class(std::string_view text, uint32_t mask, std::vector<Match>& out) const;
    void cut_text(std::string_view text, std::string_view needle, std::vector<Match>& out) const;
    void cut_regex(std::string_view text, std::vector<Match>& out);

    const Matcher& matcher_;
    std::unique_ptr<Regex::Matches> matches_;
  };

  const KnownPattern* known() const { return std::get_if<KnownPattern>(&what_); }

 private:
  using What = std::variant<uint32_t, std::string, KnownPattern, Regex>;
  explicit Matcher(What what) : what_(std::move(what)) {}

  What what_;
};

}  // namespace octavo::tokenizer
