// Replays the seeds and the findings of the fuzz target.
#include <gtest/gtest.h>

#include "base/corpus_replay.h"

namespace octavo {
namespace {

TEST(ConfigCorpus, becomes_a_finite_spec_or_is_refused) {
  EXPECT_GE(replay_corpus("tests/corpus/config"), 10);
}

}  // namespace
}  // namespace octavo
