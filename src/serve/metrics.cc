#include "serve/metrics.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "serve/engine_state.h"

namespace octavo::serve {
namespace {

using Bounds = std::vector<double>;

Bounds first_token_bounds() {
  return {.001, .005, .01, .02, .04, .06, .08, .1, .25, .5,  .75,
          1,    2.5,  5,   7.5, 10,  20,  40,  80, 160, 640, 2560};
}
Bounds token_bounds() {
  return {.01, .025, .05, .075, .1, .15, .2, .3, .4, .5, .75, 1, 2.5, 5, 7.5, 10, 20, 40, 80};
}
Bounds request_bounds() {
  return {.3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,  20,
          30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680};
}
std::string escaped(const std::string& value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    out += c == '\n' ? ' ' : c;
  }
  return out;
}

}  // namespace

Metrics::Metrics(const std::string& model_name, int64_t max_model_len)
    : labels_("model_name=\"" + escaped(model_name) + "\",engine=\"0\""),
      ttft_(first_token_bounds()),
      itl_(token_bounds()),
      tpot_(token_bounds()),
      e2e_(request_bounds()),
      queue_(request_bounds()),
      inference_(request_bounds()),
      prefill_(request_bounds()),
      decode_(request_bounds()),
      prompt_(one_two_five(static_cast<double>(max_model_len))),
      generation_(one_two_five(static_cast<double>(max_model_len))),
      max_generation_(one_two_five(static_cast<double>(max_model_len))),
      params_max_tokens_(one_two_five(static_cast<double>(max_model_len))),
      computed_(one_two_five(static_cast<double>(max_model_len))),
      n_({1, 2, 5, 10, 20}),
      preemptions_({1, 2, 3, 4, 5, 10, 20}),
      fine_ttft_(fine_latency_bounds()),
      fine_itl_(fine_latency_bounds()) {
  for (const char* reason : {"stop", "length", "abort", "error", "repetition", "timeout"}) {
    success_[reason] = 0;
  }
  for (const char* reason : {"queue_full", "key_limit", "draining"}) rejections_[reason] = 0;
}

void Metrics::accepted(int64_t n, int64_t max_tokens) {
  n_.observe(static_cast<double>(n));
  params_max_tokens_.observe(static_cast<double>(max_tokens));
}

void Metrics::rejected(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  ++rejections_[reason];
}

void Metrics::prompt_done(int64_t prompt_tokens, int64_t cached_tokens, int64_t from_disk) {
  prompt_tokens_ += prompt_tokens;
  disk_tokens_ += from_disk;
  cached_tokens_ += cached_tokens;
}

void Metrics::first_token(double since_arrival_s) {
  ttft_.observe(since_arrival_s);
  fine_ttft_.observe(since_arrival_s);
}

void Metrics::next_tokens(double gap_s, int64_t count) {
  if (count < 1) return;
  const double each_s = gap_s / static_cast<double>(count);
  itl_.observe(each_s, static_cast<uint64_t>(count));
  fine_itl_.observe(each_s, static_cast<uint64_t>(count));
}

void Metrics::generated(int64_t tokens) { generation_tokens_ += tokens; }

void Metrics::ended(const Ending& ending) {
  recent_.add({.id = ending.id,
               .reason = ending.reason,
               .when = std::chrono::steady_clock::now(),
               .queue_s = ending.queue_s,
               .prefill_s = ending.prefill_s,
               .decode_s = ending.decode_s,
               .preempted_s = ending.preempted_s,
               .prompt_tokens = ending.prompt_tokens,
               .cached_tokens = ending.cached_tokens,
               .generated_tokens = ending.generated_tokens});
  {
    const std::lock_guard lock(mutex_);
    ++success_[ending.reason];
  }
  e2e_.observe(ending.e2e_s);
  queue_.observe(ending.queue_s);
  prefill_.observe(ending.prefill_s);
  decode_.observe(ending.decode_s);
  inference_.observe(ending.prefill_s + ending.decode_s);
  prompt_.observe(static_cast<double>(ending.prompt_tokens));
  generation_.observe(static_cast<double>(ending.generated_tokens));
  max_generation_.observe(static_cast<double>(ending.generated_tokens));
  preemptions_.observe(static_cast<double>(ending.preemptions));
  computed_.observe(static_cast<double>(ending.prompt_tokens - ending.cached_tokens));
  if (ending.generated_tokens > 1) {
    tpot_.observe(ending.decode_s / static_cast<double>(ending.generated_tokens - 1));
  }
}

const char* rejection_name(Refused refused) {
  switch (refused) {
    case Refused::tenant:
      return "key_limit";
    case Refused::draining:
      return "draining";
    default:
      return "queue_full";
  }
}

}  // namespace octavo::serve
