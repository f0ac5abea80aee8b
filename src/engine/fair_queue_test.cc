#include "engine/fair_queue.h"

#include <gtest/gtest.h>

#include <string>

#include "engine/fairness.h"

namespace octavo {
namespace {

struct Bench {
  FairQueue queue{true};
  std::map<std::string, std::shared_ptr<Tenant>> tenants;
  RequestId next = 1;

  std::shared_ptr<Tenant> tenant(const std::string& name) {
    auto& tenant = tenants[name];
    if (!tenant) tenant = std::make_shared<Tenant>();
    tenant->name = name;
    return tenant;
  }
  void push(const std::string& name, int64_t priority = 0, int64_t tokens = 10) {
    Request request{.prompt = std::vector<TokenId>(tokens, 1)};
    request.priority = priority;
    auto sequence = std::make_unique<Sequence>(
        next++, std::move(request), [](const Event&) {}, 0);
    sequence->tenant = tenant(name);
    queue.push(std::move(sequence));
  }
  // The tenants of the first picks, each reckoned with its tokens.
  std::string order(int64_t count) {
    std::string names;
    queue.restart();
    for (int64_t i = 0; i < count; ++i) {
      const Sequence* picked = queue.pick(i);
      if (picked == nullptr) return names + "-";
      queue.expect(static_cast<double>(picked->length()));
      names += picked->tenant->name;
    }
    return names;
  }
};

TEST(FairQueue, takes_turns_by_tokens_and_not_by_requests) {
  Bench bench;
  for (int i = 0; i < 4; ++i) bench.push("a", 0, 10);
  for (int i = 0; i < 4; ++i) bench.push("b", 0, 20);
  EXPECT_EQ(bench.order(6), "abaaba");
}

TEST(FairQueue, serves_a_tenant_of_twice_the_weight_twice) {
  Bench bench;
  bench.tenant("a")->limits.weight = 2;
  for (int i = 0; i < 6; ++i) bench.push("a");
  for (int i = 0; i < 6; ++i) bench.push("b");
  EXPECT_EQ(bench.order(6), "abaaba");
}

TEST(FairQueue, puts_priority_before_fairness) {
  Bench bench;
  bench.push("a", 5);
  bench.push("b", 1);
  bench.push("b", 1);
  bench.push("a", 1);
  EXPECT_EQ(bench.order(4), "baba");
}

TEST(FairQueue, passes_over_a_tenant_at_its_limit_of_running_requests) {
  Bench bench;
  bench.tenant("a")->limits.max_running = 2;
  bench.tenant("a")->running = 1;
  for (int i = 0; i < 3; ++i) bench.push("a");
  bench.push("b");
  EXPECT_EQ(bench.order(4), "ab-");
  EXPECT_EQ(bench.queue.deferred(), 0);
  bench.tenant("a")->running = 2;
  EXPECT_EQ(bench.queue.deferred(), 3);
}

TEST(FairQueue, hands_out_its_picks_oldest_of_a_tenant_first) {
  Bench bench;
  for (int i = 0; i < 3; ++i) bench.push("a");
  bench.push("b");
  EXPECT_EQ(bench.order(3), "aba");
  const auto taken = bench.queue.take(3);
  EXPECT_EQ(taken[0]->id(), 1u);
  EXPECT_EQ(taken[1]->id(), 4u);
  EXPECT_EQ(taken[2]->id(), 2u);
  EXPECT_EQ(bench.queue.size(), 1);
  EXPECT_EQ(bench.order(2), "a-");
}

TEST(Fairness, lifts_whoever_comes_back_to_the_least_of_those_present) {
  Fairness fairness;
  Tenant a, b, c;
  fairness.enter(a);
  fairness.enter(b);
  fairness.serve(a, 100);
  fairness.serve(b, 70);
  fairness.enter(c);
  EXPECT_EQ(c.served, 70);
  for (Tenant* tenant : {&a, &b, &c}) fairness.leave(*tenant);
  EXPECT_TRUE(fairness.present().empty());
  Tenant late;
  fairness.enter(late);
  EXPECT_EQ(late.served, 70) << "the level of the last one who left";
}

}  // namespace
}  // namespace octavo
