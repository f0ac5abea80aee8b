#include "cli/command.h"

namespace octavo::cli {
namespace {

constexpr Command kCommands[] = {
    {"inspect", "what a model is, what it needs and how it will run here", add_inspect},
    {"generate", "text from a prompt, or from many", add_generate},
    {"chat", "talk with a model in the terminal", add_chat},
    {"serve", "the OpenAI-compatible server", add_serve},
    {"run-batch", "the requests of a batch file, resumed where it stopped", add_run_batch},
    {"tokenize", "text to token ids, or back (JSONL)", add_tokenize},
    {"pull", "a model from a hub, resumed where it stopped", add_pull},
    {"quantize", "make a model small", add_quantize},
    {"dequantize", "a quantized model as a dense one", add_dequantize},
    {"export", "a quantized model in another layout", add_export},
    {"eval", "measure a model, alone or against a baseline", add_eval},
    {"bench", "measure a model against the machine's limits, or a server under load", add_bench},
    {"render", "chat templates with given variables (JSONL)", add_render},
    {"logits", "the scores of every position, as safetensors", add_logits},
    {"completion", "shell completion script or manual page", add_completion},
};

}  // namespace

std::span<const Command> commands() { return kCommands; }

}  // namespace octavo::cli
