#pragma once

#include <string_view>

namespace octavo::tokenizer {

// What is wrong with a compiled character map (a double array and the texts it points to), or null.
// After null a walk over the map can neither leave it nor go round in it, and finds few, short,
// valid texts.
const char* fault_of_compiled_map(std::string_view map);

}  // namespace octavo::tokenizer
