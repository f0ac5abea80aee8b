#pragma once

#include <string>
#include <vector>

namespace octavo::measure {

// A server that this process starts and, with the object, ends (SIGTERM, then SIGKILL).
class ChildServer {
 public:
  // Runs `command` (its first word a path) and waits for a line on its standard output that holds
  // an address, "http://HOST:PORT". Throws Error where it ends before.
  explicit ChildServer(const std::vector<std::string>& command);
  ~ChildServer();
  ChildServer(const ChildServer&) = delete;
  ChildServer& operator=(const ChildServer&) = delete;

  const std::string& url() const { return url_; }

 private:
  void end();

  int pid_ = -1, output_ = -1;
  std::string url_;
};

}  // namespace octavo::measure
