#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "serve/http.h"

namespace octavo::serve {

struct HttpOptions {
  std::string host = "127.0.0.1";
  int port = 8000;  // 0: any free one
  std::string unix_socket =
      {};  // path of a Unix socket to listen on instead; an old one is replaced
  std::string tls_certificate = {}, tls_key = {};  // PEM files; empty: no TLS
  std::string root_path = {};                      // taken off the paths of requests
  std::vector<std::string> allowed_origins = {};   // CORS; "*": all
  int io_threads = 2;
  int max_connections = 1024;
  uint32_t max_header_bytes = 64 << 10;
  int max_headers = 256;
  uint64_t max_body_bytes = uint64_t{64} << 20;
  size_t max_backlog_bytes = size_t{1} << 20;  // of a stream whose reader is slow; then it is cut
  double idle_s = 75, header_s = 20, body_s = 60, write_s = 60;
};

struct HttpCallbacks {
  // Sees the head of a request before its body is read: a response here refuses it. Must be quick.
  std::function<std::optional<HttpResponse>(const HttpRequest& head)> admit;
  // A whole request. Runs on an io thread and must hand work on.
  std::function<void(HttpRequest request, std::shared_ptr<HttpExchange> exchange)> handle;
  // SIGTERM or SIGINT arrived, for the `count`-th time. Optional.
  std::function<void(int signal, int count)> on_signal;
};

// HTTP/1.1 over TCP, TLS or a Unix socket: bounded headers, bodies, times, connections and
// backlogs; keep-alive, pipelining in order, chunked bodies both ways, Expect: 100-continue.
// Nothing of Beast shows here.
class HttpServer {
 public:
  // Binds. Throws Error naming the address when that fails.
  HttpServer(HttpOptions options, HttpCallbacks callbacks);
  ~HttpServer();  // stops
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  void start();
  int port() const;
  // Waits until no response is under way, at most so long.
  void wait_idle(double timeout_s);
  // Closes every connection and joins the threads. Callbacks may still run until it returns.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octavo::serve
