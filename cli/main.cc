#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <new>
#include <string>
#include <vector>

#include "base/log.h"
#include "cli/command.h"
#include "cli/config_flags.h"
#include "cli/interrupt.h"
#include "octavo/error.h"

namespace octavo::cli {
namespace {

constexpr int kFailed = 1, kWrongRequest = 2, kInterrupted = 130;

std::string known_commands() {
  std::string names;
  for (const Command& command : commands())
    names += (names.empty() ? "" : ", ") + std::string(command.name);
  return names;
}

// The first thing on the command line that nobody asked for; a flag before a value.
std::string first_unexpected(const CLI::App& app) {
  const std::vector<std::string> rest = app.remaining();
  const auto flag =
      std::find_if(rest.begin(), rest.end(), [](const auto& arg) { return arg.starts_with("-"); });
  if (flag != rest.end()) return *flag;
  return rest.empty() ? std::string() : rest.front();
}

// What the user got wrong on the command line, as an Error.
Error usage_error(const CLI::ParseError& error, const CLI::App& app) {
  const std::string help = "see `" + app.get_name() + " --help`";
  std::string what = error.what();
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::ExtrasError))
    return {"unknown option or argument", first_unexpected(app), help};
  // CLI11 says "--name: what is wrong" or "NAME is required".
  const size_t colon = what.find(": ");
  if (what.starts_with("-") && colon != std::string::npos)
    return {"bad value: " + what.substr(colon + 2), what.substr(0, colon), help};
  return {what, app.get_name(), help};
}

void flush_output() {
  std::cout.flush();
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0 || !std::cout) {
    throw Error(std::string("cannot write: ") + std::strerror(errno), "standard output",
                "check where it goes", Error::Kind::failure);
  }
}

int run_command(const Command& command, std::vector<std::string> args) {
  CLI::App app(std::string(command.summary), "octavo " + std::string(command.name));
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.set_help_flag("-h,--help", "this text");
  const std::function<int()> work = command.add(app);
  bool verbose = false;  // every command takes it, those with nothing to add as well
  if (app.get_option_no_throw("--verbose") == nullptr)
    app.add_flag("--verbose", verbose, "more detail on stderr");
  std::string config;  // taken out of the arguments below; here for --help
  app.add_option("--config", config, "JSON or plain YAML file of flags; the command line wins");
  try {
    args = merge_config(std::move(args), app);
    std::reverse(args.begin(), args.end());  // CLI11 takes them from the back
    app.parse(std::move(args));
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);  // --help
    throw usage_error(error, app);
  }
  const int status = work();
  flush_output();
  return status;
}

void print_help() {
  std::cout << "Octavo quantizes, evaluates and serves language models.\n\n"
               "usage: octavo COMMAND MODEL [options]\n\ncommands:\n";
  for (const Command& command : commands()) {
    std::string name(command.name);
    name.resize(12, ' ');
    std::cout << "  " << name << command.summary << "\n";
  }
  std::cout
      << "\n  octavo COMMAND --help   the options of one command\n"
         "  octavo --version        the version\n\n"
         "MODEL is a directory with config.json, weights and tokenizer files, or OWNER/NAME of a\n"
         "model fetched from a hub.\n"
         "Exit status: 0 done, 1 the work failed, 2 the request was wrong, 130 interrupted.\n";
}

int dispatch(const std::vector<std::string>& args) {
  if (args.empty()) throw Error("no command given", "octavo", "choose one of " + known_commands());
  if (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
    print_help();
    flush_output();
    return 0;
  }
  if (args[0] == "--version") {
    std::cout << "octavo " OCTAVO_VERSION "\n";
    flush_output();
    return 0;
  }
  for (const Command& command : commands()) {
    if (command.name == args[0]) return run_command(command, {args.begin() + 1, args.end()});
  }
  const char* what = args[0].starts_with("-") ? "unknown option" : "unknown command";
  throw Error(what, args[0], "choose one of " + known_commands());
}

int guarded(const std::vector<std::string>& args) {
  try {
    return dispatch(args);
  } catch (const Error& error) {
    error_line(error.what());
    return error.kind() == Error::Kind::request ? kWrongRequest : kFailed;
  } catch (const Interrupted&) {
    return kInterrupted;
  } catch (const std::bad_alloc&) {
    error_line("out of memory (this process): use a smaller model or shorter lengths");
  } catch (const std::exception& error) {
    error_line(std::string("internal error (") + error.what() + "): please report this");
  }
  return kFailed;
}

}  // namespace
}  // namespace octavo::cli

int main(int argc, char** argv) {
  octavo::cli::exit_on_signals();
  return octavo::cli::guarded({argv + 1, argv + argc});
}
