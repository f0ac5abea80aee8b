#pragma once

#include <functional>
#include <string>
#include <utility>

#include "serve/http.h"

namespace octavo::serve {

// The way back to a caller in this process: collects the response, streamed or not, and hands it
// over once.
class LocalExchange final : public HttpExchange {
 public:
  explicit LocalExchange(std::function<void(HttpResponse)> done) : done_(std::move(done)) {}
  // Whoever held it gave up without an answer.
  ~LocalExchange() override {
    if (done_) done_({.status = 500});
  }

  void respond(HttpResponse response) override {
    if (auto done = std::exchange(done_, nullptr)) done(std::move(response));
  }
  void begin_stream(HttpResponse head) override { streamed_ = std::move(head); }
  void write(std::string bytes) override { streamed_.body += bytes; }
  void finish() override { respond(std::move(streamed_)); }
  void on_gone(std::function<void()>) override {}  // the caller stays

 private:
  std::function<void(HttpResponse)> done_;
  HttpResponse streamed_;
};

}  // namespace octavo::serve
