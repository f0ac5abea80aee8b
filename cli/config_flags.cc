#include "cli/config_flags.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <optional>

#include "base/file.h"
#include "base/json.h"
#include "cli/yaml_subset.h"
#include "octavo/error.h"

namespace octavo::cli {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;

// Takes `--config FILE` or `--config=FILE` out of `args`; the last one counts.
std::optional<std::string> take_config(std::vector<std::string>& args) {
  const std::string flag = "--config";
  std::optional<std::string> file;
  for (size_t i = 0; i < args.size() && args[i] != "--";) {
    if (args[i].starts_with(flag + "=")) {
      file = args[i].substr(flag.size() + 1);
      args.erase(args.begin() + static_cast<std::ptrdiff_t>(i));
    } else if (args[i] == flag) {
      if (i + 1 == args.size()) throw Error("needs a value", flag, "name a JSON file");
      file = args[i + 1];
      args.erase(args.begin() + static_cast<std::ptrdiff_t>(i),
                 args.begin() + static_cast<std::ptrdiff_t>(i + 2));
    } else {
      ++i;
    }
  }
  return file;
}

bool names(const std::vector<std::string>& args, const CLI::Option& option) {
  return std::any_of(args.begin(), args.end(), [&](const std::string& arg) {
    return arg.starts_with("-") && option.check_name(arg.substr(0, arg.find('=')));
  });
}

std::string scalar(const Json& value) {
  return value.is_string() ? value.get<std::string>() : to_line(value);
}

void append_flag(std::vector<std::string>& flags, const std::string& name, const Json& value) {
  if (value.is_array()) {
    for (const Json& item : value) flags.push_back(name + "=" + scalar(item));
  } else {
    flags.push_back(name + "=" + scalar(value));
  }
}

}  // namespace

std::vector<std::string> merge_config(std::vector<std::string> args, const CLI::App& app) {
  const std::optional<std::string> file = take_config(args);
  if (!file) return args;
  const std::string text = read_file(*file, kMaxConfigBytes);
  const bool yaml = file->ends_with(".yaml") || file->ends_with(".yml");
  const Json config = yaml ? parse_yaml_subset(text, *file) : parse_json(text, *file);
  if (!config.is_object()) throw Error("not a JSON object", *file, "give {\"flag\": value, ...}");
  std::vector<std::string> flags;
  for (const auto& [key, value] : config.items()) {
    std::string name = "--" + key;
    std::replace(name.begin(), name.end(), '_', '-');
    const CLI::Option* option = app.get_option_no_throw(name);
    if (option == nullptr) {
      throw Error("unknown option " + key, *file,
                  "see `" + app.get_name() + " --help` for the names");
    }
    if (!value.is_null() && !names(args, *option)) append_flag(flags, name, value);
  }
  flags.insert(flags.end(), args.begin(), args.end());
  return flags;
}

}  // namespace octavo::cli
