#include "cli/interrupt.h"

#include <unistd.h>

#include <csignal>

namespace octavo::cli {
namespace {

// A signal handler can reach nothing else than objects like these.
volatile std::sig_atomic_t deferred = 0;  // an InterruptRequest lives
volatile std::sig_atomic_t pending = 0;

void on_signal(int signal) {
  if (deferred != 0 && pending == 0) {
    pending = 1;
    return;
  }
  ::_exit(128 + signal);
}

}  // namespace

void exit_on_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  // A file that grows past the user's limit is a failed write, as a full disk is, not a death.
  std::signal(SIGXFSZ, SIG_IGN);
}

InterruptRequest::InterruptRequest() {
  pending = 0;
  deferred = 1;
}

InterruptRequest::~InterruptRequest() {
  deferred = 0;
  pending = 0;
}

bool InterruptRequest::requested() const { return pending != 0; }

void InterruptRequest::clear() { pending = 0; }

}  // namespace octavo::cli
