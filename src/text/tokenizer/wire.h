#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace octavo::tokenizer {

// One field of a message in the wire format of protocol buffers.
struct WireField {
  enum class Kind { varint, fixed64, bytes, fixed32 };
  uint32_t number = 0;
  Kind kind = Kind::varint;
  uint64_t value = 0;      // of the numbers
  std::string_view bytes;  // of Kind::bytes; borrowed

  // The float in a fixed32.
  float real() const;
};

// Reads the fields of one message in order; nested messages are bytes that a further reader takes.
class WireReader {
 public:
  explicit WireReader(std::string_view message) : rest_(message) {}
  // Empty at the end, or where the bytes are no message; then broken() says so.
  std::optional<WireField> next();
  bool broken() const { return broken_; }

 private:
  std::optional<uint64_t> varint();
  std::optional<uint64_t> fixed(size_t bytes);
  bool read(WireField& field, uint64_t wire_type);

  std::string_view rest_;
  bool broken_ = false;
};

// Writes the fields of one message.
class WireWriter {
 public:
  void varint(uint32_t number, uint64_t value);
  void bytes(uint32_t number, std::string_view value);
  void real(uint32_t number, float value);
  const std::string& message() const { return out_; }

 private:
  void append(uint64_t value);

  std::string out_;
};

}  // namespace octavo::tokenizer
