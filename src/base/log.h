#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace octavo {

// Writes "[octavo] TEXT" as one line to stderr in one write, so lines of several threads never mix.
// Control characters in `text` (names come from files) become spaces. For start-up, files and
// faults; a step of the engine logs nothing. Any thread.
void log_line(std::string_view text);

// "octavo: TEXT": the one line that says why a command failed. Scripts look for this prefix.
void error_line(std::string_view text);

// `text` with control characters replaced by spaces: what the two print.
std::string one_line(std::string_view text);

// Says a thing once an owner, for example "matmul of int4 falls back to the reference kernel".
// Owned by what may repeat itself (a loader, an engine): there is no process-wide memory of what
// was said. Any thread.
class OnceLog {
 public:
  using Sink = std::function<void(std::string_view)>;
  explicit OnceLog(Sink sink = log_line) : sink_(std::move(sink)) {}

  // Logs `text` unless this very text was logged before. True when it was written.
  bool log_once(std::string_view text);

 private:
  Sink sink_;
  std::mutex mutex_;  // guards said_
  std::set<std::string, std::less<>> said_;
};

}  // namespace octavo
