#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::serve {

// Finds the first stop string in a text that comes in pieces, one automaton (Knuth, Morris, Pratt)
// a string: linear in the text. Only what may still become a match is held back, and that always
// begins and ends at a character when pieces and strings are whole UTF-8.
class StopStrings {
 public:
  enum class Keep { drop_match, keep_match };
  // REQUIRES: no string is empty.
  StopStrings(std::vector<std::string> strings, Keep keep);

  // The text that is now certain. The match that completes earliest wins, of several the first of
  // the list; text after it is dropped.
  std::string push(std::string_view piece);
  // The same without looking for a match (before min_tokens): all of it is certain.
  std::string pass(std::string_view piece);
  // What is held back, at the end of the text.
  std::string flush();
  // The string that matched.
  const std::optional<std::string>& matched() const { return matched_; }

 private:
  struct Automaton {
    std::string text;
    std::vector<size_t> fallback;  // length of the longest border of each prefix
    size_t state = 0;              // bytes of `text` that the end of the input matches
    bool feed(char byte);
  };
  std::vector<Automaton> automata_;
  Keep keep_;
  std::string held_;
  std::optional<std::string> matched_;
};

}  // namespace octavo::serve
