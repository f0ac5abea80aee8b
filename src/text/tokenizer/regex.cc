#define PCRE2_CODE_UNIT_WIDTH 8
#include "text/tokenizer/regex.h"

#include <pcre2.h>

#include <algorithm>
#include <chrono>

#include "base/check.h"
#include "text/tokenizer/pattern.h"
#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

constexpr size_t kMaxPatternBytes = 64 << 10;
// Steps from one start; exponential patterns end here. A sane pattern may go back over the text a
// few times (\s*[\r\n]+ over spaces alone).
constexpr uint64_t kMatchLimit = 1'000'000, kMatchLimitPerByte = 16;
constexpr uint32_t kHeapLimitKib = 64 << 10;  // of the interpreter
constexpr size_t kMaxJitStackBytes = 8 << 20;
constexpr size_t kStride = 1024;               // starts tried between two looks at the clock
constexpr std::chrono::seconds kPatience{10};  // quadratic patterns end here

template <auto Free>
struct Release {
  template <typename T>
  void operator()(T* p) const {
    Free(p);
  }
};

}  // namespace

struct Regex::Code {
  std::unique_ptr<pcre2_code, Release<pcre2_code_free>> code;
  std::string where;  // for errors while matching
};

Regex::Regex(const Field& place) : code_(std::make_unique<Code>()) {
  const std::string_view written = place.text();
  if (written.size() > kMaxPatternBytes) place.fail("pattern of more than 64 KiB");
  const std::string pattern = to_pcre(written, place);
  std::unique_ptr<pcre2_compile_context, Release<pcre2_compile_context_free>> context(
      pcre2_compile_context_create(nullptr));
  OCTAVO_CHECK(context != nullptr);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  pcre2_set_parens_nest_limit(context.get(), 100);
  int error = 0;
  PCRE2_SIZE offset = 0;
  constexpr uint32_t kOptions = PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_USE_OFFSET_LIMIT |
                                PCRE2_NO_UTF_CHECK | PCRE2_NEVER_BACKSLASH_C;
  code_->code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                                  kOptions, &error, &offset, context.get()));
  if (!code_->code) {
    PCRE2_UCHAR text[256] = {};
    pcre2_get_error_message(error, text, sizeof text);
    place.fail("pattern cannot be compiled: " + std::string(reinterpret_cast<char*>(text)));
  }
  // Without JIT (not on every machine) the interpreter does the same, slower.
  (void)pcre2_jit_compile(code_->code.get(), PCRE2_JIT_COMPLETE);
  code_->where = std::string(written.substr(0, 80));
}

Regex::~Regex() = default;
Regex::Regex(Regex&&) noexcept = default;
Regex& Regex::operator=(Regex&&) noexcept = default;

struct Regex::Matches::State {
  std::unique_ptr<pcre2_match_data, Release<pcre2_match_data_free>> data;
  std::unique_ptr<pcre2_match_context, Release<pcre2_match_context_free>> context;
  std::unique_ptr<pcre2_jit_stack, Release<pcre2_jit_stack_free>> stack;
  std::optional<std::chrono::steady_clock::time_point> deadline;
};

Regex::Matches::Matches(const Regex& regex, std::string_view text)
    : regex_(regex), text_(text), state_(std::make_unique<State>()) {
  state_->data.reset(pcre2_match_data_create(1, nullptr));
  state_->context.reset(pcre2_match_context_create(nullptr));
  OCTAVO_CHECK(state_->data && state_->context);
  reset(text);
  pcre2_set_heap_limit(state_->context.get(), kHeapLimitKib);
}

Regex::Matches::~Matches() = default;

void Regex::Matches::reset(std::string_view text) {
  text_ = text;
  at_ = 0;
  last_end_.reset();
  const uint64_t limit = kMatchLimit + kMatchLimitPerByte * text.size();
  pcre2_set_match_limit(state_->context.get(),
                        static_cast<uint32_t>(std::min<uint64_t>(limit, UINT32_MAX)));
}

std::optional<Span> Regex::Matches::next() {
  while (at_ <= text_.size()) {
    const std::optional<Span> match = search(at_);
    if (!match) {
      at_ = text_.size() + 1;
      return std::nullopt;
    }
    if (match->begin == match->end && last_end_ == match->end) {
      at_ += at_ < text_.size() ? unicode::char_bytes(text_[at_]) : 1;
      continue;
    }
    at_ = match->end;
    last_end_ = match->end;
    return match;
  }
  return std::nullopt;
}

std::optional<Span> Regex::Matches::search(size_t from) {
  for (size_t start = from;;) {
    const size_t limit = std::min(start + kStride, text_.size());
    pcre2_set_offset_limit(state_->context.get(), limit);
    int found = pcre2_match(regex_.code_->code.get(), reinterpret_cast<PCRE2_SPTR>(text_.data()),
                            text_.size(), start, PCRE2_NO_UTF_CHECK, state_->data.get(),
                            state_->context.get());
    if (found == PCRE2_ERROR_JIT_STACKLIMIT && !state_->stack) {
      state_->stack.reset(pcre2_jit_stack_create(64 << 10, kMaxJitStackBytes, nullptr));
      pcre2_jit_stack_assign(state_->context.get(), nullptr, state_->stack.get());
      continue;
    }
    if (found >= 0) {
      const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(state_->data.get());
      return Span{ends[0], std::max(ends[0], ends[1])};
    }
    if (found == PCRE2_ERROR_NOMATCH && limit == text_.size()) return std::nullopt;
    const auto now = std::chrono::steady_clock::now();
    if (!state_->deadline) state_->deadline = now + kPatience;
    if (found != PCRE2_ERROR_NOMATCH || now > *state_->deadline) {
      throw Error("a pattern of the tokenizer takes too long on this text", regex_.code_->where,
                  "use a tokenizer file whose patterns do not backtrack without end");
    }
    start = limit;
    while (start > from && (static_cast<unsigned char>(text_[start]) & 0xC0) == 0x80) --start;
    if (start == from) start = limit;
  }
}

}  // namespace octavo::tokenizer
