#include "serve/http_server.h"

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/strand.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>
#include <utility>
#include <vector>

#include "octavo/error.h"
#include "serve/api_error.h"
#include "serve/http_connection.h"
#include "serve/peer_name.h"

namespace octavo::serve {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Stream = asio::generic::stream_protocol;
using Code = boost::system::error_code;

constexpr size_t kMaxUnixPath = 107;                           // of sockaddr_un
constexpr auto kAcceptRetry = std::chrono::milliseconds(100);  // after EMFILE and the like

}  // namespace

struct HttpServer::State {
  State(HttpOptions options, HttpCallbacks callbacks)
      : io(options.io_threads),
        strand(asio::make_strand(io)),
        acceptor(strand),
        retry(strand),
        signals(strand) {
    shared.options = std::move(options);
    shared.callbacks = std::move(callbacks);
  }

  void read_certificate();
  asio::generic::stream_protocol::endpoint find_address();
  void bind();
  void accept();
  void accepted(Code code, Wire::Socket socket);
  void await_signal();

  std::optional<asio::ssl::context> tls;
  HttpShared shared;
  asio::io_context io;
  asio::strand<asio::io_context::executor_type> strand;  // all of the next five belong to it
  asio::basic_socket_acceptor<Stream> acceptor;
  asio::steady_timer retry;
  asio::signal_set signals;
  int signal_count = 0;
  bool closed = false;  // nothing may be awaited any more
  std::vector<std::thread> threads;
};

void HttpServer::State::read_certificate() {
  const HttpOptions& options = shared.options;
  if (options.tls_certificate.empty() && options.tls_key.empty()) return;
  if (options.tls_certificate.empty() || options.tls_key.empty()) {
    throw Error("TLS needs a certificate and its key", "--ssl-certfile", "give --ssl-keyfile too");
  }
  tls.emplace(asio::ssl::context::tls_server);
  tls->set_options(asio::ssl::context::default_workarounds | asio::ssl::context::no_sslv2 |
                   asio::ssl::context::no_sslv3 | asio::ssl::context::no_tlsv1 |
                   asio::ssl::context::no_tlsv1_1);
  Code code;
  tls->use_certificate_chain_file(options.tls_certificate, code);
  if (code) {
    throw Error("no certificate: " + code.message(), options.tls_certificate, "give a PEM file");
  }
  tls->use_private_key_file(options.tls_key, asio::ssl::context::pem, code);
  if (code) throw Error("no key: " + code.message(), options.tls_key, "give the PEM key of it");
  shared.tls = &*tls;
}

Stream::endpoint HttpServer::State::find_address() {
  const HttpOptions& options = shared.options;
  if (!options.unix_socket.empty()) {
    std::error_code ignored;
    if (std::filesystem::is_socket(options.unix_socket, ignored)) {
      std::filesystem::remove(options.unix_socket, ignored);
    }
    if (options.unix_socket.size() > kMaxUnixPath) {
      throw Error("longer than 107 bytes", "--uds", "choose a shorter path");
    }
    return asio::local::stream_protocol::endpoint(options.unix_socket);
  }
  tcp::resolver resolver(io);
  Code code;
  const auto found =
      resolver.resolve(options.host, std::to_string(options.port), tcp::resolver::passive, code);
  if (code) {
    throw Error("cannot find this host: " + code.message(), options.host, "choose another --host",
                Error::Kind::failure);
  }
  return found.begin()->endpoint();
}

void HttpServer::State::bind() {
  const HttpOptions& options = shared.options;
  const std::string where = options.unix_socket.empty()
                                ? options.host + ":" + std::to_string(options.port)
                                : options.unix_socket;
  const auto check = [&](Code code, const char* what) {
    if (!code) return;
    throw Error(std::string(what) + ": " + code.message(), where, "choose another --host or --port",
                Error::Kind::failure);
  };
  const Stream::endpoint endpoint = find_address();
  Code code;
  acceptor.open(endpoint.protocol(), code);
  check(code, "cannot open a socket");
  acceptor.set_option(asio::socket_base::reuse_address(true), code);
  acceptor.bind(endpoint, code);
  check(code, "cannot bind");
  acceptor.listen(asio::socket_base::max_listen_connections, code);
  check(code, "cannot listen");
}

void HttpServer::State::accept() {
  acceptor.async_accept(asio::make_strand(io), [this](Code code, Wire::Socket socket) {
    accepted(code, std::move(socket));
  });
}

void HttpServer::State::accepted(Code code, Wire::Socket socket) {
  if (closed) return;
  if (code) {
    retry.expires_after(kAcceptRetry);
    retry.async_wait([this](Code waited) {
      if (!waited && !closed) accept();
    });
    return;
  }
  const auto connection = std::make_shared<Connection>(std::move(socket), shared);
  bool full = false;
  {
    const std::lock_guard lock(shared.mutex);
    if (shared.stopping) return;
    full = static_cast<int>(shared.connections.size()) >= shared.options.max_connections;
    shared.connections.insert(connection);
  }
  if (full) {
    ApiError error = overloaded("too many connections", 1);
    connection->refuse_all(
        {.status = 503, .body = error_body(error), .headers = {{"Retry-After", "1"}}});
  } else {
    connection->start();
  }
  accept();
}

void HttpServer::State::await_signal() {
  signals.async_wait([this](Code code, int signal) {
    if (code || closed) return;
    const int count = ++signal_count;
    await_signal();  // first: what it calls may end in stop()
    shared.callbacks.on_signal(signal, count);
  });
}

HttpServer::HttpServer(HttpOptions options, HttpCallbacks callbacks)
    : state_(std::make_unique<State>(std::move(options), std::move(callbacks))) {
  state_->read_certificate();
  state_->bind();
}

HttpServer::~HttpServer() { stop(); }

void HttpServer::start() {
  if (state_->shared.callbacks.on_signal) {
    state_->signals.add(SIGINT);
    state_->signals.add(SIGTERM);
    asio::post(state_->strand, [this] { state_->await_signal(); });
  }
  asio::post(state_->strand, [this] { state_->accept(); });
  for (int i = 0; i < state_->shared.options.io_threads; ++i) {
    state_->threads.emplace_back([this] { state_->io.run(); });
  }
}

int HttpServer::port() const {
  Code ignored;
  return port_of(state_->acceptor.local_endpoint(ignored));
}

void HttpServer::wait_idle(double timeout_s) {
  HttpShared& shared = state_->shared;
  std::unique_lock lock(shared.mutex);
  shared.idle.wait_for(lock, std::chrono::duration<double>(timeout_s),
                       [&] { return shared.busy == 0; });
}

void HttpServer::stop() {
  if (state_->threads.empty()) return;
  State& state = *state_;
  asio::post(state.strand, [&state] {
    Code ignored;
    state.closed = true;
    state.acceptor.close(ignored);
    state.retry.cancel();
    state.signals.cancel(ignored);
  });
  std::set<std::shared_ptr<Connection>> connections;
  {
    const std::lock_guard lock(state.shared.mutex);
    state.shared.stopping = true;
    connections = state.shared.connections;
  }
  for (const auto& connection : connections) connection->close_soon();
  connections.clear();
  for (std::thread& thread : state.threads) thread.join();  // nothing is left to wait for
  state.threads.clear();
  std::error_code ignored;
  const std::string& path = state.shared.options.unix_socket;
  if (!path.empty()) std::filesystem::remove(path, ignored);
}

}  // namespace octavo::serve
