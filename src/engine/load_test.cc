#include "engine/load.h"

#include <gtest/gtest.h>

#include <string>

namespace octavo {
namespace {

struct Bench {
  EngineOptions options;
  double time = 0;
  Load load(const EngineOptions& with) {
    options = with;
    return Load(options, [this] { return time; });
  }
};

EngineOptions limited() {
  EngineOptions options;
  options.max_queued_requests = 4;
  options.max_queued_tokens = 100;
  options.tenant_limits = {.max_queued_requests = 2, .max_queued_tokens = 50};
  options.tenants = {{"big", {.max_queued_requests = 3}}};
  return options;
}

TEST(Load, tells_which_limit_is_reached) {
  Bench bench;
  Load load = bench.load(limited());
  EXPECT_FALSE(load.enter("a", 10).overload);
  EXPECT_FALSE(load.enter("a", 10).overload);
  auto refused = load.enter("a", 10).overload;
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->scope, Refused::tenant);
  EXPECT_EQ(refused->limit, "max-num-queued-reqs-per-key");
  EXPECT_FALSE(load.enter("b", 45).overload);
  refused = load.enter("b", 10).overload;
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->limit, "max-num-queued-tokens-per-key");
  refused = load.enter("big", 60).overload;
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->scope, Refused::engine);
  EXPECT_EQ(refused->limit, "max-num-queued-tokens");
  EXPECT_FALSE(load.enter("big", 5).overload);
  EXPECT_EQ(load.enter("big", 5).overload->limit, "max-num-queued-reqs");
  EXPECT_EQ(load.in_flight(), 4);

  EngineStats stats;
  load.add_to(stats);
  EXPECT_EQ(stats.refused_tenant, 2);
  EXPECT_EQ(stats.refused_engine, 2);
  EXPECT_EQ(stats.queued_tokens, 70);
  ASSERT_EQ(stats.tenants.size(), 3u);
  EXPECT_EQ(stats.tenants[0].waiting, 2);
}

TEST(Load, counts_all_requests_of_a_question_at_once) {
  Bench bench;
  Load load = bench.load(limited());
  EXPECT_FALSE(load.overload("a", 2, 30));
  EXPECT_TRUE(load.overload("a", 3, 30)) << "more than may ever be there";
  EXPECT_FALSE(load.overload("a", 1, 1000)) << "one is always taken when nothing else is there";
  EXPECT_EQ(load.in_flight(), 0);
}

TEST(Load, lets_new_ones_in_when_others_begin_or_end) {
  Bench bench;
  Load load = bench.load(limited());
  const auto first = load.enter("b", 45);
  EXPECT_TRUE(load.enter("b", 10).overload);
  load.begun(*first.tenant, 45);
  EXPECT_FALSE(load.enter("b", 10).overload);
  EXPECT_TRUE(load.enter("b", 1).overload);
  load.leave(*first.tenant, 0);
  EXPECT_FALSE(load.enter("b", 1).overload);
}

TEST(Load, says_when_to_come_back_by_the_measured_rate) {
  Bench bench;
  EngineOptions options;
  options.max_queued_requests = 20;
  Load load = bench.load(options);
  for (int i = 0; i < 20; ++i) load.enter("", 1);
  EXPECT_EQ(load.overload("", 1, 1)->retry_after_s, 2) << "nothing is measured yet";
  const auto tenant = load.enter("", 1).tenant;
  EXPECT_FALSE(tenant);
  EngineStats stats;
  load.add_to(stats);
  EXPECT_EQ(stats.requests_per_s, 0);

  Load busy = bench.load(options);
  std::shared_ptr<Tenant> one;
  for (int i = 0; i < 20; ++i) one = busy.enter("", 1).tenant;
  for (int i = 0; i < 11; ++i) {
    busy.leave(*one, 1);
    one = busy.enter("", 1).tenant;
    bench.time += 0.5;
  }
  // Ten ends after the first one in 5.5 s; twenty are ahead.
  EXPECT_EQ(busy.overload("", 1, 1)->retry_after_s, 11);
  bench.time += 1e6;
  EXPECT_EQ(busy.overload("", 1, 1)->retry_after_s, 60);
}

TEST(Load, forgets_idle_tenants_whose_names_clients_make_up) {
  Bench bench;
  Load load = bench.load({});
  const auto keeper = load.enter("keeper", 1).tenant;
  for (int i = 0; i < 5000; ++i) {
    const auto tenant = load.enter("name" + std::to_string(i), 1).tenant;
    load.leave(*tenant, 1);
  }
  EngineStats stats;
  load.add_to(stats);
  EXPECT_LE(stats.tenants.size(), 1025u);
  EXPECT_GE(stats.tenants.size(), 500u);
  EXPECT_EQ(load.enter("keeper", 1).tenant, keeper);
}

}  // namespace
}  // namespace octavo
