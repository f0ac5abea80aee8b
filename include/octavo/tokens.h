#pragma once

#include <cstdint>

namespace octavo {

// Index of a row of the embedding table. Ids from outside are checked against the table before they
// get this far.
using TokenId = int32_t;

}  // namespace octavo
