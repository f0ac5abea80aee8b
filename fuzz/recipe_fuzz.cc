// A hostile --quant-config: it is refused with an Error, or becomes a recipe that is written and
// read back the same, and whose rules can be asked about a name.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "octavo/error.h"
#include "quant/recipe_json.h"
#include "quant/rules.h"

using namespace octavo;
using namespace octavo::quant;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const Json json = parse_json({reinterpret_cast<const char*>(data), size}, "fuzz");
    const Recipe recipe = settings_from_json(json, "fuzz").resolve();
    const Json written = to_json(recipe);
    const Recipe again =
        settings_from_json(parse_json(to_line(written), "again"), "again").resolve();
    OCTAVO_CHECK(to_json(again) == written);
    Rules(recipe.rules, "fuzz").find("model.layers.0.self_attn.q_proj");
  } catch (const Error&) {
  }
  return 0;
}
