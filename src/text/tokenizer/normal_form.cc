#include "text/tokenizer/normal_form.h"

#include <utf8proc.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>

#include "base/check.h"
#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

struct FreeText {
  void operator()(utf8proc_uint8_t* p) const { std::free(p); }
};

// Characters that no form changes and that compose with no earlier one. A range that is missing
// here costs time only.
bool is_stable(char32_t c, NormalForm form) {
  if (c < 0xA0) return true;
  if (c >= 0x4E00 && c <= 0x9FFF) return true;
  const bool compatible = form == NormalForm::nfkc || form == NormalForm::nfkd;
  if (!compatible) {
    const bool composed = form == NormalForm::nfc;
    if (composed && (c < 0x300 || (c >= 0xAC00 && c <= 0xD7A3))) return true;
    if (composed && ((c >= 0x388 && c <= 0x482) || (c >= 0x3041 && c <= 0x3096) ||
                     (c >= 0x30A1 && c <= 0x30FA))) {
      return true;
    }
    if ((c >= 0x2010 && c <= 0x2025) || (c >= 0x3001 && c <= 0x3029) ||
        (c >= 0xFF01 && c <= 0xFFEF) || (c >= 0x1F300 && c <= 0x1FAFF)) {
      return true;
    }
  }
  return (c >= 0x621 && c <= 0x64A && form == NormalForm::nfc);
}

void append_form(std::string& out, std::string_view text, NormalForm form) {
  if (text.empty()) return;
  int options = UTF8PROC_STABLE;
  options |=
      form == NormalForm::nfc || form == NormalForm::nfkc ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE;
  if (form == NormalForm::nfkc || form == NormalForm::nfkd) options |= UTF8PROC_COMPAT;
  utf8proc_uint8_t* raw = nullptr;
  const utf8proc_ssize_t bytes = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &raw, static_cast<utf8proc_option_t>(options));
  const std::unique_ptr<utf8proc_uint8_t, FreeText> owned(raw);
  if (bytes == UTF8PROC_ERROR_NOMEM) throw std::bad_alloc();
  OCTAVO_CHECK(bytes >= 0);
  out.append(reinterpret_cast<const char*>(raw), static_cast<size_t>(bytes));
}

}  // namespace

std::string normal_form(std::string_view text, NormalForm form) {
  std::string out;
  out.reserve(text.size());
  size_t done = 0;      // everything before is in `out`
  size_t previous = 0;  // begin of the character before `at`; it may compose with what follows
  size_t at = 0;
  while (at < text.size()) {
    const auto c = unicode::char_at(text, at);
    if (is_stable(c.code, form)) {
      previous = at;
      at += c.bytes;
      continue;
    }
    const size_t begin = std::max(done, previous);
    out.append(text.substr(done, begin - done));
    size_t end = at;
    done = begin;
    while (end < text.size()) {
      const auto next = unicode::char_at(text, end);
      if (is_stable(next.code, form)) break;
      if (unicode::is_inert(next.code)) {
        append_form(out, text.substr(done, end - done), form);
        out.append(text.substr(end, next.bytes));
        done = end + next.bytes;
      }
      end += next.bytes;
    }
    append_form(out, text.substr(done, end - done), form);
    done = previous = at = end;
  }
  out.append(text.substr(done));
  return out;
}

}  // namespace octavo::tokenizer
