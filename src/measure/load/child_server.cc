#include "measure/load/child_server.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <thread>

#include "octavo/error.h"

extern char** environ;

namespace octavo::measure {
namespace {

constexpr size_t kMaxLine = 1 << 16;
constexpr std::chrono::milliseconds kPatience{10000}, kLook{20};

Error failure(const std::string& what, const std::vector<std::string>& command) {
  return {what, command.front(), "see what the server says above", Error::Kind::failure};
}

std::string address_in(const std::string& line) {
  const size_t begin = line.find("http://");
  if (begin == std::string::npos) return {};
  return line.substr(begin, line.find_first_of(" \r\n", begin) - begin);
}

}  // namespace

ChildServer::ChildServer(const std::vector<std::string>& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw failure(std::strerror(errno), command);
  output_ = ends[0];
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const int code = ::posix_spawn(&pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  if (code != 0) {
    pid_ = -1;
    end();
    throw failure(std::string("cannot start the server: ") + std::strerror(code), command);
  }
  std::string text;
  char piece[4096];
  while (url_.empty() && text.size() < kMaxLine) {
    const ssize_t got = ::read(output_, piece, sizeof piece);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    text.append(piece, static_cast<size_t>(got));
    if (text.find('\n') != std::string::npos) url_ = address_in(text);
  }
  if (url_.empty()) {
    end();
    throw failure("the server ended before it was ready", command);
  }
}

ChildServer::~ChildServer() { end(); }

void ChildServer::end() {
  if (output_ >= 0) ::close(output_);
  output_ = -1;
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  int status = 0;
  for (std::chrono::milliseconds waited = kLook; ::waitpid(pid_, &status, WNOHANG) == 0;
       waited += kLook) {
    if (waited > kPatience) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, &status, 0);
      break;
    }
    std::this_thread::sleep_for(kLook);
  }
  pid_ = -1;
}

}  // namespace octavo::measure
