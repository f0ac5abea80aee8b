#include "serve/auth.h"

#include <cstddef>

namespace octavo::serve {
namespace {

bool equal(std::string_view presented, std::string_view key) {
  unsigned difference = presented.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < presented.size(); ++i) {
    const char expected = key.empty() ? '\0' : key[i % key.size()];
    difference |= static_cast<unsigned char>(presented[i] ^ expected);
  }
  return difference == 0;
}

}  // namespace

bool authorized(const std::vector<std::string>& keys, std::string_view header) {
  if (keys.empty()) return true;
  constexpr std::string_view kScheme = "bearer ";
  if (header.size() <= kScheme.size()) return false;
  for (size_t i = 0; i < kScheme.size(); ++i) {
    if ((header[i] | 0x20) != (kScheme[i] | 0x20)) return false;
  }
  header.remove_prefix(kScheme.size());
  bool found = false;
  for (const std::string& key : keys) found = equal(header, key) || found;
  return found;
}

}  // namespace octavo::serve
