// The sampler on rows of 152k logits, on one thread: microseconds a row for each way of choosing,
// beside the time of reading the row once. Medians of interleaved runs.
//   sampler_bench [vocabulary]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

#include "engine/sampler.h"

namespace octavo {
namespace {

constexpr int kRuns = 41;

struct Way {
  const char* name;
  SamplingParams params;
};

SamplingParams with(float temperature, float top_p, int32_t top_k, float min_p, int32_t logprobs) {
  SamplingParams p;
  p.temperature = temperature;
  p.top_p = top_p;
  p.top_k = top_k;
  p.min_p = min_p;
  p.logprobs = logprobs;
  return p;
}

double microseconds(const auto& body) {
  const auto begin = std::chrono::steady_clock::now();
  body();
  const std::chrono::duration<double, std::micro> took = std::chrono::steady_clock::now() - begin;
  return took.count();
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void run(int64_t vocab) {
  ThreadPool pool(1);
  Sampler sampler(pool, vocab);
  std::mt19937 random(1);
  // A peaked row as a trained model gives it: most of the mass on a few tokens.
  std::normal_distribution<float> normal(0, 2.5f);
  std::vector<float> row(vocab);
  for (float& logit : row) logit = normal(random);
  for (int i = 0; i < 40; ++i) row[random() % vocab] += static_cast<float>(16 - i / 4);

  const Way ways[] = {{"greedy", with(0, 1, 0, 0, -1)},
                      {"temperature 1", with(1, 1, 0, 0, -1)},
                      {"top_p 0.9", with(1, 0.9f, 0, 0, -1)},
                      {"top_k 50, top_p 0.9", with(1, 0.9f, 50, 0, -1)},
                      {"min_p 0.05", with(1, 1, 0, 0.05f, -1)},
                      {"hot: temperature 4, top_p 0.95", with(4, 0.95f, 0, 0, -1)},
                      {"greedy, 5 logprobs", with(0, 1, 0, 0, 5)}};
  std::vector<double> reading, times[std::size(ways)];
  std::vector<float> copy(row);
  std::vector<Sample> samples(1);
  samples[0].logprobs.top.reserve(8);
  volatile float sink = 0;
  for (int i = 0; i < kRuns; ++i) {
    reading.push_back(microseconds([&] {
      float lanes[16] = {};
      for (int64_t at = 0; at + 16 <= vocab; at += 16) {
        for (int j = 0; j < 16; ++j) lanes[j] += row[at + j];
      }
      sink = lanes[0];
    }));
    for (size_t w = 0; w < std::size(ways); ++w) {
      copy = row;
      const SampleTask task{.logits = copy,
                            .params = &ways[w].params,
                            .seed = 7,
                            .position = static_cast<uint64_t>(i)};
      times[w].push_back(microseconds([&] { sampler.choose({&task, 1}, samples); }));
    }
  }
  std::printf("%d logits, one thread; reading them once takes %.0f us\n", static_cast<int>(vocab),
              median(reading));
  for (size_t w = 0; w < std::size(ways); ++w)
    std::printf("%-32s %7.0f us a row\n", ways[w].name, median(times[w]));
}

}  // namespace
}  // namespace octavo

int main(int argc, char** argv) {
  octavo::run(argc > 1 ? std::atoll(argv[1]) : 151936);
  return 0;
}
