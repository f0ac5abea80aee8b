#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace octavo::cli {

// Replaces `--config FILE` (JSON, or the plain YAML of vLLM) in `args` (the arguments after the
// command's name) by the flags that the file's object holds: {"max-model-len": 512, "ignore_eos":
// true, "stop": ["a", "b"]}. A flag that `args` has itself wins. Throws Error naming file and key
// for what `app` does not know.
std::vector<std::string> merge_config(std::vector<std::string> args, const CLI::App& app);

}  // namespace octavo::cli
