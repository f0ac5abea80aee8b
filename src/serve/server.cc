#include "serve/server.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>

#include "base/log.h"
#include "octavo/error.h"

namespace octavo::serve {
namespace {

constexpr double kLastWrites = 5;  // seconds for answers that are complete but not yet sent

// The wish to stop, from the thread that hears signals to the one that waits.
class StopRequest {
 public:
  void raise() {
    {
      const std::lock_guard lock(mutex_);
      raised_ = true;
    }
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return raised_; });
  }

 private:
  std::mutex mutex_;  // guards raised_
  std::condition_variable changed_;
  bool raised_ = false;
};

void on_signal(int signal, int count, Service& service, StopRequest& stop) {
  if (service.phase() == Service::Phase::loading) ::_exit(128 + signal);
  if (count == 1) {
    log_line("stopping: requests in flight are finished first; a second signal ends them");
    service.drain();
    stop.raise();
  } else if (count == 2) {
    service.abort_all();
  } else {
    ::_exit(128 + signal);
  }
}

size_t longest_token(const Tokenizer& tokenizer) {
  size_t longest = 1;
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    longest = std::max(longest, tokenizer.token_bytes(static_cast<TokenId>(id)).size());
  }
  return longest;
}

void announce(const HttpOptions& http, int port, const std::string& name) {
  const bool v6 = http.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + http.host + "]" : http.host;
  const std::string line = "octavo: serving " + one_line(name) + " on http://" + host + ":" +
                           std::to_string(port) + "\n";
  std::fputs(line.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

int run_server(const ServerOptions& options, const std::function<LoadedModel()>& load) {
  Service service(options.service);
  StopRequest stop;
  HttpServer http(
      options.http,
      {.admit = [&](const HttpRequest& head) { return service.admit(head); },
       .handle =
           [&](HttpRequest request, std::shared_ptr<HttpExchange> exchange) {
             service.handle(std::move(request), std::move(exchange));
           },
       .on_signal = [&](int signal, int count) { on_signal(signal, count, service, stop); }});
  http.start();
  LoadedModel loaded = load();
  RealEngine port(*loaded.engine);
  loaded.served->limits.max_model_len = loaded.engine->options().max_model_len;
  loaded.served->longest_token_bytes = longest_token(loaded.served->tokenizer);
  loaded.engine->start();
  const std::string name = loaded.served->names.front();
  service.ready(std::move(loaded.served), port);
  announce(options.http, http.port(), name);

  stop.wait();
  loaded.engine->drain(options.shutdown_timeout_s);
  http.wait_idle(kLastWrites);
  http.stop();
  service.stop();
  return 0;
}

}  // namespace octavo::serve
