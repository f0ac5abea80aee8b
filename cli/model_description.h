#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "cpu/features.h"
#include "model/spec.h"

namespace octavo::cli {

// [{"layers": "0-11", "mixer": "attention, ...", "ffn": "mlp, ..."}]: runs of equal layers.
Json describe_layers(const ModelSpec& spec);

// One line for each instruction set that would be faster and is not used, with the reason.
std::vector<std::string> why_not_faster(const cpu::Features& machine, const cpu::Features& used);

}  // namespace octavo::cli
