// Replays the seeds and the findings of the fuzz target.
#include <gtest/gtest.h>

#include "base/corpus_replay.h"

namespace octavo {
namespace {

TEST(GgufCorpus, is_read_or_refused) { EXPECT_GE(replay_corpus("tests/corpus/gguf"), 8); }

}  // namespace
}  // namespace octavo
