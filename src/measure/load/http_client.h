#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace octavo::measure {

// "http://host:port/path" taken apart.
struct Address {
  std::string host, port, path;
  bool operator==(const Address&) const = default;
};
// Throws Error for what is no address, and for https, which this client does not speak.
Address parse_address(const std::string& url);

struct HttpCall {
  std::string method = "POST", path, body;
  std::vector<std::pair<std::string, std::string>> headers = {};
};

struct HttpEnd {
  int status = 0;      // 0: no answer
  std::string broken;  // why the connection failed; empty: it did not
};

// Many calls at once to one server, each over a connection of its own; everything happens in the
// thread that runs run().
class HttpClient {
 public:
  using Clock = std::function<double()>;  // seconds

  // `timeout_s`: without a byte.
  HttpClient(Address address, double timeout_s);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // Starts a call: `piece` gets the body as it comes, `end` is called once.
  void send(HttpCall call, std::function<void(int status, std::string_view piece)> piece,
            std::function<void(const HttpEnd&)> end);
  // Calls `work` after so many seconds.
  void after(double seconds, std::function<void()> work);
  // Until nothing is under way, or `stop` says so.
  void run(const std::function<bool()>& stop = {});

  // One call, to its end. The body is cut at `max_bytes`.
  std::pair<HttpEnd, std::string> fetch(HttpCall call, size_t max_bytes = size_t{16} << 20);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace octavo::measure
