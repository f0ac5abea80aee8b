#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "serve/http.h"
#include "serve/http_server.h"
#include "serve/wire.h"

namespace octavo::serve {

class Connection;

// What the connections of a server share. They may outlive neither it nor the io context.
struct HttpShared {
  HttpOptions options;
  boost::asio::ssl::context* tls = nullptr;
  HttpCallbacks callbacks;
  std::mutex mutex;  // guards the rest
  std::condition_variable idle;
  std::set<std::shared_ptr<Connection>> connections;
  int busy = 0;  // requests being answered
  bool stopping = false;
};

// The response of one request. Its producers call from any thread; the connection drains it on its
// own strand.
class Exchange final : public HttpExchange {
 public:
  struct Form {
    bool keep_alive = false, chunked = false, head_only = false;
    std::string headers = {};  // more of them, each line ended
  };
  Exchange(std::shared_ptr<Connection> connection, Form form, size_t max_backlog_bytes);

  void respond(HttpResponse response) override;
  void begin_stream(HttpResponse head) override;
  void write(std::string bytes) override;
  void finish() override;
  void on_gone(std::function<void()> callback) override;

  // For the connection: what waits to be sent, and whether it is the last.
  struct Output {
    std::string bytes = {};
    bool last = false;
  };
  Output take();
  void mark_gone();
  bool keep_alive() const { return form_.keep_alive; }

 private:
  void append(std::string bytes, bool last);

  const std::shared_ptr<Connection> connection_;
  const Form form_;
  const size_t max_backlog_bytes_;
  std::mutex mutex_;  // guards the rest
  std::string pending_;
  bool streaming_ = false, done_ = false, gone_ = false;
  std::function<void()> gone_callback_;
};

// One client's connection. All members belong to its strand, but post_flush() and close_soon().
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(Wire::Socket socket, HttpShared& shared);

  void start();
  void refuse_all(HttpResponse response);  // too many connections: answer without reading
  void post_flush();
  void close_soon();

 private:
  using Parser = boost::beast::http::request_parser<boost::beast::http::string_body>;
  using Code = boost::system::error_code;

  void greet();
  void watch();
  void watched(Code code, size_t bytes);
  void read_header();
  void header_read(Code code);
  void read_body();
  void body_read(Code code);
  void read_failed(Code code);
  void dispatch();
  HttpRequest head() const;
  std::optional<HttpResponse> unacceptable() const;
  std::optional<HttpResponse> preflight() const;
  std::string cors_headers() const;
  void refuse(const HttpResponse& response);
  void flush();
  void wrote(Code code);
  void finished();
  void linger();
  void close();
  void arm(boost::asio::steady_timer& timer, double seconds, void (Connection::*expired)());
  void read_expired();

  Wire wire_;
  HttpShared& shared_;
  boost::asio::steady_timer read_timer_, write_timer_;
  boost::beast::flat_buffer buffer_;
  std::optional<Parser> parser_;
  std::shared_ptr<Exchange> current_;
  std::string out_, client_;
  std::string cors_;  // headers for the request at hand
  bool watching_ = false, writing_ = false, lingering_ = false, closed_ = false, last_ = false;
  bool parsing_ = false;  // a read of the parser is outstanding; it owns buffer_ meanwhile
};

}  // namespace octavo::serve
