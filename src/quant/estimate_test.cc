#include "quant/estimate.h"

#include <gtest/gtest.h>

namespace octavo::quant {
namespace {

constexpr Machine kMachine{.flops = 1e11, .memory_bytes = uint64_t{1} << 30};

JobEstimate estimate(const Recipe& recipe, int64_t tokens = 0) {
  const ModelSource source = ModelSource::open("models/demo");
  return estimate_job(source, recipe, make_plan(source, recipe),
                      {.samples = tokens / 512, .tokens = tokens, .longest = 512}, kMachine);
}

TEST(Estimate, counts_matrices_bits_and_bytes) {
  const JobEstimate e = estimate({.group_size = 64, .not_converted = {"down_proj"}});
  EXPECT_EQ(e.matrices, 48);
  EXPECT_EQ(e.dense, 8);
  EXPECT_EQ(e.mean_bits, 4);
  EXPECT_LT(e.bytes_after, e.bytes_before / 2);
  const JobEstimate mixed =
      estimate({.group_size = 64, .rules = {{.pattern = ".*layers\\.[0-3]\\.", .bits = 8}}});
  EXPECT_EQ(mixed.mean_bits, 6);
}

TEST(Estimate, a_bit_budget_is_spent) {
  const JobEstimate three = estimate({.bits = 3, .group_size = 64});
  const JobEstimate budget = estimate({.group_size = 64, .average_bits = 3});
  EXPECT_EQ(budget.mean_bits, 3);
  EXPECT_NEAR(static_cast<double>(budget.bytes_after), static_cast<double>(three.bytes_after),
              0.02 * static_cast<double>(three.bytes_after));
}

TEST(Estimate, methods_that_look_at_data_cost_more) {
  const JobEstimate rtn = estimate({.group_size = 64});
  const JobEstimate awq = estimate({.method = Recipe::Method::awq, .group_size = 64}, 32768);
  const JobEstimate gptq = estimate({.method = Recipe::Method::gptq, .group_size = 64}, 32768);
  const JobEstimate both = estimate({.method = Recipe::Method::awq_gptq, .group_size = 64}, 32768);
  EXPECT_LT(rtn.seconds, gptq.seconds);
  EXPECT_LT(gptq.seconds, both.seconds);
  EXPECT_GT(awq.seconds, rtn.seconds);
  EXPECT_LT(rtn.memory_bytes, gptq.memory_bytes);
  EXPECT_LT(rtn.disk_bytes, gptq.disk_bytes);
}

TEST(Estimate, activations_stay_within_their_budget) {
  const Recipe recipe{.method = Recipe::Method::gptq, .group_size = 64};
  const auto most = estimate(recipe, int64_t{1} << 30).memory_bytes;
  EXPECT_LT(most, kMachine.memory_bytes + (100 << 20));
}

}  // namespace
}  // namespace octavo::quant
