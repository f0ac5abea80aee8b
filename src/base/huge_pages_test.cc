#include "base/huge_pages.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <sstream>

#include "base/memory.h"

namespace octavo {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

// A mapping as /proc/self/smaps shows it, cut to some of its fields.
std::string mapping(const std::string& range, const std::string& huge) {
  return range + " rw-p 00000000 00:00 0 \nSize:               4096 kB\nRss:    4096 kB\n" + huge +
         "VmFlags: rd wr mr mw me ac sd hg \n";
}

std::string huge(int kilobytes) { return "AnonHugePages:  " + std::to_string(kilobytes) + " kB\n"; }

std::optional<size_t> count(const std::string& text, uintptr_t address, size_t bytes) {
  std::istringstream smaps(text);
  return huge_page_bytes(smaps, address, bytes);
}

TEST(HugePageBytes, takes_the_mapping_that_holds_the_range) {
  const std::string text = mapping("7f0000000000-7f0000400000", huge(4096)) +
                           mapping("7f0000400000-7f0000800000", huge(2048)) +
                           mapping("7fff00000000-7fff00021000", huge(0));
  EXPECT_EQ(count(text, 0x7f0000000000, 4 * kMiB), 4 * kMiB);
  EXPECT_EQ(count(text, 0x7f0000400000, 4 * kMiB), 2 * kMiB);
  EXPECT_EQ(count(text, 0x7fff00000000, 0x21000), 0u);
}

TEST(HugePageBytes, sums_mappings_and_cuts_them_to_the_range) {
  const std::string text = mapping("7f0000000000-7f0000400000", huge(4096)) +
                           mapping("7f0000400000-7f0000800000", huge(2048));
  EXPECT_EQ(count(text, 0x7f0000000000, 8 * kMiB), 6 * kMiB);
  EXPECT_EQ(count(text, 0x7f0000300000, 3 * kMiB), 3 * kMiB);
  EXPECT_EQ(count(text, 0x7f0000300000, 0), 0u);
}

TEST(HugePageBytes, is_unknown_where_a_part_of_the_range_is_not_told_of) {
  const std::string first = mapping("7f0000000000-7f0000400000", huge(4096));
  EXPECT_EQ(count("", 0x7f0000000000, 4096), std::nullopt);
  EXPECT_EQ(count(first, 0x7f0000000000, 5 * kMiB), std::nullopt);
  EXPECT_EQ(count(mapping("7f0000000000-7f0000400000", ""), 0x7f0000000000, 4096), std::nullopt);
  EXPECT_EQ(count(first + first, 0x7f0000000000, 4 * kMiB), std::nullopt);
}

TEST(HugePageBytes, refuses_malformed_text) {
  for (const char* field :
       {"AnonHugePages:\n", "AnonHugePages: kB\n", "AnonHugePages: -1 kB\n",
        "AnonHugePages: 12 MB\n", "AnonHugePages: 12\n", "AnonHugePages: 0x10 kB\n",
        "AnonHugePages: 99999999999999999999999 kB\n",
        "AnonHugePages: 18446744073709551615 kB\n"}) {
    const std::string text = mapping("7f0000000000-7f0000400000", field);
    EXPECT_EQ(count(text, 0x7f0000000000, 4096), std::nullopt) << field;
  }
  for (const char* head :
       {"7f0000000000", "7f0000000000-", "-7f0000400000", "7f0000400000-7f0000000000",
        "7f0000000000-7f0000400000x", "fffffffffffffffff-fffffffffffffffff1", "g-h"}) {
    EXPECT_EQ(count(mapping(head, huge(4096)), 0x7f0000000000, 4096), std::nullopt) << head;
  }
}

TEST(HugePageBytes, never_overflows) {
  const std::string text = mapping("0-ffffffffffffffff", "AnonHugePages: 18014398509481983 kB\n");
  EXPECT_EQ(count(text, 4096, 8192), 8192u);
  EXPECT_EQ(count(text, std::numeric_limits<uintptr_t>::max(), 2), std::nullopt);
}

TEST(HugePageBytes, of_this_process_is_no_more_than_the_memory) {
  HugeBuffer memory(4 * kMiB);
  std::memset(memory.data(), 1, memory.size_bytes());
  const std::optional<size_t> found = huge_page_bytes(memory.data(), memory.size_bytes());
  EXPECT_LE(found.value_or(0), memory.size_bytes());
}

TEST(HugePageSetting, is_the_word_in_brackets) {
  EXPECT_EQ(parse_huge_page_setting("[always] madvise never\n"), HugePageSetting::always);
  EXPECT_EQ(parse_huge_page_setting("always [madvise] never"), HugePageSetting::madvise);
  EXPECT_EQ(parse_huge_page_setting("always madvise [never]"), HugePageSetting::never);
  for (const char* text : {"", "always", "[", "]", "[]", "][", "]always[", "[inherit]", "[always"})
    EXPECT_EQ(parse_huge_page_setting(text), HugePageSetting::unknown) << text;
}

TEST(HugePageWarning, is_silent_on_small_memory_and_from_nine_tenths) {
  EXPECT_EQ(huge_page_warning("weights", 63 * kMiB, 0, HugePageSetting::never), "");
  EXPECT_EQ(huge_page_warning("weights", 100 * kMiB, 90 * kMiB, HugePageSetting::madvise), "");
  EXPECT_NE(huge_page_warning("weights", 100 * kMiB, 89 * kMiB, HugePageSetting::madvise), "");
}

TEST(HugePageWarning, says_what_to_change_by_the_setting) {
  const auto warn = [](HugePageSetting setting) {
    return huge_page_warning("the weights", 1000 * kMiB, 12 * kMiB, setting);
  };
  EXPECT_EQ(warn(HugePageSetting::never),
            "only 12 of 1000 MiB of the weights are on huge pages, which costs speed; the kernel's "
            "setting is never: write madvise to /sys/kernel/mm/transparent_hugepage/enabled");
  EXPECT_NE(warn(HugePageSetting::madvise).find("compact_memory"), std::string::npos);
  EXPECT_NE(warn(HugePageSetting::always).find("is always"), std::string::npos);
  EXPECT_NE(warn(HugePageSetting::disabled).find("PR_SET_THP_DISABLE"), std::string::npos);
  EXPECT_NE(warn(HugePageSetting::unknown).find("built without"), std::string::npos);
}

}  // namespace
}  // namespace octavo
