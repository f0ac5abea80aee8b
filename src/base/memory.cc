#include "base/memory.h"

#include <sys/mman.h>

#include <string>
#include <utility>

#include "octavo/error.h"

namespace octavo {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;

}  // namespace

HugeBuffer::HugeBuffer(size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  const bool large = bytes >= kHugePage;
  const size_t reserved = bytes + (large ? kHugePage : 0);
  void* const base = reserved < bytes ? MAP_FAILED
                                      : ::mmap(nullptr, reserved, PROT_READ | PROT_WRITE,
                                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) {
    throw Error("cannot get " + std::to_string(bytes) + " bytes of memory", "memory",
                "use a smaller model, context or cache", Error::Kind::failure);
  }
  data_ = static_cast<std::byte*>(base);
  if (!large) return;
  // Trim the reservation to an aligned start, so that every page can be a huge one.
  const size_t skip = (kHugePage - reinterpret_cast<size_t>(base) % kHugePage) % kHugePage;
  if (skip > 0) ::munmap(base, skip);
  data_ += skip;
  const size_t pages = (bytes + 4095) / 4096 * 4096;
  if (reserved - skip > pages) ::munmap(data_ + pages, reserved - skip - pages);
  ::madvise(data_, bytes, MADV_HUGEPAGE);
}

HugeBuffer::~HugeBuffer() {
  if (data_ != nullptr) ::munmap(data_, (bytes_ + 4095) / 4096 * 4096);
}

HugeBuffer::HugeBuffer(HugeBuffer&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), bytes_(std::exchange(other.bytes_, 0)) {}

HugeBuffer& HugeBuffer::operator=(HugeBuffer&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

}  // namespace octavo
