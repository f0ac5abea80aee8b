// Replays the seeds and the findings of the fuzz target.
#include <gtest/gtest.h>

#include "base/corpus_replay.h"

namespace octavo {
namespace {

TEST(QuantizedCorpus, is_read_alike_or_refused) {
  EXPECT_GE(replay_corpus("tests/corpus/quantized"), 20);
}

}  // namespace
}  // namespace octavo
