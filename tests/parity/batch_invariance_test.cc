#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "cpu/cpu.h"
#include "model/model.h"
#include "octavo/engine.h"
#include "octavo/error.h"

// The promise of the engine on real kernels: a request's tokens and log-probabilities are the same
// bits alone, among others, in chunks, after preemption and for any number of threads.

namespace octavo {
namespace {

struct Answer {
  std::vector<TokenId> tokens;
  std::vector<float> logprobs;
  bool operator==(const Answer&) const = default;
};

struct Setting {
  int threads = 2;
  int64_t batched_tokens = 512, blocks = 64;
  bool prefix_caching = true;
};

std::vector<Request> requests(int64_t vocab) {
  std::mt19937 random(7);
  std::vector<Request> all;
  for (int i = 0; i < 16; ++i) {
    Request request;
    const int length = 1 + i * 2;
    for (int t = 0; t < length; ++t)
      request.prompt.push_back(static_cast<TokenId>(random() % vocab));
    request.sampling.max_tokens = 12;
    request.sampling.ignore_eos = true;
    request.sampling.logprobs = 0;
    request.sampling.temperature = i % 2 == 0 ? 0.0f : 1.0f;
    request.sampling.seed = i;
    all.push_back(std::move(request));
  }
  return all;
}

std::vector<Answer> run(const std::shared_ptr<const Model>& model, std::vector<Request> batch,
                        const Setting& setting) {
  ThreadPool pool(setting.threads);
  EngineOptions options;
  options.max_model_len = 48;
  options.max_num_batched_tokens = setting.batched_tokens;
  options.num_blocks = setting.blocks;
  options.prefix_caching = setting.prefix_caching;
  Engine engine(model, pool, options);
  std::vector<Answer> answers(batch.size());
  for (size_t i = 0; i < batch.size(); ++i) {
    engine.submit(std::move(batch[i]), [&answer = answers[i]](const Event& event) {
      answer.tokens.insert(answer.tokens.end(), event.tokens.begin(), event.tokens.end());
      for (const PositionLogprobs& position : event.logprobs)
        answer.logprobs.push_back(position.chosen.logprob);
    });
  }
  engine.run_until_idle();
  return answers;
}

class BatchInvariance : public testing::TestWithParam<const char*> {};

TEST_P(BatchInvariance, sixteen_requests_together_give_what_each_gives_alone) {
  Ops ops;
  try {
    ops = cpu::ops(cpu::limit(cpu::detect(), GetParam()));
  } catch (const Error& error) {
    GTEST_SKIP() << error.what();
  }
  for (const char* name : {"llama", "gemma3", "gpt2"}) {
    // The last: products of codes with activations of 8 bits.
    for (const LoadOptions& load :
         {LoadOptions{.dtype = DTypeChoice::float32}, LoadOptions{.dtype = DTypeChoice::bfloat16},
          LoadOptions{.dtype = DTypeChoice::bfloat16, .quantize_dense = DenseChoice::all}}) {
      ThreadPool pool(2);
      const std::shared_ptr<const Model> model =
          load_model(std::filesystem::path("tests/data/parity") / name, ops, pool, load);
      std::vector<Answer> alone;
      for (Request& request : requests(model->spec.vocab))
        alone.push_back(run(model, {std::move(request)}, {}).front());
      ASSERT_EQ(alone.front().tokens.size(), 12u);
      const Setting settings[] = {{},
                                  {.threads = 1},
                                  {.threads = 3},
                                  {.batched_tokens = 5},
                                  {.blocks = 6},
                                  {.blocks = 6, .prefix_caching = false}};
      for (const Setting& s : settings) {
        const auto together = run(model, requests(model->spec.vocab), s);
        for (size_t i = 0; i < alone.size(); ++i) {
          EXPECT_EQ(together[i], alone[i])
              << name << ", request " << i << ", " << s.threads << " threads, budget "
              << s.batched_tokens << ", " << s.blocks << " blocks";
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(tables, BatchInvariance,
                         testing::Values("reference", "avx2", "avx512", "avx512-vnni",
                                         "avx512-bf16", "amx"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace octavo
