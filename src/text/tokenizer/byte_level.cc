#include "text/tokenizer/byte_level.h"

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

ByteLevel::ByteLevel() {
  byte_of_char_.fill(-1);
  char32_t next = 0x100;
  for (int b = 0; b < 256; ++b) {
    const bool printable = (b >= 0x21 && b <= 0x7E) || (b >= 0xA1 && b != 0xAD);
    const char32_t c = printable ? static_cast<char32_t>(b) : next++;
    utf8::append(char_of_byte_[static_cast<size_t>(b)], c);
    byte_of_char_[c] = static_cast<int16_t>(b);
  }
}

void ByteLevel::append_mapped(std::string& out, std::string_view bytes) const {
  for (const char b : bytes) out += char_of_byte_[static_cast<unsigned char>(b)];
}

std::optional<std::string> ByteLevel::unmapped(std::string_view mapped) const {
  std::string bytes;
  if (!append_unmapped(bytes, mapped)) return std::nullopt;
  return bytes;
}

bool ByteLevel::append_unmapped(std::string& out, std::string_view mapped) const {
  const size_t before = out.size();
  for (size_t at = 0; at < mapped.size();) {
    const unicode::Char c = unicode::char_at(mapped, at);
    if (c.code >= byte_of_char_.size() || byte_of_char_[c.code] < 0) {
      out.resize(before);
      return false;
    }
    out.push_back(static_cast<char>(byte_of_char_[c.code]));
    at += c.bytes;
  }
  return true;
}

}  // namespace octavo::tokenizer
