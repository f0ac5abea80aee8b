#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace octavo::tokenizer {

// The reversible alphabet of byte-level models: each byte is written as one printable character
// (GPT-2, "Language Models are Unsupervised Multitask Learners", released encoder). Bytes that are
// printable in Latin-1 stand for themselves, the others become U+0100 and above in order.
class ByteLevel {
 public:
  ByteLevel();

  void append_mapped(std::string& out, std::string_view bytes) const;
  // The bytes that `mapped` stands for; empty when a character is outside the alphabet.
  std::optional<std::string> unmapped(std::string_view mapped) const;
  // Appends these bytes. False, and nothing appended, when a character is outside the alphabet.
  bool append_unmapped(std::string& out, std::string_view mapped) const;

 private:
  std::array<std::string, 256> char_of_byte_;
  std::array<int16_t, 0x144> byte_of_char_;  // -1: not in the alphabet
};

}  // namespace octavo::tokenizer
