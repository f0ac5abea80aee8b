#include "base/utf8.h"

namespace octavo::utf8 {
namespace {

struct Lead {
  int bytes;                // length of the sequence, 0: not a lead byte
  unsigned char low, high;  // range of the second byte
};

// Table 3-7 of the Unicode standard: which second bytes may follow a lead byte.
Lead lead_of(unsigned char c) {
  if (c < 0x80) return {1, 0, 0};
  if (c >= 0xC2 && c <= 0xDF) return {2, 0x80, 0xBF};
  if (c == 0xE0) return {3, 0xA0, 0xBF};
  if (c == 0xED) return {3, 0x80, 0x9F};
  if (c >= 0xE1 && c <= 0xEF) return {3, 0x80, 0xBF};
  if (c == 0xF0) return {4, 0x90, 0xBF};
  if (c >= 0xF1 && c <= 0xF3) return {4, 0x80, 0xBF};
  if (c == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

// How many bytes from `at` are a valid (possibly cut) beginning of one character.
int valid_prefix(std::string_view text, size_t at, const Lead& lead) {
  int have = 1;
  while (have < lead.bytes && at + have < text.size()) {
    const auto c = static_cast<unsigned char>(text[at + have]);
    const unsigned char low = have == 1 ? lead.low : 0x80;
    const unsigned char high = have == 1 ? lead.high : 0xBF;
    if (c < low || c > high) break;
    ++have;
  }
  return have;
}

}  // namespace

Decoded decode(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  const Lead lead = lead_of(first);
  if (lead.bytes == 0) return {kReplacement, 1, false};
  const int have = valid_prefix(text, at, lead);
  if (have < lead.bytes) return {kReplacement, have, false};
  if (lead.bytes == 1) return {first, 1, true};
  char32_t code = first & (0x7F >> lead.bytes);
  for (int i = 1; i < lead.bytes; ++i)
    code = code << 6 | (static_cast<unsigned char>(text[at + i]) & 0x3F);
  return {code, lead.bytes, true};
}

void append(std::string& out, char32_t c) {
  const auto put = [&](char32_t byte) {
    out.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
  };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

bool is_valid(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const Decoded d = decode(text, i);
    if (!d.valid) return false;
    i += d.bytes;
  }
  return true;
}

std::string sanitize(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size();) {
    const Decoded d = decode(text, i);
    append(out, d.code_point);
    i += d.bytes;
  }
  return out;
}

std::string replaced_bytes(std::string_view bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size();) {
    const Decoded c = decode(bytes, at);
    const auto count = static_cast<size_t>(c.bytes);
    if (c.valid) out += bytes.substr(at, count);
    for (size_t i = 0; !c.valid && i < count; ++i) append(out, kReplacement);
    at += count;
  }
  return out;
}

size_t incomplete_tail(std::string_view text) {
  for (size_t back = 1; back <= 3 && back <= text.size(); ++back) {
    const size_t at = text.size() - back;
    const Lead lead = lead_of(static_cast<unsigned char>(text[at]));
    if (lead.bytes == 0) continue;
    const bool cut = lead.bytes > static_cast<int>(back) &&
                     valid_prefix(text, at, lead) == static_cast<int>(back);
    return cut ? back : 0;
  }
  return 0;
}

}  // namespace octavo::utf8
