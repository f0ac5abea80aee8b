#pragma once

#include <cstddef>
#include <span>

namespace octavo {

// Anonymous memory on huge pages where the kernel grants them, zeroed, 2 MiB aligned when large.
// Weights and KV blocks live here: a file mapping gets no huge pages and costs up to half of the
// read bandwidth.
class HugeBuffer {
 public:
  HugeBuffer() = default;
  // Throws Error (kind failure) when the system has no such memory. Pages are taken on first touch.
  explicit HugeBuffer(size_t bytes);
  ~HugeBuffer();
  HugeBuffer(HugeBuffer&& other) noexcept;
  HugeBuffer& operator=(HugeBuffer&& other) noexcept;
  HugeBuffer(const HugeBuffer&) = delete;
  HugeBuffer& operator=(const HugeBuffer&) = delete;

  std::byte* data() { return data_; }
  const std::byte* data() const { return data_; }
  size_t size_bytes() const { return bytes_; }
  std::span<std::byte> span() { return {data_, bytes_}; }

 private:
  std::byte* data_ = nullptr;
  size_t bytes_ = 0;
};

}  // namespace octavo
