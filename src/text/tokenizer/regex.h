#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "text/tokenizer/document.h"

namespace octavo::tokenizer {

struct Span {
  size_t begin = 0, end = 0;
};

// A compiled pattern of a tokenizer file. Safe to use from any thread.
class Regex {
 public:
  // The string at `place` as a regular expression. Throws Error when it is none.
  explicit Regex(const Field& place);
  ~Regex();
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;

  // Walks over the matches in a text from left to right: they do not overlap, and an empty match
  // right behind another one does not count. One thread.
  class Matches {
   public:
    Matches(const Regex& regex, std::string_view text);
    ~Matches();
    Matches(const Matches&) = delete;
    Matches& operator=(const Matches&) = delete;
    // Continues in another text. The object is costly to make and cheap to keep.
    void reset(std::string_view text);
    // Throws Error when the pattern needs more steps than any sane one does.
    std::optional<Span> next();

   private:
    struct State;
    std::optional<Span> search(size_t from);

    const Regex& regex_;
    std::string_view text_;
    size_t at_ = 0;
    std::optional<size_t> last_end_;
    std::unique_ptr<State> state_;
  };

 private:
  struct Code;
  std::unique_ptr<Code> code_;
};

}  // namespace octavo::tokenizer
