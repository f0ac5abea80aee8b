#include "measure/load/conversations.h"

#include <algorithm>

#include "base/json.h"
#include "octavo/error.h"

namespace octavo::measure {
namespace {

constexpr JsonLimits kLimits{.max_depth = 16, .max_bytes = size_t{2} << 30};

std::string value_of(const Json& turn) {
  for (const char* key : {"value", "content"}) {
    if (turn.is_object() && turn.contains(key) && turn[key].is_string())
      return turn[key].get<std::string>();
  }
  return {};
}

void add(const Json& item, std::vector<Exchange>& found) {
  if (!item.is_object()) return;
  for (const char* key : {"conversations", "conversation", "messages"}) {
    const auto turns = item.find(key);
    if (turns == item.end() || !turns->is_array() || turns->size() < 2) continue;
    Exchange exchange{value_of((*turns)[0]), value_of((*turns)[1])};
    if (!exchange.prompt.empty() && !exchange.answer.empty()) found.push_back(std::move(exchange));
    return;
  }
}

}  // namespace

std::vector<Exchange> parse_conversations(std::string_view text, std::string_view where) {
  std::vector<Exchange> found;
  const size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
  if (begin < text.size() && text[begin] == '[') {
    for (const Json& item : parse_json(text, where, kLimits)) add(item, found);
  } else {
    int64_t number = 0;
    for (std::string_view rest = text; !rest.empty();) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      ++number;
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
      add(parse_json(line, std::string(where) + ", line " + std::to_string(number), kLimits),
          found);
    }
  }
  if (found.empty())
    throw Error("no conversation of two turns", std::string(where), "give a file as of ShareGPT");
  return found;
}

}  // namespace octavo::measure
