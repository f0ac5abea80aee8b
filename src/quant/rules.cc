#define PCRE2_CODE_UNIT_WIDTH 8
#include "quant/rules.h"

#include <pcre2.h>

#include "base/check.h"
#include "octavo/error.h"

namespace octavo::quant {
namespace {

// Names are short: a sane pattern needs hundreds of steps, a hostile one is stopped.
constexpr uint32_t kMatchLimit = 100'000, kHeapLimitKib = 1 << 10;
constexpr size_t kMaxPatternBytes = 4096;

struct FreeCode {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }
};
struct FreeContext {
  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};
struct FreeData {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};
using Code = std::unique_ptr<pcre2_code, FreeCode>;

Code compile(const std::string& pattern, const std::string& where) {
  if (pattern.size() > kMaxPatternBytes)
    throw Error("pattern of more than 4096 bytes", where, "shorten it");
  int error = 0;
  PCRE2_SIZE offset = 0;
  Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                          PCRE2_ANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &error, &offset,
                          nullptr));
  if (code) return code;
  PCRE2_UCHAR text[256] = {};
  pcre2_get_error_message(error, text, sizeof text);
  throw Error("pattern \"" + pattern +
                  "\" is no regular expression: " + reinterpret_cast<const char*>(text),
              where, "correct it at character " + std::to_string(offset));
}

}  // namespace

struct Rules::Patterns {
  std::vector<Code> codes;
  std::unique_ptr<pcre2_match_context, FreeContext> context;
};

Rules::Rules(std::vector<Recipe::Rule> rules, const std::string& where)
    : rules_(std::move(rules)), patterns_(std::make_unique<Patterns>()), where_(where) {
  for (const Recipe::Rule& rule : rules_) patterns_->codes.push_back(compile(rule.pattern, where));
  patterns_->context.reset(pcre2_match_context_create(nullptr));
  OCTAVO_CHECK(patterns_->context != nullptr);
  pcre2_set_match_limit(patterns_->context.get(), kMatchLimit);
  pcre2_set_heap_limit(patterns_->context.get(), kHeapLimitKib);
}
Rules::~Rules() = default;
Rules::Rules(Rules&&) noexcept = default;
Rules& Rules::operator=(Rules&&) noexcept = default;

const Recipe::Rule* Rules::find(std::string_view name) const {
  for (size_t i = 0; i < rules_.size(); ++i) {
    const pcre2_code* code = patterns_->codes[i].get();
    const std::unique_ptr<pcre2_match_data, FreeData> data(
        pcre2_match_data_create_from_pattern(code, nullptr));
    OCTAVO_CHECK(data != nullptr);
    const int found = pcre2_match(code, reinterpret_cast<PCRE2_SPTR>(name.data()), name.size(), 0,
                                  0, data.get(), patterns_->context.get());
    if (found >= 0) return &rules_[i];
    if (found != PCRE2_ERROR_NOMATCH)
      throw Error(
          "pattern \"" + rules_[i].pattern + "\" needs too many steps on " + std::string(name),
          where_, "simplify it");
  }
  return nullptr;
}

}  // namespace octavo::quant
