#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <string>

#include "cli/command.h"

// `octavo completion bash|zsh|man`: written from the options themselves, so it never lags behind.

namespace octavo::cli {
namespace {

std::unique_ptr<CLI::App> described(const Command& command) {
  auto app = std::make_unique<CLI::App>(std::string(command.summary), std::string(command.name));
  command.add(*app);
  return app;
}

std::string names_of(const CLI::App& app) {
  std::string names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names += " --" + name;
  }
  return names;
}

void print_bash() {
  std::string all;
  std::cout << "_octavo() {\n  local cur=${COMP_WORDS[COMP_CWORD]} words=\n"
               "  case ${COMP_WORDS[1]} in\n";
  for (const Command& command : commands()) {
    all += " " + std::string(command.name);
    std::cout << "    " << command.name << ") words='" << names_of(*described(command))
              << " --config' ;;\n";
  }
  std::cout
      << "  esac\n  [ \"$COMP_CWORD\" -eq 1 ] && words='" << all << " --help --version'\n"
      << "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
         "  [[ $cur != -* && $COMP_CWORD -gt 1 ]] && COMPREPLY=($(compgen -f -- \"$cur\"))\n}\n"
         "complete -o filenames -F _octavo octavo\n";
}

// Text as troff takes it: no escapes, no control line by accident.
std::string troff(const std::string& text) {
  std::string safe = text.starts_with(".") || text.starts_with("'") ? "\\&" : "";
  for (const char c : text) {
    if (c == '\\' || c == '-') safe += '\\';
    safe += c;
  }
  return safe;
}

void print_manual() {
  std::cout << ".TH OCTAVO 1\n.SH NAME\noctavo \\- quantize, evaluate and serve language models\n"
               ".SH SYNOPSIS\n.B octavo\n.I COMMAND MODEL\n[options]\n.SH COMMANDS\n";
  for (const Command& command : commands()) {
    std::cout << ".SS " << troff(std::string(command.name)) << "\n"
              << troff(std::string(command.summary)) << ".\n";
    const std::unique_ptr<CLI::App> app = described(command);
    for (const CLI::Option* option : app->get_options()) {
      std::cout << ".TP\n.B " << troff(option->get_name()) << "\n"
                << troff(option->get_description()) << "\n";
    }
  }
  std::cout << ".SH EXIT STATUS\n0 done, 1 the work failed, 2 the request was wrong, "
               "130 interrupted.\n";
}

}  // namespace

std::function<int()> add_completion(CLI::App& app) {
  const auto kind = std::make_shared<std::string>();
  app.add_option("KIND", *kind, "bash, zsh or man")
      ->required()
      ->check(CLI::IsMember({"bash", "zsh", "man"}));
  return [kind] {
    if (*kind == "zsh") std::cout << "autoload -U +X bashcompinit && bashcompinit\n";
    if (*kind == "man") {
      print_manual();
    } else {
      print_bash();
    }
    return 0;
  };
}

}  // namespace octavo::cli
