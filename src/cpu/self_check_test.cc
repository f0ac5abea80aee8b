#include "cpu/self_check.h"

#include <gtest/gtest.h>

#include "cpu/cpu.h"

namespace octavo::cpu {
namespace {

TEST(SelfCheck, passes_the_tables_of_this_machine) {
  EXPECT_EQ(wrong_product(reference::ops()), "");
  EXPECT_EQ(wrong_product(ops(detect())), "");
  const CheckedOps checked = checked_ops(detect());
  EXPECT_TRUE(checked.refused.empty());
  EXPECT_EQ(checked.ops.name, ops(detect()).name);
}

// A table whose integer products are off by little.
void wrong_int8(Queue& queue, std::span<const Matmul> products) noexcept {
  reference::ops().matmul(queue, products);
  for (const Matmul& m : products) {
    if (m.compute == Compute::int8) *m.y.at(m.y.rows() - 1, 3) *= 1.0001f;
  }
}

TEST(SelfCheck, finds_a_wrong_product_and_names_it) {
  Ops table = reference::ops();
  table.matmul = wrong_int8;
  EXPECT_EQ(wrong_product(table), "int4 g128 with activations of 8 bits, 1 rows");
}

}  // namespace
}  // namespace octavo::cpu
