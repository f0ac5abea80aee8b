// A query's output depends on the query and its sequence's keys alone: bit by bit the same whatever
// shares the batch, however a prompt was cut, however many threads work.

#include "attention_case.h"

namespace octavo::conformance {
namespace {

class AttentionInvariance : public Conformance {
 protected:
  // Output of one query as the only row of a batch.
  static void expect_rows_alone(const AttentionCase& attention, const Ops& ops,
                                const AttentionCase::Cache& cache, const std::vector<Chunk>& chunks,
                                const Padded& whole) {
    ThreadPool pool(1);
    Queue queue(pool);
    int64_t n = 0;
    for (const Chunk& c : chunks) {
      for (int64_t tokens = c.tokens - c.queries + 1; tokens <= c.tokens; ++tokens, ++n) {
        const Padded alone = attention.run(ops, queue, cache, {{c.sequence, 1, tokens}});
        ASSERT_TRUE(std::equal(alone.mat().at(0), alone.mat().at(0) + alone.mat().cols(),
                               whole.mat().at(n)))
            << "sequence " << c.sequence << ", " << tokens << " tokens";
      }
    }
  }
};

const std::vector<AttentionShape> kShapes{
    {.heads = 14, .kv_heads = 2, .head_dim = 64},
    {.heads = 3, .kv_heads = 3, .head_dim = 100, .window = 70},
    {.heads = 5, .kv_heads = 1, .head_dim = 80, .dtype = DType::f32, .softcap = 5},
    {.heads = 4, .kv_heads = 2, .head_dim = 24, .dtype = DType::f32, .window = 300},
    {.heads = 7, .kv_heads = 1, .head_dim = 64, .dtype = DType::i8, .sinks = true},
    {.heads = 4, .kv_heads = 2, .head_dim = 40, .dtype = DType::i8, .window = 70},
    {.heads = 6, .kv_heads = 2, .head_dim = 48, .dtype = DType::f8_e4m3, .block_tokens = 16},
};

TEST_P(AttentionInvariance, a_row_is_the_same_alone_as_in_a_batch) {
  const std::vector<Chunk> chunks{{0, 33, 33}, {1, 1, 300}, {2, 150, 700}, {3, 1, 1}, {4, 5, 513}};
  for (const AttentionShape& shape : kShapes) {
    const AttentionCase attention(shape, {33, 300, 700, 1, 513}, 21);
    const auto cache = attention.cache(ops_, queue_);
    const Padded whole = attention.run(ops_, queue_, *cache, chunks);
    expect_rows_alone(attention, ops_, *cache, chunks, whole);
  }
}

TEST_P(AttentionInvariance, threads_change_nothing) {
  const std::vector<Chunk> chunks{{0, 1, 33}, {1, 1, 300}, {2, 1, 1500}};
  for (const AttentionShape& shape : kShapes) {
    const AttentionCase attention(shape, {33, 300, 1500}, 22);
    const auto cache = attention.cache(ops_, queue_);
    ThreadPool single(1);
    Queue single_queue(single);
    const Padded expected = attention.run(ops_, single_queue, *cache, chunks);
    for (int threads : {2, 3, 8}) {
      ThreadPool pool(threads);
      Queue queue(pool);
      EXPECT_EQ(attention.run(ops_, queue, *cache, chunks), expected) << threads << " threads";
    }
  }
}

TEST_P(AttentionInvariance, a_prompt_in_chunks_gives_what_the_whole_gives) {
  for (const AttentionShape& shape : kShapes) {
    const AttentionCase attention(shape, {420}, 23);
    const auto cache = attention.cache(ops_, queue_);
    const Padded whole = attention.run(ops_, queue_, *cache, {{0, 420, 420}});
    for (int64_t size : {1, 7, 64, 256}) {
      for (int64_t begin = 0; begin < 420; begin += size) {
        const int64_t end = std::min<int64_t>(420, begin + size);
        const Padded part = attention.run(ops_, queue_, *cache, {{0, end - begin, end}});
        for (int64_t n = begin; n < end; ++n) {
          ASSERT_TRUE(std::equal(part.mat().at(n - begin),
                                 part.mat().at(n - begin) + part.mat().cols(), whole.mat().at(n)))
              << "token " << n << " in chunks of " << size;
        }
      }
    }
  }
}

TEST_P(AttentionInvariance, a_shared_prefix_read_once_changes_nothing) {
  std::vector<int64_t> tokens;
  std::vector<Chunk> chunks;
  for (int64_t s = 0; s < 11; ++s) {
    tokens.push_back(s == 4 ? 513 : 514 + 40 * s);
    chunks.push_back({s, s == 6 ? 3 : 1, tokens.back()});
  }
  for (AttentionShape shape : kShapes) {
    for (int64_t shared : {240, 288, 512}) {
      shape.shared_tokens = shared;
      const AttentionCase attention(shape, tokens, 24);
      const auto cache = attention.cache(ops_, queue_);
      for (int threads : {1, 3}) {
        ThreadPool pool(threads);
        Queue queue(pool);
        expect_rows_alone(attention, ops_, *cache, chunks,
                          attention.run(ops_, queue, *cache, chunks));
      }
    }
  }
}

OCTAVO_EVERY_TABLE(AttentionInvariance);

}  // namespace
}  // namespace octavo::conformance
