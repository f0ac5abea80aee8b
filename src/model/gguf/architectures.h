#pragma once

#include <array>
#include <span>
#include <string_view>

#include "ops/ops.h"

namespace octavo {

// What GGUF calls a family, and what its name implies that the metadata do not say.
struct GgufArchitecture {
  std::string_view name;              // general.architecture
  std::string_view architecture;      // of config.json
  RopePairs pairs = RopePairs::half;  // as the rows of q and k lie in the file
  // Fields of config.json, as JSON; metadata win over them.
  std::string_view implied = "{}";
  std::string_view with_windows = {};  // architecture instead, where layers have a window
};

std::span<const GgufArchitecture> gguf_architectures();
// Null where there is none.
const GgufArchitecture* find_gguf_architecture(std::string_view name);

// A key of the metadata below "ARCHITECTURE." and the fields of config.json that families read it
// under.
struct GgufField {
  std::string_view key;
  std::array<std::string_view, 4> fields;  // unused ones are empty
};
std::span<const GgufField> gguf_fields();

}  // namespace octavo
