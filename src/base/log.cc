#include "base/log.h"

#include <unistd.h>

#include <cerrno>

namespace octavo {

std::string one_line(std::string_view text) {
  std::string line(text);
  for (char& c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) c = ' ';
  }
  return line;
}

namespace {

void write_line(std::string_view prefix, std::string_view text) {
  const std::string line = std::string(prefix) + one_line(text) + "\n";
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t wrote = ::write(STDERR_FILENO, rest.data(), rest.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return;  // A closed stderr is no reason to stop working.
    rest.remove_prefix(static_cast<size_t>(wrote));
  }
}

}  // namespace

void log_line(std::string_view text) { write_line("[octavo] ", text); }

void error_line(std::string_view text) { write_line("octavo: ", text); }

bool OnceLog::log_once(std::string_view text) {
  {
    const std::lock_guard lock(mutex_);
    if (!said_.emplace(text).second) return false;
  }
  sink_(text);
  return true;
}

}  // namespace octavo
