#include "engine/scheduler.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <deque>
#include <stdexcept>
#include <string>
#include <vector>

namespace octavo {
namespace {

constexpr StepLimits kLimits{
    .max_seqs = 4, .max_tokens = 8, .max_scored_rows = 2, .block_tokens = 4};

struct Case {
  std::vector<RunningInfo> running = {};
  std::vector<CandidateInfo> waiting = {};
  int64_t free_blocks = 100;

  Plan plan(const StepLimits& limits = kLimits) const {
    Plan plan;
    const auto candidate = [this](int64_t i) { return std::optional(waiting[i]); };
    const auto freed_by = [this](int64_t i) { return running[i].blocks; };
    plan_step(limits,
              {.running = running,
               .waiting = static_cast<int64_t>(waiting.size()),
               .free_blocks = free_blocks,
               .candidate = candidate,
               .freed_by = freed_by},
              plan);
    return plan;
  }
};

RunningInfo decoding(int64_t tokens) {
  return {.tokens = tokens, .computed = tokens - 1, .blocks = tokens / 4 + (tokens % 4 > 1)};
}
RunningInfo prefilling(int64_t tokens, int64_t computed) {
  return {.tokens = tokens, .computed = computed, .blocks = (tokens + 3) / 4};
}

TEST(Scheduler, serves_decodes_before_chunks_of_prompts) {
  const Plan plan = Case{.running = {prefilling(40, 3), decoding(6), prefilling(30, 0)}}.plan();
  EXPECT_EQ(plan.running, (std::vector<Share>{{0, 7}, {1, 1}, {2, 0}}));
}

TEST(Scheduler, admits_in_order_while_rows_and_places_last) {
  const Plan plan =
      Case{.running = {decoding(6)}, .waiting = {{.tokens = 3}, {.tokens = 9}, {.tokens = 2}}}
          .plan();
  EXPECT_EQ(plan.admitted, (std::vector<Share>{{0, 3}, {1, 4}}));
}

TEST(Scheduler, admits_only_when_the_whole_prompt_fits_beside_a_spare_block_each) {
  Case c{.running = {decoding(6)}, .waiting = {{.tokens = 16}}, .free_blocks = 4};
  EXPECT_TRUE(c.plan().admitted.empty());
  c.free_blocks = 5;
  EXPECT_EQ(c.plan().admitted.size(), 1u);
}

TEST(Scheduler, does_not_let_a_short_prompt_pass_a_long_one) {
  const Plan plan = Case{.waiting = {{.tokens = 40}, {.tokens = 2}}, .free_blocks = 3}.plan();
  EXPECT_TRUE(plan.admitted.empty());
}

TEST(Scheduler, counts_cached_blocks_that_it_revives_as_taken) {
  CandidateInfo cached{.tokens = 9, .cached_tokens = 8, .cached_free_blocks = 2};
  EXPECT_TRUE((Case{.waiting = {cached}, .free_blocks = 2}.plan().admitted.empty()));
  EXPECT_EQ((Case{.waiting = {cached}, .free_blocks = 3}.plan().admitted),
            (std::vector<Share>{{0, 1}}));
  cached.cached_free_blocks = 0;  // shared with a running one
  EXPECT_EQ((Case{.waiting = {cached}, .free_blocks = 1}.plan().admitted.size()), 1u);
}

TEST(Scheduler, preempts_the_last_and_admits_nobody_then) {
  const Plan plan = Case{.running = {decoding(5), decoding(9), decoding(7)},
                         .waiting = {{.tokens = 1}},
                         .free_blocks = 0}
                        .plan();
  EXPECT_EQ(plan.keep, 2);
  EXPECT_EQ(plan.running, (std::vector<Share>{{0, 1}, {1, 1}}));
  EXPECT_TRUE(plan.admitted.empty());
}

TEST(Scheduler, preempts_the_asker_itself_when_it_is_the_last) {
  const Plan plan = Case{.running = {decoding(6), decoding(5)}, .free_blocks = 0}.plan();
  EXPECT_EQ(plan.keep, 1);
  EXPECT_EQ(plan.running, (std::vector<Share>{{0, 1}}));
}

TEST(Scheduler, limits_the_rows_of_prompts_that_want_logprobs) {
  CandidateInfo scored{.tokens = 7, .scores_prompt = true};
  const Plan plan = Case{.waiting = {scored, {.tokens = 3}}}.plan();
  EXPECT_EQ(plan.admitted, (std::vector<Share>{{0, 2}, {1, 3}}));
}

// Cheaper than RC_ASSERT, which renders its operands even when they hold.
void require(int line, bool holds) {
  if (!holds) throw std::logic_error("broken promise at line " + std::to_string(line));
}

// Drives plans over a pool of numbered blocks without contents.
class Simulation {
 public:
  struct Job {
    int64_t number, tokens, goal;
    int64_t computed = 0, blocks = 0, last_served = 0;
    bool scored = false;
  };

  Simulation(const StepLimits& limits, int64_t blocks)
      : limits_(limits), blocks_(blocks), free_(blocks) {}

  void arrive(int64_t prompt, int64_t output, bool scored) {
    const int64_t most = blocks_ * limits_.block_tokens;
    const int64_t goal = std::min(prompt + output, most);
    waiting_.push_back({.number = next_++,
                        .tokens = std::min(prompt, goal),
                        .goal = goal,
                        .last_served = steps_,
                        .scored = scored});
  }
  void abort(size_t i) {
    if (i < running_.size()) {
      free_ += running_[i].blocks;
      running_.erase(running_.begin() + static_cast<int64_t>(i));
    } else if (i - running_.size() < waiting_.size()) {
      waiting_.erase(waiting_.begin() + static_cast<int64_t>(i - running_.size()));
    }
  }
  bool empty() const { return running_.empty() && waiting_.empty(); }
  size_t size() const { return running_.size() + waiting_.size(); }
  int64_t steps() const { return steps_; }

  void step() {
    ++steps_;
    std::vector<RunningInfo> infos;
    for (const Job& job : running_)
      infos.push_back({job.tokens, job.computed, job.blocks, job.scored});
    const auto candidate = [this](int64_t i) {
      return std::optional(
          CandidateInfo{.tokens = waiting_[i].tokens, .scores_prompt = waiting_[i].scored});
    };
    const auto freed_by = [this](int64_t i) { return running_[i].blocks; };
    plan_step(limits_,
              {.running = infos,
               .waiting = static_cast<int64_t>(waiting_.size()),
               .free_blocks = free_,
               .candidate = candidate,
               .freed_by = freed_by},
              plan_);
    apply();
  }

 private:
  void apply() {
    const int64_t first = running_.empty() ? -1 : running_.front().number;
    const auto kept = static_cast<size_t>(plan_.keep);
    require(__LINE__, running_.empty() || kept >= 1u);
    if (kept < running_.size()) require(__LINE__, plan_.admitted.empty());
    while (running_.size() > kept) {
      Job job = running_.back();
      running_.pop_back();
      free_ += job.blocks;
      job.blocks = job.computed = 0;
      waiting_.push_front(job);
    }
    int64_t rows = 0, scored = 0;
    for (const Share& share : plan_.running)
      give(running_[share.index], share.tokens, rows, scored);
    if (first >= 0) require(__LINE__, plan_.running.at(0).tokens >= 1);
    for (size_t i = 0; i < plan_.admitted.size(); ++i) {
      require(__LINE__, plan_.admitted[i].index == static_cast<int64_t>(i));
      running_.push_back(waiting_.front());
      waiting_.pop_front();
      give(running_.back(), plan_.admitted[i].tokens, rows, scored);
    }
    require(__LINE__, rows <= limits_.max_tokens);
    require(__LINE__, scored <= limits_.max_scored_rows);
    require(__LINE__, rows > 0);
    require(__LINE__, static_cast<int64_t>(running_.size()) <= limits_.max_seqs);
    require(__LINE__, free_ >= 0);
    finish();
    check();
  }
  void give(Job& job, int64_t rows, int64_t& sum, int64_t& scored) {
    const int64_t wanted = job.tokens - job.computed;
    require(__LINE__, rows >= 0 && rows <= wanted);
    const int64_t blocks = (job.tokens + limits_.block_tokens - 1) / limits_.block_tokens;
    free_ -= std::max<int64_t>(0, blocks - job.blocks);
    job.blocks = std::max(job.blocks, blocks);
    job.computed += rows;
    sum += rows;
    if (job.scored && wanted > 1) scored += rows;
    if (job.computed == job.tokens) ++job.tokens;
  }
  void finish() {
    std::erase_if(running_, [this](const Job& job) {
      if (job.tokens < job.goal) return false;
      free_ += job.blocks;
      return true;
    });
  }
  void check() const {
    int64_t held = 0, last = -1;
    for (const Job& job : running_) {
      held += job.blocks;
      require(__LINE__, job.number > last);
      last = job.number;
    }
    for (const Job& job : waiting_) {
      require(__LINE__, job.blocks == 0);
      require(__LINE__, job.number > last);
      last = job.number;
    }
    require(__LINE__, held + free_ == blocks_);
  }

  StepLimits limits_;
  int64_t blocks_, free_, next_ = 0, steps_ = 0;
  std::vector<Job> running_;
  std::deque<Job> waiting_;
  Plan plan_;
};

// 120 random histories of 1,000 steps with arrivals and aborts, then until all is done. Every step
// checks the budgets, the blocks and the order; the end, that nobody starves.
TEST(Scheduler, keeps_its_promises_over_random_histories) {
  int64_t steps = 0;
  const auto history = [&steps] {
    StepLimits limits;
    limits.max_seqs = *rc::gen::inRange<int64_t>(1, 9);
    limits.max_tokens = limits.max_seqs + *rc::gen::inRange<int64_t>(0, 20);
    limits.max_scored_rows = *rc::gen::inRange<int64_t>(1, 6);
    limits.block_tokens = *rc::gen::inRange<int64_t>(1, 9);
    const int64_t blocks = *rc::gen::inRange<int64_t>(2, 40);
    Simulation simulation(limits, blocks);
    const auto seed = *rc::gen::arbitrary<uint32_t>();
    rc::Random random(seed);
    const auto below = [&random](uint64_t n) { return random.next() % n; };
    const uint64_t gap = 1 + below(12);
    for (int i = 0; i < 1000; ++i) {
      if (simulation.size() < 40 && (below(gap) == 0 || simulation.empty())) {
        simulation.arrive(1 + below(60), 1 + below(40), below(8) == 0);
      }
      if (below(20) == 0) simulation.abort(below(simulation.size() + 1));
      if (!simulation.empty()) simulation.step();
    }
    const int64_t before = simulation.steps();
    const auto left = static_cast<int64_t>(simulation.size());
    while (!simulation.empty()) {
      simulation.step();
      // Alone, a request needs at most one step a token, and the first one always progresses; a
      // preempted one starts again at most once for each that stood before it.
      require(__LINE__, simulation.steps() - before <= (left + 1) * 220);
    }
    steps += simulation.steps();
  };
  rc::detail::TestParams params;
  params.seed = 20261121;
  params.maxSuccess = 120;
  const auto result = rc::detail::checkTestable(history, rc::detail::TestMetadata{}, params);
  EXPECT_TRUE(result.template is<rc::detail::SuccessResult>()) << rc::toString(result);
  EXPECT_GE(steps, 100000);
}

}  // namespace
}  // namespace octavo
