#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace octavo::jinja {

// Python's str.strip with a set of characters (white space where `characters` is null).
struct StripEnds {
  bool left = true, right = true;
};
std::string_view strip(std::string_view text, const std::string* characters, StripEnds ends = {});
// str.split at white space and at a separator; `limit` splits at most, -1 for all.
std::vector<std::string_view> split_space(std::string_view text, int64_t limit);
std::vector<std::string_view> split_space_right(std::string_view text, int64_t limit);
std::vector<std::string_view> split_at(std::string_view text, std::string_view separator,
                                       int64_t limit);
std::vector<std::string_view> split_at_right(std::string_view text, std::string_view separator,
                                             int64_t limit);
std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);
// str.replace of at most `limit` occurrences, -1 for all. The size of the result is computed
// first: see replaced_bytes.
std::string replace_all(std::string_view text, std::string_view old, std::string_view by,
                        int64_t limit);
size_t replaced_bytes(std::string_view text, std::string_view old, std::string_view by,
                      int64_t limit);

}  // namespace octavo::jinja
