#pragma once

#include <vector>

#include "serve/hosted_model.h"
#include "serve/http_server.h"
#include "serve/service.h"

namespace octavo::serve {

struct ServerOptions {
  HttpOptions http;
  ServiceOptions service;
  double shutdown_timeout_s = 30;
  bool load_on_demand = false;  // only the first model to begin with
};

// A server's whole life: binds, loads while /health says so, prints one line with the address,
// serves, and after SIGTERM or SIGINT finishes what runs (a second signal: at once). Returns the
// exit status; an engine that is stuck for good ends the process with status 1. Throws what loading
// throws, and Error when the address cannot be bound.
int run_server(const ServerOptions& options, std::vector<Servable> models);

}  // namespace octavo::serve
