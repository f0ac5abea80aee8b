#pragma once

#include <nlohmann/json_fwd.hpp>

namespace octavo {

// Documents that we read or write: configs, requests, answers. Keeps the order of keys. Large maps
// (vocabularies, tensor headers) go through simdjson instead: look-up here is linear in the keys.
using Json = nlohmann::ordered_json;

}  // namespace octavo
