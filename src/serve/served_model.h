#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "octavo/tokenizer.h"
#include "serve/sampling_fields.h"

namespace octavo::serve {

// What the routes know of the model: immutable, any thread.
struct ServedModel {
  std::vector<std::string> names = {};  // the first one is told in answers
  std::string root = {};
  int64_t created = 0;
  Tokenizer tokenizer;
  size_t longest_token_bytes = 1;
  // The text of a conversation from the template's variables. Throws Error when the template
  // refuses it.
  std::function<std::string(const Json& variables)> render = {};
  ServeLimits limits = {};
  SamplingDefaults defaults = {};
};

}  // namespace octavo::serve
