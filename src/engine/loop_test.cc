#include "engine/loop.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <stdexcept>
#include <thread>
#include <vector>

#include "engine/fake_model.h"
#include "octavo/error.h"

namespace octavo {
namespace {

// All that came for one request.
struct Heard {
  std::vector<TokenId> tokens;
  std::vector<PositionLogprobs> logprobs, prompt_logprobs;
  std::vector<Event> events;
  Event last;
};

// An engine over the fake model with the pool it needs.
struct Bench {
  FakeModel fake = {};
  EngineOptions options = {.max_model_len = 128,
                           .max_num_seqs = 8,
                           .max_num_batched_tokens = 32,
                           .num_blocks = 64,
                           .block_tokens = 16};
  std::atomic<double> time{0};
  int threads = 2;
  std::unique_ptr<ThreadPool> pool;
  std::unique_ptr<EngineLoop> loop;
  std::map<RequestId, Heard> heard;  // touched by the engine's thread only

  EngineLoop& engine() {
    if (!loop) {
      pool = std::make_unique<ThreadPool>(threads);
      loop = std::make_unique<EngineLoop>(fake.step_model(options.block_tokens), *pool, options,
                                          [this] { return time.load(); });
    }
    return *loop;
  }
  EventSink sink(Heard& to) {
    return [&to](const Event& event) {
      EXPECT_EQ(to.last.finish, Finish::none) << "an event after the last one";
      to.tokens.insert(to.tokens.end(), event.tokens.begin(), event.tokens.end());
      to.logprobs.insert(to.logprobs.end(), event.logprobs.begin(), event.logprobs.end());
      for (const auto& position : event.prompt_logprobs) to.prompt_logprobs.push_back(position);
      to.events.push_back(event);
      to.last = event;
    };
  }
  Heard run(const Request& request) {
    Heard result;
    engine().submit(request, sink(result));
    engine().run_until_idle();
    return result;
  }
  void expect_all_free() {
    EXPECT_EQ(engine().cache().pool().free(), options.num_blocks);
    EXPECT_EQ(engine().stats().blocks_used, 0);
    EXPECT_EQ(engine().stats().running, 0);
    EXPECT_EQ(engine().stats().waiting, 0);
  }
};

std::vector<TokenId> random_prompt(std::mt19937& random, int64_t length) {
  std::vector<TokenId> prompt(length);
  for (TokenId& token : prompt) token = static_cast<TokenId>(random() % FakeModel::kVocab);
  return prompt;
}

Request greedy(std::vector<TokenId> prompt, int64_t max_tokens) {
  Request request{.prompt = std::move(prompt)};
  request.sampling.temperature = 0;
  request.sampling.max_tokens = max_tokens;
  return request;
}

// Requests of many shapes; all seeded.
std::vector<Request> mixed_requests(int count, uint32_t seed) {
  std::mt19937 random(seed);
  const auto shared = random_prompt(random, 40);
  std::vector<Request> requests;
  for (int i = 0; i < count; ++i) {
    Request request{.prompt = random_prompt(random, 1 + random() % 60)};
    if (i % 3 == 0) request.prompt.insert(request.prompt.begin(), shared.begin(), shared.end());
    SamplingParams& p = request.sampling;
    p.seed = i;
    p.max_tokens = 1 + static_cast<int64_t>(random() % 30);
    if (i % 2 == 0) p.temperature = 0;
    if (i % 4 == 1) p.top_p = 0.8f;
    if (i % 5 == 1) p.repetition_penalty = 1.3f;
    if (i % 5 == 2) p.frequency_penalty = 0.5f;
    if (i % 7 == 0) p.prompt_logprobs = 2;
    if (i % 6 == 0) p.logprobs = 3;
    requests.push_back(std::move(request));
  }
  return requests;
}

std::vector<Heard> run_alone(const std::vector<Request>& requests) {
  std::vector<Heard> results;
  for (const Request& request : requests) {
    Bench bench;
    results.push_back(bench.run(request));
  }
  return results;
}

std::vector<Heard> run_together(Bench& bench, const std::vector<Request>& requests) {
  std::vector<Heard> results(requests.size());
  for (size_t i = 0; i < requests.size(); ++i) {
    bench.engine().submit(requests[i], bench.sink(results[i]));
  }
  bench.engine().run_until_idle();
  bench.expect_all_free();
  return results;
}

void expect_same(const std::vector<PositionLogprobs>& a, const std::vector<PositionLogprobs>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].chosen.id, b[i].chosen.id);
    EXPECT_EQ(a[i].chosen.logprob, b[i].chosen.logprob);
    EXPECT_EQ(a[i].chosen.rank, b[i].chosen.rank);
    ASSERT_EQ(a[i].top.size(), b[i].top.size());
    for (size_t k = 0; k < a[i].top.size(); ++k) EXPECT_EQ(a[i].top[k].id, b[i].top[k].id);
  }
}

void expect_same(const std::vector<Heard>& a, const std::vector<Heard>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].tokens, b[i].tokens) << "request " << i;
    EXPECT_EQ(a[i].last.finish, b[i].last.finish);
    expect_same(a[i].logprobs, b[i].logprobs);
    expect_same(a[i].prompt_logprobs, b[i].prompt_logprobs);
  }
}

TEST(EngineLoop, continues_a_prompt_as_the_model_says) {
  Bench bench;
  std::mt19937 random(1);
  for (const int length : {1, 15, 16, 17, 32, 100}) {
    const auto prompt = random_prompt(random, length);
    const Heard heard = bench.run(greedy(prompt, 20));
    EXPECT_EQ(heard.tokens, FakeModel::greedy(prompt, 20));
    EXPECT_EQ(heard.last.finish, Finish::length);
    EXPECT_EQ(heard.events.size(), 20u);
  }
  bench.expect_all_free();
}

TEST(EngineLoop, gives_sixteen_requests_together_what_each_gets_alone) {
  const auto requests = mixed_requests(16, 2);
  Bench bench;
  expect_same(run_together(bench, requests), run_alone(requests));
}

TEST(EngineLoop, gives_the_same_under_every_chunk_size_and_cache_setting) {
  const auto requests = mixed_requests(16, 3);
  const auto expected = run_alone(requests);
  for (const int64_t rows : {1, 3, 16, 64}) {
    for (const bool caching : {false, true}) {
      Bench bench;
      bench.options.max_num_batched_tokens = rows;
      bench.options.prefix_caching = caching;
      expect_same(run_together(bench, requests), expected);
    }
  }
}

TEST(EngineLoop, gives_the_same_under_preemption) {
  const auto requests = mixed_requests(24, 4);
  const auto expected = run_alone(requests);
  for (const bool caching : {false, true}) {
    Bench bench;
    bench.options.num_blocks = 9;
    bench.options.prefix_caching = caching;
    expect_same(run_together(bench, requests), expected);
    EXPECT_GE(bench.engine().stats().preemptions, 3);
  }
}

TEST(EngineLoop, draws_anew_for_requests_without_a_seed) {
  Bench bench;
  Request request{.prompt = {1, 2, 3}};
  request.sampling.max_tokens = 20;
  EXPECT_NE(bench.run(request).tokens, bench.run(request).tokens);
  request.sampling.seed = 5;
  EXPECT_EQ(bench.run(request).tokens, bench.run(request).tokens);
}

TEST(EngineLoop, finds_a_cached_prefix_but_not_under_another_salt) {
  Bench bench;
  std::mt19937 random(5);
  Request request = greedy(random_prompt(random, 48), 4);
  EXPECT_EQ(bench.run(request).last.cached_tokens, 0);
  EXPECT_EQ(bench.run(request).last.cached_tokens, 32);  // the last token is always computed
  request.cache_salt = "tenant";
  EXPECT_EQ(bench.run(request).last.cached_tokens, 0);
  EXPECT_EQ(bench.run(request).last.cached_tokens, 32);
  EXPECT_EQ(bench.engine().stats().prefix_hits_tokens, 64);
  EXPECT_EQ(bench.engine().stats().prefix_queries_tokens, 4 * 48);
}

TEST(EngineLoop, shares_long_prompts_of_one_length_only_where_the_rope_depends_on_it) {
  Bench bench;
  StepModel model = bench.fake.step_model(16);
  model.rope_trained_tokens = 40;
  bench.pool = std::make_unique<ThreadPool>(2);
  bench.loop = std::make_unique<EngineLoop>(model, *bench.pool, bench.options);
  std::mt19937 random(6);
  const auto prompt = random_prompt(random, 60);
  const auto cached = [&](int64_t length) {
    return bench.run(greedy({prompt.begin(), prompt.begin() + length}, 1)).last.cached_tokens;
  };
  EXPECT_EQ(cached(60), 0);
  EXPECT_EQ(cached(60), 48);
  EXPECT_EQ(cached(50), 0);
  EXPECT_EQ(cached(40), 0);
  EXPECT_EQ(cached(36), 32);
}

TEST(EngineLoop, scores_every_prompt_token_even_if_the_prefix_is_cached) {
  Bench bench;
  std::mt19937 random(7);
  const auto prompt = random_prompt(random, 70);
  bench.run(greedy(prompt, 1));
  Request request = greedy(prompt, 1);
  request.sampling.prompt_logprobs = 2;
  const Heard heard = bench.run(request);
  EXPECT_EQ(heard.last.cached_tokens, 0);
  ASSERT_EQ(heard.prompt_logprobs.size(), prompt.size());
  EXPECT_TRUE(heard.prompt_logprobs[0].top.empty());
  std::vector<float> logits(FakeModel::kVocab);
  for (size_t i = 1; i < prompt.size(); ++i) {
    FakeModel::logits_after(std::span(prompt).first(i), logits);
    EXPECT_EQ(heard.prompt_logprobs[i].chosen.id, prompt[i]);
    EXPECT_EQ(heard.prompt_logprobs[i].chosen.rank, rank_of(logits, prompt[i]));
    ASSERT_EQ(heard.prompt_logprobs[i].top.size(), 2u);
    EXPECT_EQ(heard.prompt_logprobs[i].top[0].id, find_peak(logits).top.id);
  }
}

TEST(EngineLoop, stops_at_eos_before_stop_ids_before_lengths) {
  const std::vector<TokenId> prompt{1, 2, 3};
  const TokenId second = FakeModel::greedy(prompt, 2)[1];
  Bench plain;
  Request request = greedy(prompt, 2);
  request.sampling.stop_token_ids = {second};
  EXPECT_EQ(plain.run(request).last.finish, Finish::stop);
  EXPECT_EQ(plain.run(request).last.stop_token, second);

  Bench with_eos;
  with_eos.options.eos = {second};
  const Heard heard = with_eos.run(request);
  EXPECT_EQ(heard.last.finish, Finish::stop);
  EXPECT_FALSE(heard.last.stop_token.has_value());
  EXPECT_EQ(heard.tokens.size(), 2u);
  request.sampling.stop_token_ids.clear();
  request.sampling.ignore_eos = true;
  EXPECT_EQ(with_eos.run(request).last.finish, Finish::length);
}

TEST(EngineLoop, ends_at_the_models_length) {
  Bench bench;
  const Heard heard = bench.run(greedy({1, 2, 3}, 1000));
  EXPECT_EQ(heard.last.finish, Finish::length);
  EXPECT_EQ(heard.tokens.size(), 125u);
}

TEST(EngineLoop, refuses_what_does_not_hold_and_names_it) {
  Bench bench;
  const Heard heard = bench.run(Request{});
  EXPECT_EQ(heard.last.finish, Finish::rejected);
  EXPECT_EQ(heard.last.param, "prompt");
  EXPECT_FALSE(heard.last.overloaded);
  EXPECT_EQ(heard.events.size(), 1u);
}

TEST(EngineLoop, refuses_above_the_queue_limit) {
  Bench bench;
  bench.options.max_queued_requests = 2;
  std::vector<Heard> heard(3);
  for (Heard& one : heard) bench.engine().submit(greedy({1}, 3), bench.sink(one));
  bench.engine().run_until_idle();
  EXPECT_EQ(heard[0].last.finish, Finish::length);
  EXPECT_EQ(heard[1].last.finish, Finish::length);
  EXPECT_EQ(heard[2].last.finish, Finish::rejected);
  EXPECT_TRUE(heard[2].last.overloaded);
  EXPECT_EQ(bench.run(greedy({1}, 3)).last.finish, Finish::length);
}

// Aborts the request when the k-th step begins, for every k: waiting, in prefill, decoding,
// preempted, done.
TEST(EngineLoop, frees_everything_when_aborted_in_any_state) {
  const auto requests = mixed_requests(12, 8);
  const auto expected = run_alone(requests);
  for (int at = 0; at < 48; ++at) {
    Bench bench;
    bench.threads = 1;
    std::vector<RequestId> ids;
    int steps = 0;
    bench.options.num_blocks = 9;
    bench.fake.before_step = [&](const Batch&) {
      if (steps++ == at) bench.engine().abort(ids[at % ids.size()]);
    };
    std::vector<Heard> results(requests.size());
    for (size_t i = 0; i < requests.size(); ++i) {
      ids.push_back(bench.engine().submit(requests[i], bench.sink(results[i])));
    }
    bench.engine().run_until_idle();
    bench.expect_all_free();
    for (size_t i = 0; i < requests.size(); ++i) {
      if (results[i].last.finish == Finish::abort) {
        EXPECT_EQ(i, at % ids.size());
        continue;
      }
      EXPECT_EQ(results[i].tokens, expected[i].tokens);
    }
  }
}

TEST(EngineLoop, aborts_from_the_sink) {
  Bench bench;
  Heard heard;
  RequestId id = 0;
  const EventSink inner = bench.sink(heard);
  id = bench.engine().submit(greedy({1}, 100), [&](const Event& event) {
    inner(event);
    if (heard.tokens.size() == 3) bench.engine().abort(id);
  });
  bench.engine().run_until_idle();
  EXPECT_EQ(heard.last.finish, Finish::abort);
  EXPECT_EQ(heard.tokens.size(), 3u);
  bench.expect_all_free();
}

TEST(EngineLoop, survives_a_sink_that_throws) {
  Bench bench;
  bench.engine().submit(greedy({1}, 10), [](const Event&) { throw std::runtime_error("gone"); });
  EXPECT_EQ(bench.run(greedy({1, 2}, 5)).tokens, FakeModel::greedy({1, 2}, 5));
  bench.expect_all_free();
}

TEST(EngineLoop, times_out_a_request_waiting_or_running) {
  Bench bench;
  bench.options.max_num_seqs = 1;
  bench.fake.before_step = [&](const Batch&) { bench.time.store(bench.time.load() + 1); };
  Request first = greedy({1, 2}, 50), second = greedy({3}, 50), third = greedy({4}, 5);
  first.deadline_s = 10.5;
  second.deadline_s = 5;
  std::vector<Heard> heard(3);
  bench.engine().submit(first, bench.sink(heard[0]));
  bench.engine().submit(second, bench.sink(heard[1]));
  bench.engine().submit(third, bench.sink(heard[2]));
  bench.engine().run_until_idle();
  EXPECT_EQ(heard[0].last.finish, Finish::timeout);
  EXPECT_EQ(heard[0].tokens.size(), 11u);
  EXPECT_EQ(heard[1].last.finish, Finish::timeout);
  EXPECT_TRUE(heard[1].tokens.empty());
  EXPECT_EQ(heard[1].last.queue_s, 5);
  EXPECT_EQ(heard[2].last.finish, Finish::length);
  EXPECT_EQ(heard[2].last.queue_s, 11);
  EXPECT_EQ(heard[2].last.prefill_s, 1);
  EXPECT_EQ(heard[2].last.decode_s, 4);
}

TEST(EngineLoop, serves_the_lower_priority_value_first_when_asked) {
  for (const bool priorities : {false, true}) {
    Bench bench;
    bench.options.max_num_seqs = 1;
    bench.options.priority_scheduling = priorities;
    std::vector<int> order;
    for (int i = 0; i < 3; ++i) {
      Request request = greedy({1}, 2);
      request.priority = 3 - i;
      bench.engine().submit(request, [&order, i](const Event& event) {
        if (event.finish != Finish::none) order.push_back(i);
      });
    }
    bench.engine().run_until_idle();
    EXPECT_EQ(order, priorities ? (std::vector<int>{2, 1, 0}) : (std::vector<int>{0, 1, 2}));
  }
}

TEST(EngineLoop, ends_all_requests_with_an_error_when_a_step_fails_and_goes_on) {
  Bench bench;
  bool fail = true;
  bench.fake.before_step = [&](const Batch&) {
    if (std::exchange(fail, false)) throw std::runtime_error("device lost");
  };
  const auto results = run_together(bench, {greedy({1}, 3), greedy({2}, 3)});
  for (const Heard& heard : results) {
    EXPECT_EQ(heard.last.finish, Finish::error);
    EXPECT_EQ(heard.last.reason, "device lost");
  }
  EXPECT_EQ(bench.run(greedy({1}, 3)).tokens, FakeModel::greedy({1}, 3));
}

TEST(EngineLoop, ends_only_the_request_whose_logits_are_not_finite_and_shares_none_of_its_blocks) {
  Bench bench;
  std::mt19937 random(9);
  auto bad = random_prompt(random, 40);
  std::replace(bad.begin(), bad.end(), 50, 49);
  bad[3] = 50;
  bench.fake.poison = 50;
  Request good = greedy({1, 2, 3}, 8);
  good.sampling.allowed_token_ids = {1, 2, 3};
  const auto results = run_together(bench, {greedy(bad, 5), good});
  EXPECT_EQ(results[0].last.finish, Finish::error);
  EXPECT_EQ(results[1].tokens.size(), 8u);
  Request scored = greedy(bad, 1);
  scored.sampling.prompt_logprobs = 0;
  EXPECT_EQ(bench.run(scored).last.finish, Finish::error);
  EXPECT_EQ(bench.run(greedy(bad, 5)).last.cached_tokens, 0);
}

TEST(EngineLoop, throws_when_one_request_does_not_fit) {
  Bench bench;
  bench.options.num_blocks = 7;  // 112 of 128 tokens
  EXPECT_THROW(bench.engine(), Error);
  bench.options.num_blocks = 8;
  bench.options.max_model_len = 257;  // the model's own is 256
  EXPECT_THROW(bench.engine(), Error);
}

TEST(EngineLoop, fills_in_the_zeros_of_its_options) {
  Bench bench;
  bench.options = {};
  const EngineOptions& options = bench.engine().options();
  EXPECT_EQ(options.max_model_len, 256);
  EXPECT_EQ(options.num_blocks, 256 * (256 / 32));  // what max_num_seqs can use
  EXPECT_EQ(options.kv_cache_bytes, options.num_blocks * 2 * 2 * 32 * 4);
}

// Waits for a number of ended requests.
class Counter {
 public:
  void add() {
    std::lock_guard lock(mutex_);
    ++count_;
    changed_.notify_all();
  }
  void wait_for(int count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return count_ >= count; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int count_ = 0;
};

TEST(EngineLoop, serves_many_threads_on_its_own_thread) {
  Bench bench;
  bench.options.num_blocks = 12;
  const auto requests = mixed_requests(24, 10);
  const auto expected = run_alone(requests);
  bench.engine().start();
  std::vector<Heard> heard(requests.size());
  Counter ended;
  std::vector<std::thread> clients;
  for (size_t c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      for (size_t i = c; i < requests.size(); i += 4) {
        const EventSink inner = bench.sink(heard[i]);
        const RequestId id = bench.engine().submit(requests[i], [&, inner](const Event& event) {
          inner(event);
          if (event.finish != Finish::none) ended.add();
        });
        if (i % 8 == 7) bench.engine().abort(id);
        (void)bench.engine().stats();
        (void)bench.engine().stalled_s();
      }
    });
  }
  for (std::thread& client : clients) client.join();
  ended.wait_for(static_cast<int>(requests.size()));
  bench.engine().drain(0);
  for (size_t i = 0; i < requests.size(); ++i) {
    if (i % 8 != 7) {
      EXPECT_EQ(heard[i].tokens, expected[i].tokens);
    }
  }
  bench.expect_all_free();
}

TEST(EngineLoop, drains_what_runs_and_refuses_what_comes) {
  Bench bench;
  bench.options.max_model_len = 100;
  bench.engine().start();
  std::vector<Heard> heard(2);
  Counter ended;
  bench.engine().submit(greedy({1, 2}, 60), bench.sink(heard[0]));
  bench.engine().drain(1e5);
  EXPECT_EQ(heard[0].last.finish, Finish::length);
  const EventSink inner = bench.sink(heard[1]);
  bench.engine().submit(greedy({1}, 1), [&](const Event& event) {
    inner(event);
    ended.add();
  });
  ended.wait_for(1);
  EXPECT_EQ(heard[1].last.finish, Finish::rejected);
  EXPECT_TRUE(heard[1].last.overloaded);
}

TEST(EngineLoop, aborts_what_a_drain_did_not_wait_for) {
  Bench bench;
  bench.fake.before_step = [&](const Batch&) { bench.time.store(bench.time.load() + 1); };
  std::vector<Heard> heard(2);
  bench.engine().submit(greedy({1}, 5), bench.sink(heard[0]));
  bench.engine().submit(greedy({1}, 100), bench.sink(heard[1]));
  bench.engine().drain(10);
  EXPECT_EQ(heard[0].last.finish, Finish::length);
  EXPECT_EQ(heard[1].last.finish, Finish::abort);
  EXPECT_EQ(heard[1].tokens.size(), 10u);
  bench.expect_all_free();
}

TEST(EngineLoop, aborts_what_is_left_when_it_is_destroyed) {
  Heard running, waiting;
  {
    Bench bench;
    bench.options.max_num_seqs = 1;
    bench.engine().submit(greedy({1}, 100), bench.sink(running));
    bench.engine().submit(greedy({1}, 100), bench.sink(waiting));
  }
  EXPECT_EQ(running.last.finish, Finish::abort);
  EXPECT_EQ(waiting.last.finish, Finish::abort);
}

}  // namespace
}  // namespace octavo
