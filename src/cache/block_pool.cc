#include "cache/block_pool.h"

#include <limits>

#include "base/check.h"

namespace octavo {

BlockPool::BlockPool(int64_t blocks) : references_(blocks, 0), links_(blocks + 1), free_(blocks) {
  OCTAVO_CHECK(blocks >= 0 && blocks < std::numeric_limits<BlockId>::max());
  const auto slots = static_cast<BlockId>(blocks + 1);
  for (BlockId i = 0; i < slots; ++i) links_[i] = {(i + slots - 1) % slots, (i + 1) % slots};
}

BlockId BlockPool::take() {
  OCTAVO_CHECK(free_ > 0);
  const BlockId block = links_.back().next;
  retain(block);
  return block;
}

void BlockPool::retain(BlockId block) {
  OCTAVO_CHECK(block >= 0 && block < total());
  if (references_[block]++ == 0) unlink(block);
}

void BlockPool::release(BlockId block, Reuse reuse) {
  OCTAVO_CHECK(block >= 0 && block < total() && references_[block] > 0);
  if (--references_[block] > 0) return;
  const auto end = static_cast<BlockId>(total());
  if (reuse == Reuse::soon) {
    link_between(end, block, links_[end].next);
  } else {
    link_between(links_[end].previous, block, end);
  }
}

void BlockPool::unlink(BlockId block) {
  const Link link = links_[block];
  links_[link.previous].next = link.next;
  links_[link.next].previous = link.previous;
  --free_;
}

void BlockPool::link_between(BlockId previous, BlockId block, BlockId next) {
  links_[block] = {previous, next};
  links_[previous].next = block;
  links_[next].previous = block;
  ++free_;
}

}  // namespace octavo
