#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/json.h"
#include "measure/load/arrivals.h"
#include "measure/load/event_stream.h"
#include "measure/load/generator.h"
#include "measure/load/http_client.h"
#include "measure/load/load_report.h"
#include "measure/load/prompts.h"
#include "measure/statistics.h"
#include "octavo/error.h"

namespace octavo::measure {
namespace {

TEST(Arrivals, are_all_at_once_without_a_rate) {
  std::mt19937_64 random(1);
  EXPECT_EQ(arrivals({}, 3, random), (std::vector<double>{0, 0, 0}));
}

TEST(Arrivals, come_at_the_rate_asked_for) {
  std::mt19937_64 random(1);
  const auto times = arrivals({.request_rate = 5}, 101, random);
  EXPECT_DOUBLE_EQ(times.front(), 0);
  EXPECT_NEAR(times.back(), 20, 1e-9);
  EXPECT_TRUE(std::ranges::is_sorted(times));
}

double spread_of_gaps(double burstiness) {
  std::mt19937_64 random(7);
  const auto times = arrivals({.request_rate = 1, .burstiness = burstiness}, 2001, random);
  std::vector<double> gaps;
  for (size_t i = 1; i < times.size(); ++i) gaps.push_back(times[i] - times[i - 1]);
  return standard_deviation(gaps) / mean(gaps);
}

TEST(Arrivals, burst_as_the_shape_of_their_gaps_says) {
  EXPECT_NEAR(spread_of_gaps(1), 1, 0.1);  // of a gamma distribution: 1 / sqrt(shape)
  EXPECT_NEAR(spread_of_gaps(100), 0.1, 0.02);
  EXPECT_GT(spread_of_gaps(0.25), 1.6);
}

TEST(Arrivals, ramp_up) {
  for (const RampUp kind : {RampUp::linear, RampUp::exponential}) {
    std::mt19937_64 random(3);
    const auto times = arrivals(
        {.burstiness = 1000, .ramp_up = kind, .start_rps = 1, .end_rps = 100}, 200, random);
    EXPECT_GT(times[10] - times[0], 5 * (times[199] - times[189]));
  }
}

TEST(Arrivals, of_a_trace_keep_their_bursts) {
  std::vector<double> times{0, 1, 1, 4};
  stretch(times, 1.5);
  EXPECT_EQ(times, (std::vector<double>{0, 0.5, 0.5, 2}));
  stretch(times, 0);
  EXPECT_DOUBLE_EQ(times.back(), 2);
}

TEST(EventStream, finds_events_however_the_bytes_are_cut) {
  const std::string bytes =
      ": comment\ndata: one\r\n\r\nevent: x\ndata:two\ndata: lines\n\n\ndata: unfinished";
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    std::vector<std::string> events;
    EventStream stream([&](std::string_view data) { events.emplace_back(data); });
    for (size_t at = 0; at < bytes.size(); at += cut)
      EXPECT_TRUE(stream.take(std::string_view(bytes).substr(at, cut)));
    EXPECT_EQ(events, (std::vector<std::string>{"one", "two\nlines"})) << cut;
  }
}

TEST(EventStream, gives_up_on_a_line_without_end) {
  EventStream stream([](std::string_view) {});
  const std::string much(size_t{1} << 20, 'x');
  bool goes_on = true;
  for (int i = 0; i < 100 && goes_on; ++i) goes_on = stream.take(much);
  EXPECT_FALSE(goes_on);
}

TEST(Address, is_taken_apart) {
  EXPECT_EQ(parse_address("http://host:81/base/"), (Address{"host", "81", "/base"}));
  EXPECT_EQ(parse_address("http://host"), (Address{"host", "80", ""}));
  EXPECT_EQ(parse_address("http://[::1]:8000"), (Address{"::1", "8000", ""}));
  for (const char* bad :
       {"https://host", "host:80", "http://", "http://:80", "http://h:x", "http://h:"})
    EXPECT_THROW(parse_address(bad), Error) << bad;
}

TEST(Prompts, share_their_prefixes) {
  PromptMaker maker(std::nullopt, 1);
  const PromptOptions options{
      .num_prompts = 8, .repeated_prefix_len = 6, .suffix_len = 3, .num_prefixes = 2};
  const auto prompts = maker.prefix_repetition(options);
  ASSERT_EQ(prompts.size(), 8u);
  std::vector<std::string> beginnings;
  for (const LoadPrompt& p : prompts) {
    EXPECT_EQ(p.input_tokens, 9);
    EXPECT_EQ(p.output_tokens, 128);
    size_t at = 0;
    for (int word = 0; word < 6; ++word) at = p.text.find(' ', at + 1);
    beginnings.push_back(p.text.substr(0, at));
  }
  std::ranges::sort(beginnings);
  EXPECT_EQ(std::ranges::unique(beginnings).begin() - beginnings.begin(), 2);
}

TEST(Prompts, of_a_trace_have_its_scaled_lengths_and_shared_blocks) {
  PromptMaker maker(std::nullopt, 1);
  const std::vector<TraceRow> rows = {
      {.at_s = 0, .input_tokens = 1024, .output_tokens = 100, .blocks = {7, 8}},
      {.at_s = 2, .input_tokens = 1100, .output_tokens = 1, .blocks = {7, 9, 10}},
      {.at_s = 3, .input_tokens = 40, .output_tokens = 0}};
  const auto prompts = maker.trace(rows, {.trace_scale = 1.0 / 16, .max_output_tokens = 4});
  ASSERT_EQ(prompts.size(), 3u);
  EXPECT_EQ(prompts[0].input_tokens, 64);
  EXPECT_EQ(prompts[1].input_tokens, 69);
  EXPECT_EQ(prompts[2].input_tokens, 3);
  EXPECT_EQ(prompts[0].output_tokens, 4);
  EXPECT_EQ(prompts[2].output_tokens, 1);
  EXPECT_DOUBLE_EQ(prompts[1].at_s, 2);
  size_t same = 0;
  while (prompts[0].text[same] == prompts[1].text[same]) ++same;
  EXPECT_GE(
      std::count(prompts[0].text.begin(), prompts[0].text.begin() + static_cast<long>(same), ' '),
      32);  // block 7
}

TEST(Prompts, vary_as_much_as_the_ratio_says) {
  PromptMaker maker(std::nullopt, 5);
  const auto prompts = maker.random({.num_prompts = 200,
                                     .input_len = 100,
                                     .output_len = 10,
                                     .prefix_len = 5,
                                     .range_ratio = 0.5});
  int64_t low = 1000, high = 0;
  for (const LoadPrompt& p : prompts) {
    low = std::min(low, p.input_tokens);
    high = std::max(high, p.input_tokens);
  }
  EXPECT_GE(low, 55);
  EXPECT_LT(low, 65);
  EXPECT_LE(high, 155);
  EXPECT_GT(high, 145);
}

TEST(RequestBody, is_as_load_generators_of_vllm_send_it) {
  LoadPrompt prompt{.text = "hello", .ids = {}};
  prompt.output_tokens = 9;
  LoadOptions options{.url = "http://h", .path = "/v1/completions", .model = "m", .api_key = ""};
  options.ignore_eos = true;
  Json extra = {{"temperature", 0.0}};
  options.extra_body = &extra;
  EXPECT_EQ(to_line(request_body(prompt, options)),
            R"({"model":"m","prompt":"hello","max_tokens":9,"stream":true,)"
            R"("stream_options":{"include_usage":true},"ignore_eos":true,"temperature":0.0})");
  options.endpoint = Endpoint::chat;
  const Json chat = request_body(prompt, options);
  EXPECT_EQ(to_line(chat["messages"]), R"([{"role":"user","content":"hello"}])");
  EXPECT_EQ(chat["max_completion_tokens"], 9);
}

LoadResult answered(double start, double ttft, std::vector<double> gaps) {
  LoadResult r;
  r.success = true;
  r.input_tokens = 10;
  r.output_tokens = static_cast<int64_t>(gaps.size()) + 1;
  r.start_s = start;
  r.ttft_s = ttft;
  r.latency_s = ttft;
  for (const double gap : gaps) r.latency_s += gap;
  r.itl_s = std::move(gaps);
  return r;
}

TEST(LoadSummary, counts_as_vllm_does) {
  LoadRun run;
  run.seconds = 4;
  run.results = {answered(0, 0.5, {0.1, 0.3}), answered(0.25, 1.5, {0.2}), LoadResult{}};
  const Goodput goodput = parse_goodput({"ttft:1000", "tpot:250"});
  const LoadSummary s = summarize(run, goodput);
  const Json json = to_json(s, {.goodput = goodput, .metrics = {"ttft", "tpot", "itl", "e2el"}});
  EXPECT_EQ(json["completed"], 2);
  EXPECT_EQ(json["failed"], 1);
  EXPECT_EQ(json["total_output_tokens"], 5);
  EXPECT_DOUBLE_EQ(json["request_throughput"], 0.5);
  EXPECT_DOUBLE_EQ(json["request_goodput"], 0.25);  // the second is late
  EXPECT_DOUBLE_EQ(json["total_token_throughput"], 25.0 / 4);
  EXPECT_DOUBLE_EQ(json["mean_ttft_ms"], 1000);
  EXPECT_DOUBLE_EQ(json["median_tpot_ms"], 200);
  EXPECT_DOUBLE_EQ(json["mean_itl_ms"], 200);
  EXPECT_NEAR(json["p99_ttft_ms"], 1490, 1e-6);
  EXPECT_EQ(json["max_concurrent_requests"], 2);
  EXPECT_DOUBLE_EQ(json["max_output_tokens_per_s"], 3);
  EXPECT_TRUE(json.contains("std_e2el_ms"));
}

TEST(LoadSummary, of_nothing_but_failures_is_zeros) {
  LoadRun run;
  run.seconds = 1;
  run.results.resize(2);
  const Json json = to_json(summarize(run, {}), {});
  EXPECT_EQ(json["completed"], 0);
  EXPECT_EQ(json["mean_ttft_ms"], 0.0);
  EXPECT_TRUE(json["request_goodput"].is_null());
}

TEST(Goodput, is_spelled_with_its_goals) {
  EXPECT_TRUE(parse_goodput({}).empty());
  EXPECT_EQ(parse_goodput({"e2el:5.5"}).e2el_ms, 5.5);
  for (const char* bad : {"ttft", "ttft:", "ttft:x", "speed:3", "tpot:-1"})
    EXPECT_THROW(parse_goodput({bad}), Error) << bad;
}

}  // namespace
}  // namespace octavo::measure
