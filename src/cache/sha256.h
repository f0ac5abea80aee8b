#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

struct evp_md_ctx_st;

namespace octavo {

using Digest = std::array<uint8_t, 32>;

// SHA-256 over bytes that are added piece by piece, numbers in one byte order whatever the machine.
class Sha256 {
 public:
  Sha256();
  void add(const void* data, size_t bytes);
  void add(std::string_view text) { add(text.data(), text.size()); }
  void add(std::span<const std::byte> bytes) { add(bytes.data(), bytes.size()); }
  void add_number(uint64_t value, int bytes);  // little-endian
  // The digest; the object starts again.
  Digest finish();

 private:
  struct Free {
    void operator()(evp_md_ctx_st* context) const;
  };
  std::unique_ptr<evp_md_ctx_st, Free> context_;
};

}  // namespace octavo
