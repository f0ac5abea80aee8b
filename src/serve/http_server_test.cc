#include "serve/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <csignal>
#include <mutex>
#include <string>

#include "octavo/error.h"

namespace octavo::serve {
namespace {

// A plain blocking client.
class Client {
 public:
  explicit Client(int port) : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { close(); }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }
  void send(const std::string& text) {
    EXPECT_TRUE(connected_);
    EXPECT_EQ(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  std::string read_until(const std::string& mark) {
    while (got_.find(mark) == std::string::npos && read_some()) {
    }
    const size_t end = got_.find(mark);
    if (end == std::string::npos) return std::exchange(got_, {});
    std::string text = got_.substr(0, end + mark.size());
    got_.erase(0, end + mark.size());
    return text;
  }
  std::string read_all() {
    while (read_some()) {
    }
    return std::exchange(got_, {});
  }

 private:
  bool read_some() {
    char bytes[4096];
    const ssize_t size = ::recv(fd_, bytes, sizeof bytes, 0);
    if (size <= 0) return false;
    got_.append(bytes, static_cast<size_t>(size));
    return true;
  }
  int fd_ = -1;
  bool connected_ = false;
  std::string got_;
};

class HttpServerTest : public testing::Test {
 protected:
  HttpServerTest() : server(small(), callbacks()) { server.start(); }

  static HttpOptions small() {
    return {.port = 0,
            .root_path = "/behind",
            .allowed_origins = {"https://page.example"},
            .max_header_bytes = 2048,
            .max_headers = 20,
            .max_body_bytes = 1000,
            .max_backlog_bytes = 100000};
  }
  HttpCallbacks callbacks() {
    return {.admit = [](const HttpRequest& head) -> std::optional<HttpResponse> {
              if (head.path != "/forbidden") return std::nullopt;
              return HttpResponse{.status = 401, .body = "no"};
            },
            .handle =
                [this](HttpRequest request, std::shared_ptr<HttpExchange> exchange) {
                  handle(std::move(request), std::move(exchange));
                },
            .on_signal = {}};
  }
  void handle(HttpRequest request, std::shared_ptr<HttpExchange> exchange) {
    if (request.path == "/stream") {
      exchange->begin_stream({.content_type = "text/plain"});
      exchange->write("one");
      exchange->write("two");
      return exchange->finish();
    }
    if (request.path == "/hold") {
      exchange->on_gone([this] { note_gone(); });
      const std::lock_guard lock(mutex);
      held = std::move(exchange);
      changed.notify_all();
      return;
    }
    exchange->respond({.content_type = "text/plain",
                       .body = request.method + " " + request.path + " " + request.body});
  }
  void note_gone() {
    const std::lock_guard lock(mutex);
    gone = true;
    changed.notify_all();
  }
  template <typename Condition>
  void await(Condition condition) {
    std::unique_lock lock(mutex);
    changed.wait(lock, condition);
  }

  std::mutex mutex;
  std::condition_variable changed;
  std::shared_ptr<HttpExchange> held;
  bool gone = false;
  HttpServer server;
};

TEST_F(HttpServerTest, answers_pipelined_requests_in_order_on_one_connection) {
  Client client(server.port());
  client.send("GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_NE(client.read_until("GET /a ").find("200 OK"), std::string::npos);
  EXPECT_NE(client.read_until("GET /b ").find("keep-alive"), std::string::npos);
}

TEST_F(HttpServerTest, takes_chunked_bodies_and_expectations) {
  Client client(server.port());
  client.send(
      "POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  client.read_until("POST /c abcde");
  client.send("POST /d HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_EQ(client.read_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("hi");
  EXPECT_NE(client.read_until("POST /d hi").find("200"), std::string::npos);
}

TEST_F(HttpServerTest, streams_in_chunks_or_until_close_for_old_clients) {
  Client client(server.port());
  client.send("GET /stream HTTP/1.1\r\n\r\n");
  const std::string head = client.read_until("\r\n\r\n");
  EXPECT_NE(head.find("Transfer-Encoding: chunked"), std::string::npos);
  EXPECT_TRUE(client.read_until("0\r\n\r\n").find("one") != std::string::npos);
  Client old(server.port());
  old.send("GET /stream HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.read_all().ends_with("\r\n\r\nonetwo"));
}

TEST_F(HttpServerTest, refuses_what_is_malformed_or_too_large) {
  const std::pair<std::string, const char*> cases[] = {
      {"nonsense\r\n\r\n", " 400 "},
      {"GET / HTTP/9.9\r\n\r\n", " 400 "},
      {"GET / HTTP/1.1\r\nX: " + std::string(4000, 'a') + "\r\n\r\n", " 431 "},
      {"POST / HTTP/1.1\r\nContent-Length: 1001\r\n\r\n", " 413 "},
      {"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", " 400 "},
      {"POST / HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
       " 400 "},
      {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", " 400 "},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: zebra\r\n\r\n", " 501 "},
      {"POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\na", " 415 "},
      {"POST /forbidden HTTP/1.1\r\nContent-Length: 900\r\n\r\n", " 401 "},
  };
  for (const auto& [text, status] : cases) {
    Client client(server.port());
    client.send(text);
    const std::string head = client.read_until("\r\n\r\n");
    EXPECT_NE(head.find(status), std::string::npos) << text.substr(0, 80) << " -> " << head;
  }
}

TEST_F(HttpServerTest, lets_pages_of_allowed_origins_call) {
  Client client(server.port());
  client.send("GET /a HTTP/1.1\r\nOrigin: https://page.example\r\n\r\n");
  EXPECT_NE(client.read_until("GET /a ").find("Access-Control-Allow-Origin: https://page.example"),
            std::string::npos);
  client.send("GET /b HTTP/1.1\r\nOrigin: https://other.example\r\n\r\n");
  EXPECT_EQ(client.read_until("GET /b ").find("Access-Control"), std::string::npos);
  Client preflight(server.port());
  preflight.send(
      "OPTIONS /forbidden HTTP/1.1\r\nOrigin: https://page.example\r\n"
      "Access-Control-Request-Method: POST\r\n\r\n");
  const std::string answer = preflight.read_all();
  EXPECT_NE(answer.find(" 200 "), std::string::npos);
  EXPECT_NE(answer.find("Access-Control-Allow-Headers: Authorization"), std::string::npos);
}

TEST_F(HttpServerTest, takes_the_prefix_of_a_proxy_off_the_path) {
  Client client(server.port());
  client.send("GET /behind/a HTTP/1.1\r\n\r\n");
  client.read_until("GET /a ");
  client.send("GET /behindhand HTTP/1.1\r\n\r\n");
  client.read_until("GET /behindhand ");
}

TEST_F(HttpServerTest, tells_when_a_client_leaves_an_unanswered_request) {
  Client client(server.port());
  client.send("GET /hold HTTP/1.1\r\n\r\n");
  await([&] { return held != nullptr; });
  client.close();
  await([&] { return gone; });
  held->respond({.body = "too late"});
  held.reset();
}

TEST_F(HttpServerTest, cuts_a_reader_that_is_too_slow) {
  Client client(server.port());
  client.send("GET /hold HTTP/1.1\r\n\r\n");
  await([&] { return held != nullptr; });
  held->begin_stream({});
  // Far more than the sockets' buffers and the backlog hold; the writer is never blocked.
  for (int i = 0; i < 200000; ++i) {
    {
      const std::lock_guard lock(mutex);
      if (gone) break;
    }
    held->write(std::string(1000, 'x'));
  }
  await([&] { return gone; });
  held.reset();
}

// The signal's handler lets another thread stop the server at once; that must end every time.
TEST(HttpServerSignals, stop_ends_when_a_signal_asked_for_it) {
  for (int round = 0; round < 100; ++round) {
    std::mutex mutex;
    std::condition_variable changed;
    bool asked = false;
    HttpServer server({.port = 0}, {.admit = {}, .handle = {}, .on_signal = [&](int, int) {
                                      const std::lock_guard lock(mutex);
                                      asked = true;
                                      changed.notify_all();
                                    }});
    server.start();
    ::kill(::getpid(), SIGTERM);
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [&] { return asked; });
    }
    server.stop();
  }
}

TEST_F(HttpServerTest, says_which_address_is_taken) {
  try {
    HttpServer second({.port = server.port()}, {});
    FAIL() << "bound twice";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(std::to_string(server.port())), std::string::npos);
  }
}

}  // namespace
}  // namespace octavo::serve
