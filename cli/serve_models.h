#pragma once

#include <string>
#include <vector>

#include "cli/model_options.h"
#include "octavo/engine.h"
#include "serve/hosted_model.h"

namespace octavo::cli {

// What all models of one server have in common.
struct ServedModelOptions {
  ModelOptions model;  // its `model` is filled in for each
  EngineOptions engine;
  std::vector<std::string> models, names;
  std::string chat_template, generation_config = "auto", scheduling_policy = "fcfs";
  int64_t max_logprobs = 20;
};

// The models of `options.models` with their names: of one model all are its own, of several the
// first belongs to the first, and so on. Throws Error for a path that is none, so a wrong one is
// told before anything starts.
std::vector<serve::Servable> servable_models(const ServedModelOptions& options);

}  // namespace octavo::cli
