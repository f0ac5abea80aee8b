#include "cli/command.h"

namespace octavo::cli {
namespace {

constexpr Command kCommands[] = {
    {"quantize", "make a model small", add_quantize},
    {"eval", "measure a model, alone or against a baseline", add_eval},
    {"logits", "the scores of every position, as safetensors", add_logits},
    {"completion", "shell completion script or manual page", add_completion},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace octavo::cli
