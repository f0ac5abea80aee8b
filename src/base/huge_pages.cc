#include "base/huge_pages.h"

#include <sys/prctl.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>

#include "base/checked.h"

namespace octavo {
namespace {

constexpr std::string_view kField = "AnonHugePages:";
constexpr size_t kMattersFrom = size_t{64} << 20;

// Takes a number from the front of `text`.
std::optional<uint64_t> take_number(std::string_view& text, int base) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc()) return std::nullopt;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

struct Range {
  uint64_t begin = 0, end = 0;

  uint64_t common(const Range& other) const {
    const uint64_t low = std::max(begin, other.begin), high = std::min(end, other.end);
    return high > low ? high - low : 0;
  }
};

// "7f0000000000-7f0000200000 rw-p ...": the head of a mapping. Empty for any other line.
std::optional<Range> parse_head(std::string_view line) {
  Range range;
  const std::optional<uint64_t> begin = take_number(line, 16);
  if (!begin || !line.starts_with('-')) return std::nullopt;
  line.remove_prefix(1);
  const std::optional<uint64_t> end = take_number(line, 16);
  if (!end || *end <= *begin || !line.starts_with(' ')) return std::nullopt;
  return Range{*begin, *end};
}

// "AnonHugePages:      2048 kB" in bytes.
std::optional<uint64_t> parse_field(std::string_view line) {
  line.remove_prefix(kField.size());
  line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
  const std::optional<uint64_t> kilobytes = take_number(line, 10);
  if (!kilobytes || line != " kB") return std::nullopt;
  return checked_mul<uint64_t>(*kilobytes, 1024);
}

std::string mend(HugePageSetting setting) {
  switch (setting) {
    case HugePageSetting::never:
      return "the kernel's setting is never: write madvise to "
             "/sys/kernel/mm/transparent_hugepage/enabled";
    case HugePageSetting::disabled:
      return "what started this process disabled them for it (PR_SET_THP_DISABLE): start it "
             "without";
    case HugePageSetting::always:
    case HugePageSetting::madvise:
      return "the kernel's setting is " + std::string(name(setting)) +
             ", so free memory is likely scattered: write 1 to /proc/sys/vm/compact_memory and "
             "start again";
    case HugePageSetting::unknown:
      break;
  }
  return "this kernel tells no setting of transparent huge pages: it may be built without them";
}

}  // namespace

HugePageSetting parse_huge_page_setting(std::string_view text) {
  const size_t open = text.find('[');
  const size_t close = text.find(']', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos)
    return HugePageSetting::unknown;
  const std::string_view word = text.substr(open + 1, close - open - 1);
  for (const HugePageSetting setting :
       {HugePageSetting::always, HugePageSetting::madvise, HugePageSetting::never}) {
    if (word == name(setting)) return setting;
  }
  return HugePageSetting::unknown;
}

HugePageSetting huge_page_setting() {
  if (::prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0) == 1) return HugePageSetting::disabled;
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string line;
  std::getline(file, line);
  return parse_huge_page_setting(line);
}

std::string_view name(HugePageSetting setting) {
  switch (setting) {
    case HugePageSetting::always:
      return "always";
    case HugePageSetting::madvise:
      return "madvise";
    case HugePageSetting::never:
      return "never";
    case HugePageSetting::disabled:
      return "disabled";
    case HugePageSetting::unknown:
      break;
  }
  return "unknown";
}

std::optional<size_t> huge_page_bytes(std::istream& smaps, uintptr_t address, size_t bytes) {
  const std::optional<uint64_t> end = checked_add<uint64_t>(address, bytes);
  if (!end) return std::nullopt;
  const Range wanted{address, *end};
  uint64_t told = 0, huge = 0;
  uint64_t part = 0;  // of the mapping being read, that lies in the range and is not yet told of
  for (std::string line; std::getline(smaps, line);) {
    if (const std::optional<Range> mapping = parse_head(line)) {
      part = wanted.common(*mapping);
    } else if (part > 0 && line.starts_with(kField)) {
      const std::optional<uint64_t> field = parse_field(line);
      if (!field) return std::nullopt;
      told += part;
      huge += std::min(*field, part);
      part = 0;
    }
  }
  // Less: a part is in no mapping, or its mapping has no such field. More: mappings that overlap.
  if (told != bytes) return std::nullopt;
  return checked_cast<size_t>(huge);
}

std::optional<size_t> huge_page_bytes(const void* data, size_t bytes) {
  std::ifstream smaps("/proc/self/smaps");
  return huge_page_bytes(smaps, reinterpret_cast<uintptr_t>(data), bytes);
}

std::string huge_page_warning(std::string_view what, size_t bytes, size_t huge,
                              HugePageSetting setting) {
  if (bytes < kMattersFrom || huge >= bytes - bytes / 10) return {};
  return "only " + std::to_string(huge >> 20) + " of " + std::to_string(bytes >> 20) + " MiB of " +
         std::string(what) + " are on huge pages, which costs speed; " + mend(setting);
}

}  // namespace octavo
