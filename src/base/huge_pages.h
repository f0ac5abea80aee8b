#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace octavo {

// Whether the kernel gives anonymous memory huge pages: always, where a program asks for them
// (HugeBuffer does), or never; disabled: not to this process, whatever the kernel's setting.
enum class HugePageSetting { unknown, always, madvise, never, disabled };

// Reads the text of .../transparent_hugepage/enabled, "always [madvise] never": the word in
// brackets. Anything else: unknown.
HugePageSetting parse_huge_page_setting(std::string_view text);
// That of this machine and process; unknown where the kernel has no such file.
HugePageSetting huge_page_setting();
std::string_view name(HugePageSetting setting);

// Bytes of [address, address + bytes) on huge pages, by the AnonHugePages lines of a text in the
// form of /proc/PID/smaps (man 5 proc). A mapping that reaches beyond the range counts with at most
// its part in the range. Empty when the text does not tell: malformed, or without a part of the
// range.
std::optional<size_t> huge_page_bytes(std::istream& smaps, uintptr_t address, size_t bytes);
// The same of this process.
std::optional<size_t> huge_page_bytes(const void* data, size_t bytes);

// One line that says that too little of `what` is on huge pages and how to mend it. Empty when
// there is nothing to say: at least nine tenths are, or the memory is too small to matter (below 64
// MiB).
std::string huge_page_warning(std::string_view what, size_t bytes, size_t huge,
                              HugePageSetting setting);

}  // namespace octavo
