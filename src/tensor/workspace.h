#pragma once

#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "base/memory.h"
#include "tensor/view.h"

namespace octavo {

// Activations of one step: a bump allocator sized at load, so that a step allocates nothing.
class Workspace {
 public:
  explicit Workspace(size_t bytes) : buffer_(bytes) {}

  size_t size_bytes() const { return buffer_.size_bytes(); }

  Mat mat(int64_t rows, int64_t cols) { return {take<float>(rows * cols), {rows, cols}}; }

  template <class T>
  T* take(int64_t count) {
    const size_t begin = (used_ + 63) / 64 * 64;
    const size_t end = begin + static_cast<size_t>(count) * sizeof(T);
    OCTAVO_CHECK(end <= buffer_.size_bytes());
    used_ = end;
    return reinterpret_cast<T*>(buffer_.data() + begin);
  }

  // Everything taken while a Scope lives is free again when it ends.
  class Scope {
   public:
    explicit Scope(Workspace& workspace) : workspace_(workspace), used_(workspace.used_) {}
    ~Scope() { workspace_.used_ = used_; }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Workspace& workspace_;
    size_t used_;
  };

 private:
  HugeBuffer buffer_;
  size_t used_ = 0;
};

}  // namespace octavo
