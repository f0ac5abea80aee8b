#include <algorithm>
#include <utility>

#include "engine/repetition.h"
#include "engine/stepper.h"

// How sequences come and end.

namespace octavo {

void Stepper::accept(std::unique_ptr<Sequence> sequence) {
  any_deadline_ |= sequence->times.deadline_s > 0;
  by_id_.emplace(sequence->id(), sequence.get());
  fairness_.enter(*sequence->tenant);
  add(sequence->tenant->requests, 1);
  waiting_.push(std::move(sequence));
}

void Stepper::abort(RequestId id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  end(*found->second, {.finish = Finish::abort});
  drop_ended();
}

void Stepper::end_all(const Ending& ending) {
  for (const Owned& sequence : running_) end(*sequence, ending);
  waiting_.for_each([&](Sequence& sequence) { end(sequence, ending); });
  drop_ended();
}

void Stepper::expire() {
  if (!any_deadline_) return;
  const double now = now_();
  any_deadline_ = false;
  const auto check = [&](Sequence& sequence) {
    if (sequence.times.deadline_s <= 0) return;
    any_deadline_ = true;
    if (now < sequence.times.deadline_s) return;
    end(sequence, {.finish = Finish::timeout});
  };
  for (const Owned& sequence : running_) check(*sequence);
  waiting_.for_each(check);
  drop_ended();
}

Ending Stepper::ending_after(const Sequence& sequence, TokenId token) const {
  const SamplingParams& params = sequence.sampling();
  if (!params.ignore_eos && std::ranges::find(options_.eos, token) != options_.eos.end()) {
    return {.finish = Finish::stop};
  }
  if (std::ranges::find(params.stop_token_ids, token) != params.stop_token_ids.end()) {
    return {.finish = Finish::stop, .stop_token = token};
  }
  if (sequence.length() >= options_.max_model_len ||
      sequence.output_length() >= params.max_tokens) {
    return {.finish = Finish::length};
  }
  if (params.repetition_detection.on() && sequence.output_length() >= params.min_tokens &&
      repeats(sequence.tokens().subspan(sequence.prompt_length()), params.repetition_detection)) {
    return {.finish = Finish::repetition};
  }
  return {};
}

void Stepper::end(Sequence& sequence, const Ending& ending) {
  if (sequence.state() == Sequence::State::finished) return;
  cache_.release(sequence.table);
  if (sequence.running()) add(sequence.tenant->running, -1);
  sequence.become(Sequence::State::finished, now_());
  fairness_.leave(*sequence.tenant);
  load_.leave(*sequence.tenant, sequence.times.first_token_s < 0 ? sequence.prompt_length() : 0);
  if (ending.corrupted) add(stats_.corrupted, 1);
  if (ending.finish == Finish::timeout) add(stats_.timeouts, 1);
  by_id_.erase(sequence.id());
  ++ended_;
  any_ended_ = true;
  deliver(sequence, ending);
}

void Stepper::deliver(Sequence& sequence, const Ending& ending) {
  event_.finish = ending.finish;
  event_.stop_token = ending.stop_token;
  event_.reason = ending.reason;
  event_.cached_tokens = sequence.cached_tokens;
  event_.cached_disk_tokens = sequence.cached_disk_tokens;
  event_.preemptions = sequence.preemptions;
  event_.queue_s = event_.prefill_s = event_.decode_s = event_.preempted_s = 0;
  if (ending.finish != Finish::none) {
    const Sequence::Times& times = sequence.times;
    const double now = now_();
    const double scheduled = times.scheduled_s < 0 ? now : times.scheduled_s;
    const double first = times.first_token_s < 0 ? now : times.first_token_s;
    event_.queue_s = scheduled - times.arrival_s;
    event_.prefill_s = first - scheduled;
    event_.decode_s = now - first;
    event_.preempted_s = sequence.spent_s(Sequence::State::preempted, now);
  }
  bool refused = false;
  try {
    sequence.sink()(event_);
  } catch (...) {
    refused = true;
  }
  event_.tokens.clear();
  event_.logprobs.clear();
  event_.prompt_logprobs.clear();
  if (refused) end(sequence, {.finish = Finish::abort});
}

void Stepper::forget_prefixes() {
  cache_.forget();
  if (store_) store_->clear();
}

void Stepper::save_some() { store_->copy_out(cache_, now_()); }

void Stepper::save_all(double limit_s) {
  if (store_) store_->save_all(cache_, limit_s);
}

void Stepper::drop_ended() {
  if (!any_ended_) return;
  any_ended_ = false;
  const auto ended = [](const Owned& sequence) {
    return sequence->state() == Sequence::State::finished;
  };
  std::erase_if(running_, ended);
  waiting_.erase_finished();
  tell_levels();
}

void Stepper::tell_levels() {
  const auto tell = [](LiveStats::Count& level, int64_t value) {
    level.store(value, std::memory_order_relaxed);
  };
  tell(stats_.running, static_cast<int64_t>(running_.size()));
  tell(stats_.deferred, waiting_.deferred());
  tell(stats_.blocks_used, cache_.pool().total() - cache_.pool().free());
  tell(stats_.blocks_cached, cache_.cached_blocks());
}

}  // namespace octavo
