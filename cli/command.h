#pragma once

#include <functional>
#include <span>
#include <string_view>

namespace CLI {
class App;
}

namespace octavo::cli {

// One command of the program. `add` gives its subcommand its options and returns what runs once
// they are parsed; that returns the exit status (0, or 1 where the work itself has a verdict) and
// throws Error for the rest.
struct Command {
  std::string_view name, summary;
  std::function<int()> (*add)(CLI::App& app);
};

// The explicit list, in the order of --help.
std::span<const Command> commands();

std::function<int()> add_inspect(CLI::App& app);
std::function<int()> add_generate(CLI::App& app);
std::function<int()> add_chat(CLI::App& app);
std::function<int()> add_serve(CLI::App& app);
std::function<int()> add_run_batch(CLI::App& app);
std::function<int()> add_pull(CLI::App& app);
std::function<int()> add_quantize(CLI::App& app);
std::function<int()> add_eval(CLI::App& app);
std::function<int()> add_dequantize(CLI::App& app);
std::function<int()> add_export(CLI::App& app);
std::function<int()> add_bench(CLI::App& app);
std::function<int()> add_tokenize(CLI::App& app);
std::function<int()> add_render(CLI::App& app);
std::function<int()> add_logits(CLI::App& app);
std::function<int()> add_completion(CLI::App& app);

}  // namespace octavo::cli
