#pragma once

#include <functional>
#include <memory>

#include "octavo/engine.h"
#include "serve/http_server.h"
#include "serve/served_model.h"
#include "serve/service.h"

namespace octavo::serve {

struct ServerOptions {
  HttpOptions http;
  ServiceOptions service;
  double shutdown_timeout_s = 30;
};

// What `load` brings. The limits that depend on the engine are filled in by the server.
struct LoadedModel {
  std::shared_ptr<ServedModel> served;
  std::unique_ptr<Engine> engine;  // not started
};

// A server's whole life: binds, loads while /health says so, prints one line with the address,
// serves, and after SIGTERM or SIGINT finishes what runs (a second signal: at once). Returns the
// exit status. Throws what `load` throws, and Error when the address cannot be bound.
int run_server(const ServerOptions& options, const std::function<LoadedModel()>& load);

}  // namespace octavo::serve
