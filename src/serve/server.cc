#include "serve/server.h"

#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <thread>
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

// Calls the service's tick every second while it lives, and ends the process when that says so.
class Pulse {
 public:
  explicit Pulse(Service& service) : thread_([this, &service] { beat(service); }) {}
  ~Pulse() {
    {
      const std::lock_guard lock(mutex_);
      ended_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

 private:
  void beat(Service& service) {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, std::chrono::seconds(1), [this] { return ended_; })) {
      lock.unlock();
      if (service.tick(Service::Clock::now()) == Service::Verdict::dead) {
        error_line("an engine makes no progress (engine): restart the server");
        ::_exit(1);  // its thread cannot be joined
      }
      lock.lock();
    }
  }

  std::mutex mutex_;  // guards ended_
  std::condition_variable changed_;
  bool ended_ = false;
  std::thread thread_;
};

void load_first(ModelRegistry& models, size_t count, bool on_demand) {
  for (size_t i = 0; i < count; ++i) {
    if (i == 0 || (!on_demand && models.fits(i))) models.load_now(i);
  }
}

std::string address_of(const HttpOptions& http, int port) {
  if (!http.unix_socket.empty()) return "unix:" + http.unix_socket;
  const bool v6 = http.host.find(':') != std::string::npos;
  const std::string scheme = http.tls_certificate.empty() ? "http" : "https";
  return scheme + "://" + (v6 ? "[" + http.host + "]" : http.host) + ":" + std::to_string(port);
}

void announce(const std::string& names, const std::string& address) {
  const std::string line = "octavo: serving " + one_line(names) + " on " + address + "\n";
  std::fputs(line.c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace

int run_server(const ServerOptions& options, std::vector<Servable> models) {
  std::string names;
  for (const Servable& model : models) names += (names.empty() ? "" : ", ") + model.names.front();
  const size_t count = models.size();
  Service service(options.service, std::move(models));
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
  load_first(service.models(), count, options.load_on_demand);
  service.ready();
  announce(names, address_of(options.http, http.port()));

  {
    const Pulse pulse(service);
    stop.wait();
    service.models().drain(options.shutdown_timeout_s);
  }
  http.wait_idle(kLastWrites);
  http.stop();
  service.stop();
  return 0;
}

}  // namespace octavo::serve
