#pragma once

#include <memory>

#include "serve/served_model.h"

namespace octavo::serve {

// For tests: a tokenizer of the 256 bytes and an end token (id 256, special), a vocabulary of 257,
// a context of 128 tokens, and the plain chat text.
std::shared_ptr<ServedModel> test_model();

}  // namespace octavo::serve
