#include "cli/yaml_subset.h"

#include "base/json.h"
#include "octavo/error.h"

namespace octavo::cli {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlank);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlank) - begin + 1);
}

// Without what follows a # that begins a word.
std::string_view without_comment(std::string_view line) {
  for (size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
    if (at == 0 || kBlank.find(line[at - 1]) != std::string_view::npos) return line.substr(0, at);
  }
  return line;
}

Json value_of(std::string_view text) {
  const bool single = text.size() >= 2 && text.front() == '\'' && text.back() == '\'';
  if (single) return std::string(text.substr(1, text.size() - 2));
  if (text == "True" || text == "yes") return true;
  if (text == "False" || text == "no") return false;
  try {
    return parse_json(text, "value");
  } catch (const Error&) {
    return std::string(text);
  }
}

}  // namespace

Json parse_yaml_subset(std::string_view text, const std::string& where) {
  Json config = Json::object();
  std::string key;
  size_t number = 0;
  while (!text.empty()) {
    ++number;
    const size_t end = text.find('\n');
    const std::string_view line = without_comment(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    const std::string_view content = trimmed(line);
    if (content.empty() || content == "---") continue;
    const auto fail = [&](const char* problem) {
      throw Error(std::string(problem) + " in line " + std::to_string(number), where,
                  "write `flag: value` lines, or lists of `- value` lines");
    };
    if (content.starts_with("- ")) {
      if (key.empty() || !(config[key].is_null() || config[key].is_array())) fail("a list of none");
      config[key].push_back(value_of(trimmed(content.substr(2))));
      continue;
    }
    const size_t colon = content.find(':');
    const bool spaced = colon + 1 == content.size() || content[colon + 1] == ' ';
    if (colon == std::string_view::npos || colon == 0 || !spaced) fail("no `key: value`");
    if (line.front() == ' ' || line.front() == '\t') fail("a nested key");
    key = std::string(trimmed(content.substr(0, colon)));
    if (config.contains(key)) fail("a second value of a key");
    const std::string_view value = trimmed(content.substr(colon + 1));
    config[key] = value.empty() ? Json() : value_of(value);
  }
  return config;
}

}  // namespace octavo::cli
