#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace octavo::measure {

// One request of a recorded load.
struct TraceRow {
  double at_s = 0;  // after the first one
  int64_t input_tokens = 0, output_tokens = 0;
  // Mooncake: an id for each 512 tokens of the prompt; equal ids are equal text.
  std::vector<int64_t> blocks = {};
};

// Reads a trace as Azure publishes them (CSV with TIMESTAMP, ContextTokens and GeneratedTokens) or
// as Mooncake does (JSONL with timestamp in ms, input_length, output_length, hash_ids); the first
// character that is no space tells which. At most `limit` rows, 0: all. Throws Error naming `where`
// and the line.
std::vector<TraceRow> parse_trace(std::string_view text, std::string_view where, int64_t limit);

}  // namespace octavo::measure
