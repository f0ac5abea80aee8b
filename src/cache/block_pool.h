#pragma once

#include <cstdint>
#include <vector>

namespace octavo {

// Index of a block in every layer's planes. Signed, as kernels read it from the batch's table.
using BlockId = int32_t;

// Who uses which block: reference counts and the order in which unused blocks are handed out again.
// An unused block keeps its bytes until it is taken, so whoever remembers what it holds may revive
// it by retain(). One thread.
class BlockPool {
 public:
  // Where an unused block waits: `soon` is taken next, `late` after all others (least recently
  // used first).
  enum class Reuse : uint8_t { soon, late };

  explicit BlockPool(int64_t blocks);

  int64_t total() const { return static_cast<int64_t>(references_.size()); }
  int64_t free() const { return free_; }
  int32_t references(BlockId block) const { return references_[block]; }

  // An unused block, now with one reference. REQUIRES: free() > 0.
  BlockId take();
  // One more reference; an unused block leaves the free list.
  void retain(BlockId block);
  // One reference less; the last one puts the block back. REQUIRES: references(block) > 0.
  void release(BlockId block, Reuse reuse);

 private:
  // The free list is circular through the slot `total()`, whose next is the head.
  struct Link {
    BlockId previous, next;
  };
  void unlink(BlockId block);
  void link_between(BlockId previous, BlockId block, BlockId next);

  std::vector<int32_t> references_;
  std::vector<Link> links_;
  int64_t free_ = 0;
};

}  // namespace octavo
