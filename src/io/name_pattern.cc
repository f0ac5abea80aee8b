#define PCRE2_CODE_UNIT_WIDTH 8
#include "io/name_pattern.h"

#include <pcre2.h>

#include "octavo/error.h"

namespace octavo {
namespace {

constexpr size_t kMaxPatternBytes = 16 << 10;
constexpr size_t kMostShown = 200;            // bytes of a pattern in a message
constexpr uint32_t kMatchLimit = 100'000;     // steps; exponential patterns end here
constexpr uint32_t kHeapLimitKib = 16 << 10;  // of the interpreter
constexpr uint32_t kNestLimit = 100;          // parentheses

template <auto Free>
struct Release {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};

}  // namespace

struct NamePattern::Code {
  std::unique_ptr<pcre2_code, Release<pcre2_code_free>> code;
  std::string where;
};

NamePattern::NamePattern(const std::string& pattern, const std::string& where) {
  if (pattern.size() > kMaxPatternBytes)
    throw Error("pattern of more than 16 KiB", where, "shorten it");
  std::unique_ptr<pcre2_compile_context, Release<pcre2_compile_context_free>> context(
      pcre2_compile_context_create(nullptr));
  if (context == nullptr) throw std::bad_alloc();
  pcre2_set_parens_nest_limit(context.get(), kNestLimit);
  int error = 0;
  PCRE2_SIZE offset = 0;
  auto code = std::make_shared<Code>();
  code->where = where;
  code->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                 PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                                 context.get()));
  if (code->code == nullptr) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(error, text, sizeof text);
    const std::string why(reinterpret_cast<char*>(text));
    throw Error(
        "pattern \"" + pattern.substr(0, kMostShown) + "\" is no regular expression: " + why, where,
        "correct it at character " + std::to_string(offset));
  }
  code_ = std::move(code);
}

bool NamePattern::matches(std::string_view name) const {
  std::unique_ptr<pcre2_match_data, Release<pcre2_match_data_free>> data(
      pcre2_match_data_create(1, nullptr));
  std::unique_ptr<pcre2_match_context, Release<pcre2_match_context_free>> context(
      pcre2_match_context_create(nullptr));
  if (data == nullptr || context == nullptr) throw std::bad_alloc();
  pcre2_set_match_limit(context.get(), kMatchLimit);
  pcre2_set_heap_limit(context.get(), kHeapLimitKib);
  const int found = pcre2_match(code_->code.get(), reinterpret_cast<PCRE2_SPTR>(name.data()),
                                name.size(), 0, 0, data.get(), context.get());
  if (found >= 0) return true;
  if (found == PCRE2_ERROR_NOMATCH) return false;
  throw Error("pattern takes too long on " + std::string(name), code_->where, "simplify it");
}

}  // namespace octavo
