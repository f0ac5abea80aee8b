#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace octavo::serve {

// A request as the server hands it on; before the body is read, `body` is empty.
struct HttpRequest {
  std::string method = {}, path = {},
              query = {};  // path as sent: nothing decoded, nothing normalized
  std::string content_type = {}, authorization = {}, request_id = {};
  std::string priority = {}, session_id = {}, fairness_id = {};  // headers of gateways
  std::string client = {};                                       // address and port; for the log
  std::string body = {};
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body = {};
  std::vector<std::pair<std::string, std::string>> headers = {};
};

// The way back to one client. Any thread may call; after the client has gone all calls do nothing.
class HttpExchange {
 public:
  virtual ~HttpExchange() = default;

  virtual void respond(HttpResponse response) = 0;
  // The head of a streamed response; then write() as often as needed, then finish().
  virtual void begin_stream(HttpResponse head) = 0;
  virtual void write(std::string bytes) = 0;
  virtual void finish() = 0;
  // Called once, from any thread, when the client leaves before the response is complete; at once
  // if it has left already.
  virtual void on_gone(std::function<void()> callback) = 0;
};

}  // namespace octavo::serve
