#include <editline/readline.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <memory>

#include "cli/interrupt.h"
#include "cli/line_reader.h"

namespace octavo::cli {

LineReader::LineReader() : terminal_(::isatty(STDIN_FILENO) != 0) {}

std::optional<std::string> LineReader::read(const std::string& prompt) {
  if (terminal_) {
    struct Free {
      void operator()(char* text) const { std::free(text); }  // readline hands out malloc's memory
    };
    // Ctrl-C takes back what was typed; leaving in the middle would leave the terminal raw.
    InterruptRequest interrupt;
    std::unique_ptr<char, Free> line(::readline(prompt.c_str()));
    while (!line && interrupt.requested()) {
      interrupt.clear();
      std::cout << "\n";
      line.reset(::readline(prompt.c_str()));
    }
    if (!line) return std::nullopt;
    if (*line != '\0') ::add_history(line.get());
    return std::string(line.get());
  }
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

}  // namespace octavo::cli
