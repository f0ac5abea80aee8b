#pragma once

#include <optional>
#include <string>

namespace octavo::cli {

// Lines that a person types: with editing and history where the program was built with libedit and
// stdin is a terminal, otherwise as they come. One at a time.
class LineReader {
 public:
  LineReader();
  // The next line without its end; nothing at the end of input.
  std::optional<std::string> read(const std::string& prompt);

 private:
  bool terminal_;
};

}  // namespace octavo::cli
