#include "measure/load/http_client.h"

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <optional>

#include "octavo/error.h"

namespace octavo::measure {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;
using Code = boost::system::error_code;

constexpr auto kLook = std::chrono::milliseconds(100);  // how often run() asks whether to stop
constexpr size_t kPiece = 1 << 16;

std::chrono::nanoseconds nanoseconds(double seconds) {
  constexpr double kLongest = 1e9;  // what fits into 64 bits of nanoseconds
  return std::chrono::nanoseconds(static_cast<int64_t>(std::clamp(seconds, 0.0, kLongest) * 1e9));
}

// One request and its answer. Lives as long as a callback is awaited.
class Call : public std::enable_shared_from_this<Call> {
 public:
  Call(asio::io_context& io, const Address& address, double timeout_s)
      : stream_(io), timeout_(nanoseconds(timeout_s)), address_(address) {
    parser_.body_limit(boost::none);
  }

  std::function<void(int, std::string_view)> on_piece;
  std::function<void(const HttpEnd&)> on_end;

  void start(HttpCall call, const tcp::resolver::results_type& endpoints) {
    request_.method_string(call.method);
    request_.target(call.path);
    request_.version(11);
    request_.set(http::field::host, address_.host + ":" + address_.port);
    request_.set(http::field::user_agent, "octavo/" OCTAVO_VERSION);
    request_.set(http::field::connection, "close");
    if (!call.body.empty()) request_.set(http::field::content_type, "application/json");
    for (const auto& [name, value] : call.headers) request_.set(name, value);
    request_.body() = std::move(call.body);
    request_.prepare_payload();
    stream_.expires_after(timeout_);
    stream_.async_connect(endpoints, [self = shared_from_this()](Code code, const auto&) {
      if (code) return self->end(code);
      self->write();
    });
  }

 private:
  void write() {
    Code ignored;
    stream_.socket().set_option(tcp::no_delay(true), ignored);
    stream_.expires_after(timeout_);
    http::async_write(stream_, request_, [self = shared_from_this()](Code code, size_t) {
      if (code) return self->end(code);
      self->read_head();
    });
  }

  void read_head() {
    http::async_read_header(stream_, buffer_, parser_,
                            [self = shared_from_this()](Code code, size_t) {
                              if (code) return self->end(code);
                              self->read_piece();
                            });
  }

  void read_piece() {
    if (parser_.is_done()) return end({});
    parser_.get().body().data = piece_.data();
    parser_.get().body().size = piece_.size();
    stream_.expires_after(timeout_);
    http::async_read_some(stream_, buffer_, parser_,
                          [self = shared_from_this()](Code code, size_t) { self->took(code); });
  }

  void took(Code code) {
    if (code == http::error::need_buffer) code = {};
    const size_t size = piece_.size() - parser_.get().body().size;
    if (size > 0) on_piece(status(), {piece_.data(), size});
    if (code) return end(code);
    read_piece();
  }

  int status() const { return static_cast<int>(parser_.get().result_int()); }

  void end(Code code) {
    HttpEnd ended;
    if (parser_.is_header_done()) ended.status = status();
    if (code) ended.broken = code == beast::error::timeout ? "no answer in time" : code.message();
    Code ignored;
    stream_.socket().shutdown(tcp::socket::shutdown_both, ignored);
    on_end(ended);
  }

  beast::tcp_stream stream_;
  std::chrono::nanoseconds timeout_;
  const Address& address_;
  beast::flat_buffer buffer_{size_t{1} << 20};
  http::request<http::string_body> request_;
  http::response_parser<http::buffer_body> parser_;
  std::array<char, kPiece> piece_;
};

}  // namespace

struct HttpClient::State {
  State(Address a, double timeout) : address(std::move(a)), timeout_s(timeout) {
    tcp::resolver resolver(io);
    Code code;
    endpoints = resolver.resolve(address.host, address.port, code);
    if (code)
      throw Error("cannot find this host: " + code.message(), address.host, "check the address",
                  Error::Kind::failure);
  }
  const Address address;
  const double timeout_s;
  asio::io_context io{1};
  tcp::resolver::results_type endpoints;
};

Address parse_address(const std::string& url) {
  const std::string scheme = "http://";
  const std::string mend = "give http://HOST:PORT";
  if (url.starts_with("https://")) {
    throw Error("https is not spoken here", url,
                "send the load through a proxy, or measure beside the server");
  }
  if (!url.starts_with(scheme)) throw Error("no address of a server", url, mend);
  std::string rest = url.substr(scheme.size());
  Address address;
  const size_t slash = rest.find('/');
  if (slash != std::string::npos) address.path = rest.substr(slash);
  while (address.path.ends_with('/')) address.path.pop_back();
  rest.resize(std::min(slash, rest.size()));
  const size_t bracket = rest.starts_with('[') ? rest.find(']') : std::string::npos;
  const size_t colon = rest.find(':', bracket == std::string::npos ? 0 : bracket);
  address.host = rest.substr(0, colon);
  if (bracket != std::string::npos) address.host = rest.substr(1, bracket - 1);
  address.port = colon == std::string::npos ? "80" : rest.substr(colon + 1);
  const bool digits = address.port.find_first_not_of("0123456789") == std::string::npos;
  if (address.host.empty() || address.port.empty() || address.port.size() > 5 || !digits)
    throw Error("no address of a server", url, mend);
  return address;
}

HttpClient::HttpClient(Address address, double timeout_s)
    : state_(std::make_unique<State>(std::move(address), timeout_s)) {}

HttpClient::~HttpClient() = default;

void HttpClient::send(HttpCall call, std::function<void(int, std::string_view)> piece,
                      std::function<void(const HttpEnd&)> end) {
  const auto one = std::make_shared<Call>(state_->io, state_->address, state_->timeout_s);
  one->on_piece = std::move(piece);
  one->on_end = std::move(end);
  one->start(std::move(call), state_->endpoints);
}

void HttpClient::after(double seconds, std::function<void()> work) {
  const auto timer = std::make_shared<asio::steady_timer>(state_->io, nanoseconds(seconds));
  timer->async_wait([timer, work = std::move(work)](Code code) {
    if (!code) work();
  });
}

void HttpClient::run(const std::function<bool()>& stop) {
  state_->io.restart();
  if (!stop) {
    state_->io.run();
    return;
  }
  while (!state_->io.stopped() && !stop()) state_->io.run_for(kLook);
}

std::pair<HttpEnd, std::string> HttpClient::fetch(HttpCall call, size_t max_bytes) {
  HttpEnd ended;
  std::string body;
  send(
      std::move(call),
      [&](int, std::string_view piece) {
        body += piece.substr(0, max_bytes - std::min(max_bytes, body.size()));
      },
      [&](const HttpEnd& end) { ended = end; });
  run();
  return {ended, body};
}

}  // namespace octavo::measure
