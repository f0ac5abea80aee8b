#include "octavo/engine.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <vector>

#include "engine/distribution.h"
#include "model/model.h"
#include "model/session.h"

namespace octavo {
namespace {

constexpr int64_t kHidden = 32, kHeads = 4, kKvHeads = 2, kHeadDim = 8, kFfn = 48, kVocab = 97;

// Two layers of grouped attention and a gated MLP with random weights, on the reference kernels.
class TinyModel {
 public:
  TinyModel() : random_(17) {
    model_->ops = reference::ops();
    model_->memory = HugeBuffer(1 << 20);
    ModelSpec& spec = model_->spec;
    spec.hidden = kHidden;
    spec.vocab = kVocab;
    spec.max_positions = 256;
    const NormSpec norm{.kind = NormSpec::Kind::rms, .eps = 1e-5f};
    const RopeSpec rope{.theta = 10000, .dim = kHeadDim, .scaling = {}};
    spec.final_norm = norm;
    spec.layers.assign(2, {.norm_mixer = norm,
                           .mixer = AttentionSpec{.heads = kHeads,
                                                  .kv_heads = kKvHeads,
                                                  .head_dim = kHeadDim,
                                                  .rope = rope,
                                                  .qk_norm = {},
                                                  .scale = 0.4f},
                           .post_mixer = {},
                           .norm_ffn = norm,
                           .ffn = MlpSpec{.hidden = kFfn, .act = Act::silu, .gated = true},
                           .post_ffn = {}});
    model_->ropes.emplace_back(rope);
    model_->embedding = matrix(kVocab, kHidden).weight;
    model_->head = matrix(kVocab, kHidden);
    for (int i = 0; i < 2; ++i) {
      LayerWeights& layer = model_->layers.emplace_back();
      layer.q = matrix(kHeads * kHeadDim, kHidden);
      layer.k = matrix(kKvHeads * kHeadDim, kHidden);
      layer.v = matrix(kKvHeads * kHeadDim, kHidden);
      layer.o = matrix(kHidden, kHeads * kHeadDim);
      layer.gate = matrix(kFfn, kHidden);
      layer.up = matrix(kFfn, kHidden);
      layer.down = matrix(kHidden, kFfn);
      layer.rope = 0;
    }
  }
  std::shared_ptr<const Model> get() const { return model_; }

 private:
  Linear matrix(int64_t out, int64_t in) {
    auto* const data = reinterpret_cast<float*>(model_->memory.data()) + used_;
    used_ += out * in;
    std::normal_distribution<float> normal(0, 0.3f);
    for (int64_t i = 0; i < out * in; ++i) data[i] = normal(random_);
    Linear linear;
    linear.weight.out = out;
    linear.weight.in = in;
    linear.weight.data = std::as_bytes(std::span<const float>(data, out * in));
    return linear;
  }

  std::shared_ptr<Model> model_ = std::make_shared<Model>();
  std::mt19937 random_;
  int64_t used_ = 0;
};

std::vector<Request> requests() {
  std::mt19937 random(4);
  std::vector<Request> result;
  for (int i = 0; i < 16; ++i) {
    Request request;
    const size_t length = 1 + random() % 70;
    for (size_t k = 0; k < length; ++k) {
      request.prompt.push_back(static_cast<TokenId>(random() % kVocab));
    }
    if (i % 4 == 3) request.prompt = result[i - 1].prompt;
    request.sampling.temperature = i % 2 == 0 ? 0.0f : 1.0f;
    request.sampling.seed = i;
    request.sampling.max_tokens = 24;
    result.push_back(std::move(request));
  }
  return result;
}

std::vector<std::vector<TokenId>> run(const std::vector<Request>& requests,
                                      const EngineOptions& options, int threads,
                                      EngineStats* stats = nullptr) {
  ThreadPool pool(threads);
  Engine engine(TinyModel().get(), pool, options);
  std::vector<std::vector<TokenId>> results(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    engine.submit(requests[i], [&results, i](const Event& event) {
      results[i].insert(results[i].end(), event.tokens.begin(), event.tokens.end());
    });
  }
  engine.run_until_idle();
  EXPECT_EQ(engine.stats().blocks_used, 0);
  if (stats != nullptr) *stats = engine.stats();
  return results;
}

// Greedy continuation by whole-sequence passes without the engine.
std::vector<TokenId> by_session(std::vector<TokenId> tokens, int64_t count) {
  const TinyModel tiny;
  ThreadPool pool(1);
  Session session(*tiny.get(), pool, 256);
  std::vector<TokenId> output;
  for (int64_t i = 0; i < count; ++i) {
    session.run(tokens, [&](int64_t first, Mat logits) {
      const int64_t last = static_cast<int64_t>(tokens.size()) - 1 - first;
      if (last < logits.rows()) output.push_back(find_peak(logits.row(last)).top.id);
    });
    tokens.push_back(output.back());
  }
  return output;
}

TEST(Engine, continues_as_whole_sequence_passes_do) {
  std::vector<Request> one{requests()[2]};
  one[0].sampling.max_tokens = 12;
  const auto got = run(one, {.max_num_batched_tokens = 16, .num_blocks = 32}, 1);
  EXPECT_EQ(got[0], by_session(one[0].prompt, 12));
}

TEST(Engine, gives_the_same_tokens_alone_together_chunked_preempted_and_with_threads) {
  const auto all = requests();
  std::vector<std::vector<TokenId>> alone;
  for (const Request& request : all) alone.push_back(run({request}, {.num_blocks = 8}, 1)[0]);
  EXPECT_EQ(run(all, {.num_blocks = 256}, 2), alone);
  EXPECT_EQ(run(all, {.max_num_batched_tokens = 7, .num_blocks = 64, .block_tokens = 16}, 1),
            alone);
  EngineStats stats;
  EXPECT_EQ(run(all, {.max_model_len = 128, .num_blocks = 9, .block_tokens = 16}, 1, &stats),
            alone);
  EXPECT_GT(stats.preemptions, 0);
  EXPECT_GT(stats.prefix_hits_tokens, 0);
}

TEST(Engine, tells_its_options_and_its_model) {
  ThreadPool pool(1);
  const TinyModel tiny;
  Engine engine(tiny.get(), pool, {.num_blocks = 8});
  EXPECT_EQ(engine.options().max_model_len, 256);
  EXPECT_EQ(&engine.model(), tiny.get().get());
  EXPECT_EQ(engine.stalled_s(), 0);
}

}  // namespace
}  // namespace octavo
