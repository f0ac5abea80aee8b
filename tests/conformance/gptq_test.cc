// GPTQ's answer has the same bits in every table but the reference and on any number of threads.

#include "quant/gptq.h"

#include "tables.h"

namespace octavo::conformance {
namespace {

class GptqTables : public Conformance {};

struct Answer {
  quant::GptqResult result;
  bool operator==(const Answer& other) const {
    const QuantizedMatrix &a = result.matrix, &b = other.result.matrix;
    return a.codes == b.codes && a.scales == b.scales && a.zeros == b.zeros &&
           a.group_index == b.group_index && result.loss == other.result.loss;
  }
};

TEST_P(GptqTables, has_the_same_bits_in_every_table_and_on_any_number_of_threads) {
  if (GetParam() == "reference") GTEST_SKIP() << "the reference adds in double";
  constexpr int64_t kOut = 37, kIn = 410, kTokens = 300;
  Random random(81);
  const std::vector<float> x = random.normals(kTokens * kIn), w = random.normals(kOut * kIn);
  ThreadPool single(1), three(3);
  Queue single_queue(single), three_queue(three);
  const Ops first = table(levels()[1]);
  std::vector<float> h(kIn * kIn), drift = random.normals(kIn * kIn, 0.01f);
  first.gemm(single_queue, {.a = {x.data(), {kTokens, kIn}},
                            .b = {x.data(), {kTokens, kIn}},
                            .c = {h.data(), {kIn, kIn}},
                            .form = GemmForm::atb,
                            .part = GemmPart::upper,
                            .alpha = 2.0f / kTokens});
  for (int order = 0; order < 4; ++order) {
    for (bool drifts : {false, true}) {
      const quant::GptqOptions options{.bits = 3,
                                       .group_size = order == 3 ? kIn : 32,
                                       .desc_act = order == 1,
                                       .group_aware = order == 2,
                                       .mse = drifts ? 2.4f : 0};
      const auto run = [&](const Ops& ops, Queue& queue) {
        std::vector<float> weights = w, hessian = h;
        return Answer{quant::gptq(
            queue, ops,
            {.weights = weights,
             .out = kOut,
             .in = kIn,
             .hessian = hessian,
             .drift = drifts ? std::span<const float>(drift) : std::span<const float>()},
            options)};
      };
      const Answer want = run(first, single_queue);
      for (Queue* queue : {&single_queue, &queue_, &three_queue})
        EXPECT_TRUE(run(ops_, *queue) == want) << "order " << order;
    }
  }
}

OCTAVO_EVERY_TABLE(GptqTables);

}  // namespace
}  // namespace octavo::conformance
