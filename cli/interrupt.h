#pragma once

namespace octavo::cli {

// SIGINT ends the program with status 130 and SIGTERM with 143, without running anything more.
// Once, at the start of main.
void exit_on_signals();

// While one lives, the first SIGINT or SIGTERM only sets requested(), so that work can stop between
// two steps and leave nothing half done; the second one ends the program. One at a time.
class InterruptRequest {
 public:
  InterruptRequest();
  ~InterruptRequest();
  InterruptRequest(const InterruptRequest&) = delete;
  InterruptRequest& operator=(const InterruptRequest&) = delete;

  bool requested() const;
  void clear();  // chat: the answer is stopped, the next one may be asked for
};

// Thrown between two steps of interrupted work; main turns it into status 130.
struct Interrupted {};

}  // namespace octavo::cli
