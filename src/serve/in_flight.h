#pragma once

#include <chrono>
#include <string>

namespace octavo::serve {

// A request that the engine works on, as the service sees it. Any thread.
class InFlight {
 public:
  using Clock = std::chrono::steady_clock;
  virtual ~InFlight() = default;

  // Takes the request out of the engine; what is there by then is the answer, with finish reason
  // "abort".
  virtual void cancel() = 0;
  // Tells the client at once, without the engine, that there will be no answer.
  virtual void fail(const std::string& reason) = 0;
  // Sends a comment if it streams and has sent nothing since then.
  virtual void keep_alive(Clock::time_point silent_since) = 0;
};

}  // namespace octavo::serve
