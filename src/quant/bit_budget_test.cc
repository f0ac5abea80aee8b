#include "quant/bit_budget.h"

#include <gtest/gtest.h>

namespace octavo::quant {
namespace {

BitUnit unit(const std::string& name, int64_t weights, double sensitivity) {
  BitUnit u{.matrices = {name}, .weights = weights, .errors = {}};
  for (const int bits : {2, 3, 4, 8}) u.errors[bits] = sensitivity / (1 << (2 * bits));
  return u;
}

double mean(const std::map<std::string, int>& bits, const std::vector<BitUnit>& units) {
  double sum = 0, weights = 0;
  for (const BitUnit& u : units) {
    sum += static_cast<double>(u.weights) * bits.at(u.matrices[0]);
    weights += static_cast<double>(u.weights);
  }
  return sum / weights;
}

TEST(SpendBits, gives_more_to_what_is_more_sensitive) {
  const std::vector<BitUnit> units{unit("calm", 100, 1), unit("touchy", 100, 1000)};
  const auto bits = spend_bits(units, 3);
  EXPECT_LT(bits.at("calm"), bits.at("touchy"));
  EXPECT_LE(mean(bits, units), 3);
}

TEST(SpendBits, never_spends_more_than_it_has) {
  std::vector<BitUnit> units;
  for (int i = 0; i < 20; ++i)
    units.push_back(unit("m" + std::to_string(i), 64 + 37 * i % 200, 1 + i * i % 17));
  for (const double average : {2.0, 2.5, 3.0, 3.7, 4.0, 8.0}) {
    const auto bits = spend_bits(units, average);
    EXPECT_LE(mean(bits, units), average);
    EXPECT_GE(mean(bits, units), average - 0.6);  // the last step does not always fit
  }
  for (const auto& [name, width] : spend_bits(units, 2)) EXPECT_EQ(width, 2) << name;
  for (const auto& [name, width] : spend_bits(units, 8)) EXPECT_EQ(width, 8) << name;
}

TEST(SpendBits, takes_a_wider_step_where_the_next_gains_nothing) {
  BitUnit odd = unit("odd", 100, 1);
  odd.errors = {{2, 1.0}, {3, 1.0}, {4, 0.01}, {8, 0.0}};
  EXPECT_EQ(spend_bits(std::vector{odd}, 4).at("odd"), 4);
}

TEST(WithBits, names_each_matrix_and_keeps_the_rest_of_its_rule) {
  Recipe recipe{.bits = 3, .average_bits = 3};
  recipe.rules = {{.pattern = ".*down_proj", .group_size = 32},
                  {.pattern = "lm_head", .skip = true}};
  const Recipe made = with_bits(recipe, {{"model.layers.0.mlp.down_proj", 4}, {"a.b", 3}});
  EXPECT_EQ(made.average_bits, 0);
  ASSERT_EQ(made.rules.size(), 3u);
  EXPECT_TRUE(made.rules[0].skip);
  EXPECT_EQ(made.rules[1].pattern, "model\\.layers\\.0\\.mlp\\.down_proj$");
  EXPECT_EQ(made.rules[1].bits, 4);
  EXPECT_EQ(made.rules[1].group_size, 32);
}

}  // namespace
}  // namespace octavo::quant
