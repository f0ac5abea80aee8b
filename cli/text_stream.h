#pragma once

#include <string>
#include <vector>

#include "octavo/tokenizer.h"

namespace octavo::cli {

// The text of one answer as it grows, up to the first stop string. What could still become one is
// held back. One thread at a time.
class TextStream {
 public:
  struct Stops {
    std::vector<std::string> texts;  // empty ones are passed over
    bool include = false;            // the stop string stays in the text
  };
  TextStream(const Tokenizer& tokenizer, Tokenizer::InOutput in_output, Stops stops);

  // The text that this token makes final. Empty once stopped.
  std::string push(TokenId id);
  // The rest.
  std::string finish();
  bool stopped() const { return stopped_; }

 private:
  std::string release(bool all);

  Detokenizer detokenizer_;
  Stops stops_;
  size_t held_bytes_ = 0;  // the longest stop string without its last byte
  std::string pending_;
  bool stopped_ = false;
};

}  // namespace octavo::cli
