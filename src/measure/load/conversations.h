#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace octavo::measure {

// A question and the answer that it got.
struct Exchange {
  std::string prompt, answer;
};

// The first two turns of every conversation of a ShareGPT file: a JSON array, or JSONL, of
// {"conversations": [{"value": "..."}, {"value": "..."}, ...]}. Conversations of fewer turns are
// passed over. Throws Error naming `where`.
std::vector<Exchange> parse_conversations(std::string_view text, std::string_view where);

}  // namespace octavo::measure
