#include <unistd.h>

#include <iostream>

#include "cli/line_reader.h"

namespace octavo::cli {

LineReader::LineReader() : terminal_(::isatty(STDIN_FILENO) != 0) {}

std::optional<std::string> LineReader::read(const std::string& prompt) {
  if (terminal_) std::cout << prompt << std::flush;
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

}  // namespace octavo::cli
