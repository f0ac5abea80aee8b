#include "serve/http_connection.h"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/status.hpp>
#include <chrono>
#include <utility>

#include "serve/api_error.h"
#include "serve/peer_name.h"

namespace octavo::serve {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr size_t kReadBytes = 16 << 10;
constexpr size_t kMaxPipelined = 64 << 10;  // bytes of later requests kept while one is answered
constexpr double kLinger = 2;
constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";

enum class Framing { whole, chunked, until_close };

std::string head_text(const HttpResponse& response, Framing framing, bool keep_alive,
                      const std::string& more) {
  std::string text = "HTTP/1.1 " + std::to_string(response.status) + " ";
  text += http::obsolete_reason(static_cast<http::status>(response.status));
  text += "\r\nContent-Type: " + response.content_type + "\r\n";
  for (const auto& [name, value] : response.headers) text += name + ": " + value + "\r\n";
  text += more;
  if (framing == Framing::whole) {
    text += "Content-Length: " + std::to_string(response.body.size()) + "\r\n";
  } else if (framing == Framing::chunked) {
    text += "Transfer-Encoding: chunked\r\n";
  }
  text += keep_alive ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return text;
}

std::string chunk(std::string_view bytes) {
  char size[32];
  const int length = std::snprintf(size, sizeof size, "%zx\r\n", bytes.size());
  std::string text(size, static_cast<size_t>(length));
  text += bytes;
  text += "\r\n";
  return text;
}

HttpResponse plain_error(int status, std::string message) {
  return {.status = status, .body = error_body(http_error(status, std::move(message)))};
}

}  // namespace

Exchange::Exchange(std::shared_ptr<Connection> connection, Form form, size_t max_backlog_bytes)
    : connection_(std::move(connection)),
      form_(std::move(form)),
      max_backlog_bytes_(max_backlog_bytes) {}

void Exchange::append(std::string bytes, bool last) {
  {
    const std::lock_guard lock(mutex_);
    if (gone_ || done_) return;
    if (streaming_ && pending_.size() + bytes.size() > max_backlog_bytes_ + kReadBytes) {
      connection_->close_soon();  // it reads too slowly
      return;
    }
    pending_ += bytes;
    done_ = last;
  }
  connection_->post_flush();
}

void Exchange::respond(HttpResponse response) {
  std::string text = head_text(response, Framing::whole, form_.keep_alive, form_.headers);
  if (!form_.head_only) text += response.body;
  append(std::move(text), true);
}

void Exchange::begin_stream(HttpResponse head) {
  const Framing framing = form_.chunked ? Framing::chunked : Framing::until_close;
  append(head_text(head, framing, form_.keep_alive, form_.headers), false);
  const std::lock_guard lock(mutex_);
  streaming_ = true;
}

void Exchange::write(std::string bytes) {
  if (bytes.empty()) return;
  append(form_.chunked ? chunk(bytes) : std::move(bytes), false);
}

void Exchange::finish() { append(form_.chunked ? "0\r\n\r\n" : "", true); }

void Exchange::on_gone(std::function<void()> callback) {
  {
    const std::lock_guard lock(mutex_);
    if (!gone_) {
      gone_callback_ = std::move(callback);
      return;
    }
  }
  callback();
}

Exchange::Output Exchange::take() {
  const std::lock_guard lock(mutex_);
  return {.bytes = std::exchange(pending_, {}), .last = done_};
}

void Exchange::mark_gone() {
  std::function<void()> callback;
  {
    const std::lock_guard lock(mutex_);
    gone_ = true;
    if (!done_) callback = std::move(gone_callback_);
    gone_callback_ = nullptr;
  }
  if (callback) callback();
}

Connection::Connection(Wire::Socket socket, HttpShared& shared)
    : wire_(std::move(socket), shared.tls),
      shared_(shared),
      read_timer_(wire_.get_executor()),
      write_timer_(wire_.get_executor()),
      buffer_(shared.options.max_header_bytes + kMaxPipelined + kReadBytes) {}

void Connection::arm(asio::steady_timer& timer, double seconds, void (Connection::*expired)()) {
  timer.expires_after(std::chrono::milliseconds(static_cast<int64_t>(seconds * 1000)));
  timer.async_wait([self = shared_from_this(), expired](Code code) {
    if (!code && !self->closed_) (self.get()->*expired)();
  });
}

void Connection::start() {
  asio::post(wire_.get_executor(), [self = shared_from_this()] {
    Code ignored;
    self->wire_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    self->arm(self->read_timer_, self->shared_.options.idle_s, &Connection::close);
    self->client_ = peer_name(self->wire_.socket());
    if (self->wire_.encrypted()) return self->greet();
    self->watch();
  });
}

void Connection::greet() {
  arm(read_timer_, shared_.options.header_s, &Connection::close);
  wire_.async_handshake([self = shared_from_this()](Code code) {
    if (code || self->closed_) return self->close();
    self->arm(self->read_timer_, self->shared_.options.idle_s, &Connection::close);
    self->watch();
  });
}

void Connection::refuse_all(HttpResponse response) {
  asio::post(wire_.get_executor(), [self = shared_from_this(), response = std::move(response)] {
    if (self->wire_.encrypted()) return self->close();  // not worth a handshake
    self->refuse(response);
    self->watch();
  });
}

void Connection::post_flush() {
  asio::post(wire_.get_executor(), [self = shared_from_this()] { self->flush(); });
}

void Connection::close_soon() {
  asio::post(wire_.get_executor(), [self = shared_from_this()] { self->close(); });
}

// While a request is answered or none is there, one read is outstanding: it notices the client's
// leaving and brings the first bytes of the next request.
void Connection::watch() {
  if (watching_ || closed_ || buffer_.size() >= kMaxPipelined) return;
  watching_ = true;
  wire_.async_read_some(buffer_.prepare(kReadBytes),
                        [self = shared_from_this()](Code code, size_t bytes) {
                          self->watching_ = false;
                          self->watched(code, bytes);
                        });
}

void Connection::watched(Code code, size_t bytes) {
  if (closed_) return;
  const bool freed = code == asio::error::operation_aborted && !current_ && !lingering_;
  if (freed && buffer_.size() > 0) return read_header();
  if (code) return close();
  buffer_.commit(bytes);
  if (lingering_) buffer_.consume(buffer_.size());
  if (current_ || lingering_ || writing_) return watch();
  read_header();
}

void Connection::read_header() {
  parser_.emplace();
  parser_->header_limit(shared_.options.max_header_bytes);
  parser_->body_limit(shared_.options.max_body_bytes);
  arm(read_timer_, shared_.options.header_s, &Connection::read_expired);
  parsing_ = true;
  http::async_read_header(wire_, buffer_, *parser_, [self = shared_from_this()](Code code, size_t) {
    self->header_read(code);
  });
}

HttpRequest Connection::head() const {
  const auto& message = parser_->get();
  HttpRequest request;
  request.method = std::string(message.method_string());
  const std::string target(message.target());
  const size_t query = target.find('?');
  request.path = target.substr(0, query);
  const std::string& root = shared_.options.root_path;
  if (!root.empty() && request.path.starts_with(root + "/")) request.path.erase(0, root.size());
  if (query != std::string::npos) request.query = target.substr(query + 1);
  request.content_type = std::string(message[http::field::content_type]);
  request.authorization = std::string(message[http::field::authorization]);
  request.request_id = std::string(message["X-Request-Id"]);
  request.priority = std::string(message["X-Vllm-Priority"]);
  request.session_id = std::string(message["X-Session-ID"]);
  request.fairness_id = std::string(message["X-Gateway-Fairness-Id"]);
  request.client = client_;
  return request;
}

std::optional<HttpResponse> Connection::unacceptable() const {
  const auto& message = parser_->get();
  if (message.version() != 10 && message.version() != 11) {
    return plain_error(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  }
  if (std::distance(message.begin(), message.end()) > shared_.options.max_headers) {
    return plain_error(431, "too many header fields");
  }
  if (message.count(http::field::transfer_encoding) > 0 && !parser_->chunked()) {
    return plain_error(501, "the only transfer coding supported is chunked");
  }
  const auto encoding = message[http::field::content_encoding];
  if (!encoding.empty() && encoding != "identity") {
    return plain_error(415, "compressed bodies are not supported");
  }
  if (auto answer = preflight()) return answer;
  return shared_.callbacks.admit ? shared_.callbacks.admit(head()) : std::nullopt;
}

std::string Connection::cors_headers() const {
  const std::vector<std::string>& allowed = shared_.options.allowed_origins;
  const std::string origin(parser_->get()[http::field::origin]);
  if (allowed.empty() || origin.empty()) return {};
  const bool all = std::ranges::find(allowed, "*") != allowed.end();
  if (!all && std::ranges::find(allowed, origin) == allowed.end()) return {};
  return "Access-Control-Allow-Origin: " + (all ? "*" : origin) +
         "\r\nVary: Origin\r\nAccess-Control-Expose-Headers: Retry-After, X-Request-Id\r\n";
}

// A browser asks whether a page of another origin may call (Fetch standard, CORS preflight).
std::optional<HttpResponse> Connection::preflight() const {
  const auto& message = parser_->get();
  const bool asks = message.method() == http::verb::options && !cors_.empty() &&
                    message.count(http::field::access_control_request_method) > 0;
  if (!asks) return std::nullopt;
  return HttpResponse{.content_type = "text/plain",
                      .headers = {{"Access-Control-Allow-Methods", "GET, POST, OPTIONS"},
                                  {"Access-Control-Allow-Headers",
                                   "Authorization, Content-Type, X-Request-Id, X-Vllm-Priority"},
                                  {"Access-Control-Max-Age", "600"}}};
}

void Connection::header_read(Code code) {
  parsing_ = false;
  if (closed_ || lingering_) return lingering_ ? watch() : void();
  if (code) return read_failed(code);
  cors_ = cors_headers();
  if (const auto refusal = unacceptable()) return refuse(*refusal);
  const auto expect = parser_->get()[http::field::expect];
  const bool wants_continue = boost::beast::iequals(expect, "100-continue");
  if (!wants_continue || parser_->is_done() || buffer_.size() > 0) return read_body();
  asio::async_write(wire_, asio::buffer(kContinue),
                    [self = shared_from_this()](Code error, size_t) {
                      return error ? self->close() : self->read_body();
                    });
}

void Connection::read_body() {
  if (closed_) return;
  if (parser_->is_done()) return dispatch();
  arm(read_timer_, shared_.options.body_s, &Connection::read_expired);
  parsing_ = true;
  http::async_read(wire_, buffer_, *parser_,
                   [self = shared_from_this()](Code code, size_t) { self->body_read(code); });
}

void Connection::body_read(Code code) {
  parsing_ = false;
  if (closed_ || lingering_) return lingering_ ? watch() : void();
  if (code) return read_failed(code);
  dispatch();
}

void Connection::read_failed(Code code) {
  if (code == http::error::end_of_stream || code == http::error::partial_message) return close();
  if (code == http::error::header_limit || code == http::error::buffer_overflow) {
    return refuse(plain_error(431, "the header is larger than " +
                                       std::to_string(shared_.options.max_header_bytes) +
                                       " bytes"));
  }
  if (code == http::error::body_limit) {
    return refuse(plain_error(413, "the body is larger than " +
                                       std::to_string(shared_.options.max_body_bytes) + " bytes"));
  }
  if (code.category() == http::make_error_code(http::error::bad_value).category()) {
    return refuse(plain_error(400, "this is not a well-formed HTTP request: " + code.message()));
  }
  close();
}

void Connection::read_expired() { refuse(plain_error(408, "the request did not arrive in time")); }

void Connection::dispatch() {
  read_timer_.cancel();
  HttpRequest request = head();
  auto& message = parser_->get();
  const bool http11 = message.version() == 11;
  const Exchange::Form form{.keep_alive = http11 && message.keep_alive(),
                            .chunked = http11,
                            .head_only = request.method == "HEAD",
                            .headers = cors_};
  request.body = std::move(message.body());
  parser_.reset();
  current_ =
      std::make_shared<Exchange>(shared_from_this(), form, shared_.options.max_backlog_bytes);
  {
    const std::lock_guard lock(shared_.mutex);
    ++shared_.busy;
  }
  watch();
  shared_.callbacks.handle(std::move(request), current_);
}

// An answer to what is not, or not yet wholly, a request; nothing more is read from this client.
void Connection::refuse(const HttpResponse& response) {
  if (closed_ || lingering_ || writing_) return close();
  out_ = head_text(response, Framing::whole, false, cors_) + response.body;
  lingering_ = true;
  writing_ = true;
  arm(write_timer_, kLinger, &Connection::close);
  asio::async_write(wire_, asio::buffer(out_), [self = shared_from_this()](Code code, size_t) {
    self->writing_ = false;
    return code ? self->close() : self->linger();
  });
}

void Connection::flush() {
  if (closed_ || writing_ || !current_) return;
  Exchange::Output output = current_->take();
  last_ = output.last;
  if (output.bytes.empty()) return output.last ? finished() : void();
  out_ = std::move(output.bytes);
  writing_ = true;
  arm(write_timer_, shared_.options.write_s, &Connection::close);
  asio::async_write(wire_, asio::buffer(out_),
                    [self = shared_from_this()](Code code, size_t) { self->wrote(code); });
}

void Connection::wrote(Code code) {
  writing_ = false;
  if (closed_) return;
  write_timer_.cancel();
  if (code) return close();
  if (last_) return finished();
  flush();
}

void Connection::finished() {
  const bool keep_alive = current_->keep_alive();
  current_.reset();
  last_ = false;
  {
    const std::lock_guard lock(shared_.mutex);
    --shared_.busy;
  }
  shared_.idle.notify_all();
  if (!keep_alive) return linger();
  arm(read_timer_, shared_.options.idle_s, &Connection::close);
  Code ignored;
  if (!watching_) return buffer_.size() > 0 ? read_header() : watch();
  // The next request has come already: the watching read must give the buffer back first.
  if (buffer_.size() > 0) wire_.socket().cancel(ignored);
}

// Closing at once, with input unread, could destroy the answer on its way: first the client's end
// is awaited for a while.
void Connection::linger() {
  lingering_ = true;
  arm(write_timer_, kLinger, &Connection::close);
  read_timer_.cancel();
  if (wire_.encrypted()) {
    return wire_.async_farewell([self = shared_from_this()](Code) { self->close(); });
  }
  Code ignored;
  wire_.socket().shutdown(Wire::Socket::shutdown_send, ignored);
  if (parsing_) return;
  buffer_.consume(buffer_.size());
  watch();
}

void Connection::close() {
  if (closed_) return;
  closed_ = true;
  Code ignored;
  wire_.socket().close(ignored);
  read_timer_.cancel();
  write_timer_.cancel();
  const std::shared_ptr<Exchange> current = std::exchange(current_, nullptr);
  {
    const std::lock_guard lock(shared_.mutex);
    if (current) --shared_.busy;
    shared_.connections.erase(shared_from_this());
  }
  shared_.idle.notify_all();
  if (current) current->mark_gone();
}

}  // namespace octavo::serve
