#include "text/tokenizer/wire.h"

#include <bit>

namespace octavo::tokenizer {

namespace {

constexpr uint64_t kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5;

}  // namespace

float WireField::real() const { return std::bit_cast<float>(static_cast<uint32_t>(value)); }

std::optional<uint64_t> WireReader::varint() {
  uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(rest_.front());
    rest_.remove_prefix(1);
    value |= uint64_t{byte & 0x7Fu} << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

std::optional<uint64_t> WireReader::fixed(size_t bytes) {
  if (rest_.size() < bytes) return std::nullopt;
  uint64_t value = 0;
  for (size_t i = bytes; i-- > 0;) value = value << 8 | static_cast<unsigned char>(rest_[i]);
  rest_.remove_prefix(bytes);
  return value;
}

bool WireReader::read(WireField& field, uint64_t wire_type) {
  std::optional<uint64_t> value;
  if (wire_type == kFixed64 || wire_type == kFixed32) {
    field.kind = wire_type == kFixed64 ? WireField::Kind::fixed64 : WireField::Kind::fixed32;
    value = fixed(wire_type == kFixed64 ? 8 : 4);
  } else if (wire_type == kVarint || wire_type == kBytes) {
    field.kind = wire_type == kVarint ? WireField::Kind::varint : WireField::Kind::bytes;
    value = varint();
  }
  if (!value) return false;
  field.value = *value;
  if (wire_type != kBytes) return true;
  if (*value > rest_.size()) return false;
  field.bytes = rest_.substr(0, *value);
  rest_.remove_prefix(*value);
  return true;
}

std::optional<WireField> WireReader::next() {
  if (broken_ || rest_.empty()) return std::nullopt;
  WireField field;
  const auto tag = varint();
  broken_ = !tag || *tag >> 3 == 0 || *tag >> 32 != 0;
  if (broken_) return std::nullopt;
  field.number = static_cast<uint32_t>(*tag >> 3);
  broken_ = !read(field, *tag & 7);
  return broken_ ? std::nullopt : std::optional(field);
}

void WireWriter::append(uint64_t value) {
  for (; value >= 0x80; value >>= 7) out_.push_back(static_cast<char>(value | 0x80));
  out_.push_back(static_cast<char>(value));
}

void WireWriter::varint(uint32_t number, uint64_t value) {
  append(uint64_t{number} << 3 | kVarint);
  append(value);
}

void WireWriter::bytes(uint32_t number, std::string_view value) {
  append(uint64_t{number} << 3 | kBytes);
  append(value.size());
  out_.append(value);
}

void WireWriter::real(uint32_t number, float value) {
  append(uint64_t{number} << 3 | kFixed32);
  const auto bits = std::bit_cast<uint32_t>(value);
  for (unsigned shift = 0; shift < 32; shift += 8) out_.push_back(static_cast<char>(bits >> shift));
}

}  // namespace octavo::tokenizer
