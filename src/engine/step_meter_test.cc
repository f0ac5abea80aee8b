#include "engine/step_meter.h"

#include <gtest/gtest.h>

namespace octavo {
namespace {

using Part = StepMeter::Part;

void step(StepMeter& meter, double begin, double forward_s, int64_t rows) {
  meter.begin(begin);
  meter.mark(Part::plan, begin);
  meter.mark(Part::forward, begin + forward_s);
  meter.mark(Part::sample, begin + forward_s);
  meter.mark(Part::deliver, begin + forward_s);
  meter.end(begin + forward_s, {.rows = rows, .requests = 1});
}

TEST(StepMeter, splits_the_time_and_counts_the_rows) {
  StepMeter meter(100);
  meter.begin(101);
  meter.mark(Part::plan, 101.5);
  meter.mark(Part::forward, 103.5);
  meter.mark(Part::sample, 103.75);
  meter.mark(Part::deliver, 104);
  meter.end(104, {.rows = 9, .requests = 3, .preempted = 1});
  EngineStats stats;
  meter.add_to(stats);
  EXPECT_EQ(stats.plan_s, 0.5);
  EXPECT_EQ(stats.forward_s, 2);
  EXPECT_EQ(stats.sample_s, 0.25);
  EXPECT_EQ(stats.deliver_s, 0.25);
  EXPECT_EQ(stats.steps_by_rows[2], 1);  // up to 16
  EXPECT_EQ(stats.last_batch_requests, 3);
  ASSERT_EQ(meter.recent().size(), 1u);
  EXPECT_EQ(meter.recent()[0].begin_s, 1);
  EXPECT_EQ(meter.recent()[0].duration_s, 3);
  EXPECT_EQ(meter.recent()[0].preempted, 1);
}

TEST(StepMeter, keeps_the_latest_steps_in_order) {
  StepMeter meter(0);
  for (int i = 0; i < 300; ++i) step(meter, i, 0.5, 1);
  const auto recent = meter.recent();
  ASSERT_EQ(recent.size(), 256u);
  EXPECT_EQ(recent.front().begin_s, 44);
  EXPECT_EQ(recent.back().begin_s, 299);
}

TEST(StepMeter, cuts_steps_to_the_time_wanted_by_what_rows_took) {
  StepMeter meter(0);
  EXPECT_EQ(meter.rows_within(0, 2048), 2048) << "no wish";
  EXPECT_EQ(meter.rows_within(0.5, 2048), 128) << "nothing known yet";
  EXPECT_EQ(meter.rows_within(0.5, 64), 64);
  step(meter, 0, 1, 8);
  EXPECT_EQ(meter.rows_within(0.5, 2048), 128) << "a small step tells nothing";
  step(meter, 2, 1, 100);
  EXPECT_EQ(meter.rows_within(0.5, 2048), 32) << "50 rows, in whole tiles";
  EXPECT_EQ(meter.rows_within(1.5, 2048), 128);
  EXPECT_EQ(meter.rows_within(1e6, 2048), 2048);
  EXPECT_EQ(meter.rows_within(1e-6, 2048), 32) << "never nothing";
}

}  // namespace
}  // namespace octavo
