#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "engine/fake_model.h"
#include "engine/loop.h"

// What others see and ask of a running engine: statistics, snapshots, limits, resets.

namespace octavo {
namespace {

struct Bench {
  FakeModel fake = {};
  EngineOptions options = {.max_model_len = 128,
                           .max_num_seqs = 2,
                           .max_num_batched_tokens = 32,
                           .num_blocks = 32,
                           .block_tokens = 16};
  double time = 0;
  ThreadPool pool{1};
  std::unique_ptr<EngineLoop> loop;
  std::vector<Event> ends;

  EngineLoop& engine() {
    if (!loop) {
      loop =
          std::make_unique<EngineLoop>(fake.step_model(16), pool, options, [this] { return time; });
    }
    return *loop;
  }
  RequestId submit(const std::string& tenant, int64_t prompt, int64_t output) {
    Request request{.prompt = std::vector<TokenId>(prompt, 3)};
    request.sampling.temperature = 0;
    request.sampling.max_tokens = output;
    request.tenant = tenant;
    return engine().submit(std::move(request), [this](const Event& event) {
      if (event.finish != Finish::none) ends.push_back(event);
    });
  }
};

TEST(LiveView, shows_requests_blocks_and_steps_as_they_are) {
  Bench bench;
  EngineSnapshot seen;
  int steps = 0;
  bench.fake.before_step = [&](const Batch&) {
    bench.time += 1;
    if (++steps == 4) bench.engine().snapshot(0);  // asks; answered after this step
    if (steps == 5) seen = bench.engine().snapshot(0);
  };
  bench.submit("a", 20, 50);
  bench.submit("b", 40, 50);
  bench.submit("b", 10, 5);
  bench.engine().run_until_idle();
  ASSERT_EQ(seen.requests.size(), 3u);
  EXPECT_EQ(seen.requests[0].tenant, "a");
  EXPECT_EQ(seen.requests[0].state, RequestState::decode);
  EXPECT_EQ(seen.requests[0].prompt_tokens, 20);
  EXPECT_EQ(seen.requests[0].output_tokens, 4);
  EXPECT_EQ(seen.requests[0].computed_tokens, 23);
  EXPECT_EQ(seen.requests[0].prefill_s, 1);
  EXPECT_EQ(seen.requests[0].decode_s, 3);
  EXPECT_EQ(seen.requests[1].state, RequestState::decode);
  EXPECT_EQ(seen.requests[1].prefill_s, 2) << "two chunks";
  EXPECT_EQ(seen.requests[2].state, RequestState::waiting);
  EXPECT_EQ(seen.requests[2].waiting_s, 4);
  EXPECT_EQ(seen.blocks.size(), 32u);
  EXPECT_EQ(std::ranges::count(seen.blocks, BlockUse::used) +
                std::ranges::count(seen.blocks, BlockUse::shared),
            seen.requests[0].blocks + seen.requests[1].blocks);
  ASSERT_EQ(seen.steps.size(), 4u);
  EXPECT_EQ(seen.steps[0].rows, 32);
  EXPECT_EQ(seen.steps[0].requests, 2);
  EXPECT_EQ(seen.steps[3].rows, 2);
  EXPECT_EQ(seen.steps[3].duration_s, 1);

  const EngineSnapshot idle = bench.engine().snapshot(0);
  EXPECT_EQ(idle.stats.running, 0);
  EXPECT_EQ(idle.stats.steps_by_rows[0], 4);  // the last ones of the third request
  ASSERT_EQ(idle.stats.tenants.size(), 2u);
  EXPECT_EQ(idle.stats.tenants[1].requests, 2);
  EXPECT_EQ(idle.stats.tenants[1].generation_tokens, 55);
  EXPECT_EQ(idle.stats.tenants[1].prompt_tokens, 50);
}

TEST(LiveView, refuses_with_the_limit_that_is_reached) {
  Bench bench;
  bench.options.tenant_limits.max_queued_requests = 1;
  bench.options.max_queued_requests = 2;
  bench.submit("a", 5, 2);
  EXPECT_EQ(bench.engine().overload("a", 1, 5)->scope, Refused::tenant);
  EXPECT_FALSE(bench.engine().overload("b", 1, 5));
  bench.submit("a", 5, 2);
  bench.submit("b", 5, 2);
  bench.submit("c", 5, 2);
  bench.engine().run_until_idle();
  ASSERT_EQ(bench.ends.size(), 4u);
  EXPECT_EQ(bench.ends[0].refused, Refused::tenant);
  EXPECT_EQ(bench.ends[0].limit, "max-num-queued-reqs-per-key");
  EXPECT_TRUE(bench.ends[0].overloaded);
  EXPECT_EQ(bench.ends[1].refused, Refused::engine);
  EXPECT_GE(bench.ends[1].retry_after_s, 1);
  EXPECT_EQ(bench.ends[2].finish, Finish::length);
  const EngineStats stats = bench.engine().stats();
  EXPECT_EQ(stats.refused_tenant, 1);
  EXPECT_EQ(stats.refused_engine, 1);
  EXPECT_FALSE(bench.engine().overload("a", 1, 5));
}

TEST(LiveView, ends_a_request_that_repeats_itself_but_not_before_its_least_tokens) {
  Bench bench;
  Request request{.prompt = {1, 2, 3}};
  request.sampling.temperature = 0;
  request.sampling.max_tokens = 60;
  request.sampling.logit_bias = {{7, 100}};
  request.sampling.repetition_detection = {.max_pattern_size = 2, .min_count = 4};
  for (const int64_t least : {0, 20}) {
    request.sampling.min_tokens = least;
    int64_t tokens = 0;
    Finish finish = Finish::none;
    bench.engine().submit(request, [&](const Event& event) {
      tokens += static_cast<int64_t>(event.tokens.size());
      finish = event.finish;
    });
    bench.engine().run_until_idle();
    EXPECT_EQ(finish, Finish::repetition);
    EXPECT_EQ(tokens, std::max<int64_t>(4, least));
  }
}

TEST(LiveView, forgets_prefixes_only_when_nobody_runs_or_all_are_set_back) {
  Bench bench;
  EXPECT_TRUE(bench.engine().reset_prefix_cache(Engine::Running::preempt));
  bench.submit("", 40, 3);
  bench.engine().run_until_idle();
  bench.submit("", 40, 3);
  bench.engine().run_until_idle();
  EXPECT_EQ(bench.ends[1].cached_tokens, 32);
  EXPECT_TRUE(bench.engine().reset_prefix_cache(Engine::Running::keep));
  bench.submit("", 40, 3);
  bench.engine().run_until_idle();
  EXPECT_EQ(bench.ends[2].cached_tokens, 0);
  EXPECT_EQ(bench.engine().stats().blocks_cached, 2);

  // From another thread while it runs.
  bench.engine().start();
  bench.submit("", 60, 60);
  bench.engine().reset_prefix_cache(Engine::Running::preempt);
  (void)bench.engine().snapshot(1);
  bench.engine().drain(1e5);
  EXPECT_EQ(bench.ends.back().finish, Finish::length);
}

}  // namespace
}  // namespace octavo
