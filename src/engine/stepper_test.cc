#include "engine/stepper.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "engine/fake_model.h"
#include "engine/memory_plan.h"

// Random histories of arrivals, aborts, deadlines and resets over the stepper, its cache and a fake
// model. What serving.md calls invariants is checked after every step.

namespace octavo {
namespace {

constexpr TokenId kPoison = FakeModel::kVocab - 1;

// What became of a request, and what should have.
struct Job {
  Request request;
  std::vector<TokenId> tokens;
  Event last;
  int64_t born = 0;  // step
  bool aborted = false, doubled = false;
};

bool poisoned(const Request& request) {
  return std::ranges::find(request.prompt, kPoison) != request.prompt.end();
}

// The output of a greedy request that nobody disturbs.
std::vector<TokenId> undisturbed(const Request& request, int64_t max_model_len) {
  std::vector<TokenId> tokens = request.prompt, output;
  std::vector<float> logits(FakeModel::kVocab);
  while (static_cast<int64_t>(output.size()) < request.sampling.max_tokens &&
         static_cast<int64_t>(tokens.size()) < max_model_len) {
    FakeModel::logits_after(tokens, logits);
    logits[kPoison] = -100;
    output.push_back(find_peak(logits).top.id);
    tokens.push_back(output.back());
  }
  return output;
}

class History {
 public:
  explicit History(uint64_t seed) : random_(seed) {
    options_.max_model_len = 96;
    options_.max_num_seqs = 1 + below(8);
    options_.max_num_batched_tokens = options_.max_num_seqs + below(40);
    options_.num_blocks = 6 + below(30);
    options_.block_tokens = 16;
    options_.prefix_caching = below(4) > 0;
    options_.priority_scheduling = below(3) == 0;
    options_.step_target_s = below(2) == 0 ? 0 : 0.001 * static_cast<double>(below(50));
    options_.max_queued_requests = 24;
    options_.max_queued_tokens = 600;
    options_.tenant_limits = {.max_running = below(2) == 0 ? 0 : 1 + below(3),
                              .max_queued_requests = 12,
                              .weight = 1 + static_cast<double>(below(3))};
    fake_.layers = 1;
    fake_.poison = kPoison;
    fake_.before_step = [this](const Batch& batch) { check_batch(batch); };
    options_ = complete(options_, fake_.step_model(16));
    const auto now = [this] { return time_; };
    load_ = std::make_unique<Load>(options_, now);
    stepper_ = std::make_unique<Stepper>(fake_.step_model(16), pool_, options_, *load_, now);
  }

  void run(int64_t steps) {
    const uint64_t gap = 1 + below(8);
    for (int64_t i = 0; i < steps; ++i) {
      if (below(gap) == 0) arrive();
      if (below(25) == 0) abort();
      if (below(400) == 0) reset();
      step();
    }
    // Whoever is left gets to its end: nobody starves.
    for (int64_t left = 0; !stepper_->idle(); ++left) {
      ASSERT_LT(left, 24 * 200) << "somebody starves";
      step();
    }
    for (auto& [id, job] : jobs_) check_end(id, job);
  }
  int64_t steps() const { return steps_; }
  const std::map<std::string, int64_t>& seen() const { return seen_; }

 private:
  int64_t below(uint64_t n) { return static_cast<int64_t>(random_() % n); }

  Request make_request() {
    Request request;
    const int64_t shared = below(3) == 0 ? 0 : 16 * below(4);
    for (int64_t i = 0; i < shared; ++i) request.prompt.push_back(static_cast<TokenId>(i % 7));
    for (int64_t i = 1 + below(40); i > 0; --i) {
      request.prompt.push_back(static_cast<TokenId>(below(kPoison)));
    }
    if (request.prompt.size() >= 95) request.prompt.resize(95);
    if (below(40) == 0) request.prompt[below(request.prompt.size())] = kPoison;
    request.sampling.temperature = 0;
    request.sampling.max_tokens = 1 + below(40);
    request.sampling.logit_bias = {{kPoison, -100}};
    if (below(12) == 0) request.sampling.prompt_logprobs = 1;
    if (below(4) == 0) request.cache_salt = "salt" + std::to_string(below(2));
    if (below(10) == 0) request.deadline_s = 0.01 * static_cast<double>(1 + below(60));
    request.priority = below(4);
    request.tenant = "tenant" + std::to_string(below(5));
    return request;
  }

  void arrive() {
    Request request = make_request();
    Load::Entry entry = load_->enter(request.tenant, static_cast<int64_t>(request.prompt.size()));
    if (entry.overload) {
      ++seen_["refused"];
      return;
    }
    const RequestId id = next_++;
    Job& job = jobs_[id];
    job.request = request;
    job.born = steps_;
    auto sequence = std::make_unique<Sequence>(
        id, request,
        [&job](const Event& event) {
          job.doubled |= job.last.finish != Finish::none;
          job.tokens.insert(job.tokens.end(), event.tokens.begin(), event.tokens.end());
          job.last = event;
        },
        id);
    sequence->tenant = entry.tenant;
    sequence->times.arrival_s = sequence->times.since_s = time_;
    if (request.deadline_s > 0) sequence->times.deadline_s = time_ + request.deadline_s;
    if (options_.prefix_caching) sequence->name_blocks(options_.block_tokens);
    stepper_->accept(std::move(sequence));
    live_.insert(id);
  }

  void abort() {
    if (live_.empty()) return;
    auto victim = live_.begin();
    std::advance(victim, below(live_.size()));
    const RequestId id = *victim;
    jobs_[id].aborted = true;
    stepper_->abort(id);
    EXPECT_EQ(jobs_[id].last.finish, Finish::abort);
    check_all();
  }

  void reset() {
    stepper_->set_back_all();
    stepper_->forget_prefixes();
    EXPECT_EQ(stepper_->cache().pool().free(), options_.num_blocks);
    check_all();
  }

  void step() {
    ++steps_;
    const double begin = time_;
    time_ += 0.0005 * static_cast<double>(below(20));
    stepper_->step();
    check_all();
    stepper_->for_each([&](const Sequence& sequence) {
      const double deadline = sequence.times.deadline_s;
      EXPECT_FALSE(deadline > 0 && deadline < begin) << "past its deadline";
    });
  }

  void check_batch(const Batch& batch) {
    time_ += 0.0001 * static_cast<double>(batch.tokens.size());
    EXPECT_LE(static_cast<int64_t>(batch.tokens.size()), options_.max_num_batched_tokens);
    EXPECT_LE(static_cast<int64_t>(batch.kv_tokens.size()), options_.max_num_seqs);
    EXPECT_GT(batch.tokens.size(), 0u);
  }

  // Blocks, tenants and states agree with each other.
  void check_all() {
    const BlockPool& blocks = stepper_->cache().pool();
    std::vector<int32_t> users(blocks.total(), 0);
    std::map<std::string, int64_t> running, present;
    live_.clear();
    int64_t in_batch = 0;
    stepper_->for_each([&](const Sequence& sequence) {
      live_.insert(sequence.id());
      for (const BlockId block : sequence.table.blocks) ++users[block];
      ++present[sequence.tenant->name];
      EXPECT_EQ(jobs_[sequence.id()].last.finish, Finish::none);
      EXPECT_NE(sequence.state(), Sequence::State::finished);
      if (!sequence.running()) {
        EXPECT_TRUE(sequence.table.blocks.empty());
        EXPECT_EQ(sequence.computed, 0);
        return;
      }
      ++in_batch;
      ++running[sequence.tenant->name];
      EXPECT_GE(static_cast<int64_t>(sequence.table.blocks.size()) * 16, sequence.computed);
      EXPECT_LT(sequence.computed, sequence.length());
    });
    int64_t free = 0;
    for (BlockId block = 0; block < blocks.total(); ++block) {
      ASSERT_EQ(blocks.references(block), users[block]) << "block " << block;
      free += users[block] == 0;
    }
    EXPECT_EQ(free, blocks.free());
    EXPECT_LE(in_batch, options_.max_num_seqs);
    check_counts(running, present);
  }

  void check_counts(const std::map<std::string, int64_t>& running,
                    const std::map<std::string, int64_t>& present) {
    EngineStats stats;
    stepper_->add_to(stats);
    load_->add_to(stats);
    EXPECT_EQ(stats.running + stats.waiting, static_cast<int64_t>(live_.size()));
    EXPECT_GE(stats.queued_tokens, 0);
    const auto at = [](const auto& map, const std::string& key) {
      const auto found = map.find(key);
      return found == map.end() ? 0 : found->second;
    };
    for (const TenantStats& tenant : stats.tenants) {
      EXPECT_EQ(tenant.running, at(running, tenant.name));
      EXPECT_EQ(tenant.running + tenant.waiting, at(present, tenant.name));
      EXPECT_LE(tenant.waiting + tenant.running, 12);
      const int64_t most = options_.tenant_limits.max_running;
      EXPECT_TRUE(most == 0 || tenant.running <= most);
    }
  }

  void check_end(RequestId id, const Job& job) {
    EXPECT_FALSE(job.doubled) << "an event after the last one";
    EXPECT_EQ(job.last.finish == Finish::abort, job.aborted);
    const auto expected = undisturbed(job.request, options_.max_model_len);
    const bool whole = job.last.finish == Finish::length;
    if (poisoned(job.request)) {
      EXPECT_FALSE(whole);
      EXPECT_TRUE(job.tokens.empty());
      ++seen_["corrupted"];
      return;
    }
    EXPECT_NE(job.last.finish, Finish::error) << job.last.reason;
    ASSERT_LE(job.tokens.size(), expected.size());
    EXPECT_TRUE(std::equal(job.tokens.begin(), job.tokens.end(), expected.begin()))
        << "request " << id;
    if (whole) {
      EXPECT_EQ(job.tokens.size(), expected.size());
    }
    ++seen_[whole ? "whole" : job.last.finish == Finish::timeout ? "timeout" : "abort"];
    seen_["preempted"] += job.last.preemptions > 0;
    seen_["cached"] += job.last.cached_tokens > 0;
  }

  std::mt19937_64 random_;
  double time_ = 0;
  ThreadPool pool_{1};
  FakeModel fake_;
  EngineOptions options_;
  std::unique_ptr<Load> load_;
  std::unique_ptr<Stepper> stepper_;
  RequestId next_ = 1;
  int64_t steps_ = 0;
  std::map<RequestId, Job> jobs_;
  std::set<RequestId> live_;
  std::map<std::string, int64_t> seen_;
};

TEST(Stepper, keeps_its_promises_over_a_hundred_thousand_random_steps) {
  int64_t steps = 0;
  std::map<std::string, int64_t> seen;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History history(seed);
    history.run(2600);
    steps += history.steps();
    for (const auto& [what, count] : history.seen()) seen[what] += count;
    ASSERT_FALSE(HasFailure());
  }
  EXPECT_GE(steps, 100000);
  // The histories hold what they are meant to hold.
  for (const char* what :
       {"whole", "abort", "timeout", "corrupted", "refused", "preempted", "cached"}) {
    EXPECT_GT(seen[what], 100) << what;
  }
}

// A stepper that one tenant floods; steps are counted, so that no clock matters.
class Flood {
 public:
  explicit Flood(const EngineOptions& options) : options_(options) {
    options_ = complete(options_, fake_.step_model(16));
    const auto now = [this] { return time_; };
    load_ = std::make_unique<Load>(options_, now);
    stepper_ = std::make_unique<Stepper>(fake_.step_model(16), pool_, options_, *load_, now);
  }
  void submit(
      const std::string& tenant, int64_t prompt, int64_t output,
      std::function<void(const Event&)> sink = [](const Event&) {}) {
    Request request{.prompt = std::vector<TokenId>(prompt, static_cast<TokenId>(next_ % 50))};
    request.sampling.max_tokens = output;
    request.sampling.temperature = 0;
    request.tenant = tenant;
    auto sequence = std::make_unique<Sequence>(next_, std::move(request), std::move(sink), next_);
    ++next_;
    sequence->tenant = load_->enter(tenant, prompt).tenant;
    sequence->name_blocks(16);
    stepper_->accept(std::move(sequence));
  }
  void step() {
    ++steps;
    stepper_->step();
  }
  EngineStats stats() const {
    EngineStats stats;
    stepper_->add_to(stats);
    load_->add_to(stats);
    return stats;
  }
  int64_t steps = 0;

 private:
  double time_ = 0;
  ThreadPool pool_{1};
  FakeModel fake_;
  EngineOptions options_;
  std::unique_ptr<Load> load_;
  std::unique_ptr<Stepper> stepper_;
  RequestId next_ = 1;
};

TEST(Stepper, serves_two_backlogged_tenants_the_same_tokens) {
  Flood flood({.max_model_len = 128,
               .max_num_seqs = 6,
               .max_num_batched_tokens = 64,
               .num_blocks = 60,
               .block_tokens = 16,
               .prefix_caching = false});
  for (int i = 0; i < 200; ++i) flood.submit("short", 8, 8);
  for (int i = 0; i < 200; ++i) flood.submit("long", 60, 30);
  for (int i = 0; i < 300; ++i) flood.step();
  const auto tenants = flood.stats().tenants;
  ASSERT_EQ(tenants.size(), 2u);
  EXPECT_GT(tenants[0].waiting, 0);
  EXPECT_GT(tenants[1].waiting, 0);
  // What is in the batch is the only difference: 6 sequences of at most 120.
  EXPECT_NEAR(tenants[0].weighted_tokens, tenants[1].weighted_tokens, 6 * 120);
  EXPECT_GT(tenants[0].weighted_tokens, 3000);
}

TEST(Stepper, gives_a_newcomer_a_place_though_one_tenant_holds_them_all) {
  Flood flood({.max_model_len = 256,
               .max_num_seqs = 4,
               .max_num_batched_tokens = 64,
               .num_blocks = 100,
               .block_tokens = 16});
  for (int i = 0; i < 20; ++i) flood.submit("flood", 20, 200);
  for (int i = 0; i < 20; ++i) flood.step();
  int64_t first_token = 0;
  flood.submit("other", 20, 5, [&](const Event& event) {
    if (first_token == 0 && !event.tokens.empty()) first_token = flood.steps;
  });
  const int64_t asked = flood.steps;
  while (first_token == 0) {
    flood.step();
    ASSERT_LT(flood.steps, asked + 10);
  }
  EXPECT_EQ(flood.stats().preemptions, 1);
  for (int i = 0; i < 20; ++i) flood.step();
  EXPECT_EQ(flood.stats().preemptions, 1) << "nobody else is set back for it";
}

}  // namespace
}  // namespace octavo
