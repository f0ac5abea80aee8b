#include "text/tokenizer/compiled_map.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/utf8.h"

namespace octavo::tokenizer {

namespace {

constexpr int kMaxKeyBytes = 256;
// The library keeps so many matches of one place on its stack and looks at all it counted.
constexpr int kMaxNestedKeys = 32;
constexpr size_t kMaxTextBytes = 1024;
constexpr size_t kBlockUnits = 256;

// Fields of a unit, as in charsmap.cc.
bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
uint32_t label_of(uint32_t unit) { return unit & (1u << 31 | 0xFF); }
uint32_t offset_of(uint32_t unit) { return (unit >> 10) << ((unit & (1u << 9)) >> 6); }

class Walk {
 public:
  Walk(std::vector<uint32_t> units, std::string_view texts)
      : units_(std::move(units)), texts_(texts), keys_below_(units_.size(), kUnknown) {}

  const char* fault() {
    (void)keys_below(offset_of(units_[0]), 0);
    return fault_;
  }

 private:
  static constexpr int16_t kUnknown = -1, kOpen = -2;

  int stop(const char* fault) {
    if (!fault_) fault_ = fault;
    return 0;
  }

  // How many keys lie on one path from here on. `base`: where the next byte is xored to.
  int keys_below(size_t base, int depth) {
    if (fault_) return 0;
    if ((base | 0xFF) >= units_.size()) return stop("points outside of itself");
    if (depth > kMaxKeyBytes) return stop("holds a key of more than 256 bytes");
    if (keys_below_[base] == kOpen) return stop("leads back to itself");
    if (keys_below_[base] != kUnknown) return keys_below_[base];
    keys_below_[base] = kOpen;
    int most = 0;
    for (uint32_t byte = 0; byte < 256 && !fault_; ++byte) {
      const uint32_t unit = units_[base ^ byte];
      if (label_of(unit) != byte) continue;
      const size_t next = base ^ byte ^ offset_of(unit);
      const int here = has_leaf(unit) ? check_text(next) : 0;
      most = std::max(most, here + keys_below(next, depth + 1));
    }
    keys_below_[base] = static_cast<int16_t>(most);
    if (most > kMaxNestedKeys) return stop("nests more than 32 keys");
    return most;
  }

  int check_text(size_t at) {
    if (at >= units_.size()) return stop("points outside of itself");
    const size_t begin = value_of(units_[at]);
    if (begin >= texts_.size()) return stop("points outside of its texts");
    const size_t end = texts_.find('\0', begin);
    if (end == texts_.npos || end - begin > kMaxTextBytes) return stop("holds a text without end");
    if (!utf8::is_valid(texts_.substr(begin, end - begin))) return stop("holds invalid UTF-8");
    return 1;
  }

  std::vector<uint32_t> units_;
  std::string_view texts_;
  std::vector<int16_t> keys_below_;
  const char* fault_ = nullptr;
};

}  // namespace

const char* fault_of_compiled_map(std::string_view map) {
  uint32_t bytes = 0;
  if (map.size() <= sizeof bytes) return "is cut short";
  std::memcpy(&bytes, map.data(), sizeof bytes);
  map.remove_prefix(sizeof bytes);
  if (bytes == 0 || bytes >= map.size() || bytes % (kBlockUnits * sizeof(uint32_t)) != 0) {
    return "has no double array";
  }
  std::vector<uint32_t> units(bytes / sizeof(uint32_t));
  std::memcpy(units.data(), map.data(), bytes);
  return Walk(std::move(units), map.substr(bytes)).fault();
}

}  // namespace octavo::tokenizer
