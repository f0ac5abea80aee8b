#include "engine/stepper.h"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "base/check.h"

namespace octavo {
namespace {

constexpr int64_t kScoredLogitsBytes = int64_t{64} << 20;

StepLimits step_limits(const EngineOptions& options, const StepModel& model) {
  const int64_t row_bytes = model.vocab * static_cast<int64_t>(sizeof(float));
  return {.max_seqs = options.max_num_seqs,
          .max_tokens = options.max_num_batched_tokens,
          .max_scored_rows = std::clamp<int64_t>(kScoredLogitsBytes / row_bytes, 1,
                                                 options.max_num_batched_tokens),
          .block_tokens = options.block_tokens};
}

// Written by one thread only, so a load and a store are enough.
void add(std::atomic<int64_t>& counter, int64_t value) {
  counter.store(counter.load(std::memory_order_relaxed) + value, std::memory_order_relaxed);
}

}  // namespace

Stepper::Stepper(StepModel model, ThreadPool& pool, const EngineOptions& options,
                 std::function<double()> now)
    : options_(options),
      model_(std::move(model)),
      now_(std::move(now)),
      limits_(step_limits(options, model_)),
      cache_({.layers = model_.kv,
              .blocks = options.num_blocks,
              .prefix_caching = options.prefix_caching}),
      logits_(static_cast<size_t>(limits_.max_seqs + limits_.max_scored_rows) * model_.vocab *
              sizeof(float)),
      batch_({.max_tokens = limits_.max_tokens,
              .max_seqs = limits_.max_seqs,
              .max_logits = limits_.max_seqs + limits_.max_scored_rows,
              .max_blocks = cache_.blocks_for(options.max_model_len)}),
      sampler_(pool, model_.vocab) {}

bool Stepper::before(const Sequence& a, const Sequence& b) const {
  if (options_.priority_scheduling && a.priority() != b.priority()) {
    return a.priority() < b.priority();
  }
  return a.id() < b.id();
}

template <class List>
void Stepper::insert(List& list, Owned sequence) {
  const auto place =
      std::upper_bound(list.begin(), list.end(), sequence,
                       [this](const Owned& a, const Owned& b) { return before(*a, *b); });
  list.insert(place, std::move(sequence));
}

void Stepper::accept(std::unique_ptr<Sequence> sequence) {
  any_deadline_ |= sequence->times.deadline_s > 0;
  by_id_.emplace(sequence->id(), sequence.get());
  insert(waiting_, std::move(sequence));
}

void Stepper::abort(RequestId id) {
  const auto found = by_id_.find(id);
  if (found == by_id_.end()) return;
  end(*found->second, Ending{Finish::abort});
  drop_ended();
}

void Stepper::end_all(const Ending& ending) {
  for (const Owned& sequence : running_) end(*sequence, ending);
  for (const Owned& sequence : waiting_) end(*sequence, ending);
  drop_ended();
}

bool Stepper::step() {
  expire();
  if (idle()) return false;
  try {
    plan();
    run();
  } catch (const std::exception& failure) {
    cache_.forget();
    end_all({Finish::error, {}, failure.what()});
  } catch (...) {
    cache_.forget();
    end_all({Finish::error, {}, "the step failed"});
  }
  drop_ended();
  add(stats_.steps, 1);
  stats_.running.store(static_cast<int64_t>(running_.size()), std::memory_order_relaxed);
  stats_.blocks_used.store(cache_.pool().total() - cache_.pool().free(), std::memory_order_relaxed);
  return true;
}

void Stepper::expire() {
  if (!any_deadline_) return;
  const double now = now_();
  any_deadline_ = false;
  const auto check = [&](const Owned& sequence) {
    if (sequence->times.deadline_s <= 0) return;
    any_deadline_ = true;
    if (now < sequence->times.deadline_s) return;
    end(*sequence, Ending{Finish::timeout});
  };
  std::ranges::for_each(running_, check);
  std::ranges::for_each(waiting_, check);
  drop_ended();
}

CandidateInfo Stepper::candidate(int64_t index) const {
  const Sequence& sequence = *waiting_[index];
  CandidateInfo info{.tokens = sequence.length(), .scores_prompt = sequence.scores_prompt()};
  if (info.scores_prompt) return info;
  // The last token is always computed: its logits are wanted.
  const KvCache::Match match =
      cache_.find(sequence.keys(), (sequence.length() - 1) / cache_.block_tokens());
  info.cached_tokens = match.blocks * cache_.block_tokens();
  info.cached_free_blocks = match.free_blocks;
  return info;
}

void Stepper::plan() {
  running_info_.clear();
  for (const Owned& sequence : running_) {
    running_info_.push_back({.tokens = sequence->length(),
                             .computed = sequence->computed,
                             .blocks = static_cast<int64_t>(sequence->table.blocks.size()),
                             .scores_prompt = sequence->scores_prompt()});
  }
  const auto candidate_info = [this](int64_t i) { return candidate(i); };
  const auto freed_by = [this](int64_t i) { return cache_.exclusive_blocks(running_[i]->table); };
  plan_step(limits_,
            {.running = running_info_,
             .waiting = static_cast<int64_t>(waiting_.size()),
             .free_blocks = cache_.pool().free(),
             .candidate = candidate_info,
             .freed_by = freed_by},
            plan_);

  scheduled_.clear();
  for (const Share& share : plan_.running) {
    if (share.tokens > 0) scheduled_.push_back({running_[share.index].get(), share.tokens});
  }
  const bool preempts = plan_.keep < static_cast<int64_t>(running_.size());
  while (plan_.keep < static_cast<int64_t>(running_.size())) preempt_last();
  admit(plan_);
  if (scheduled_.empty() && !preempts) throw std::logic_error("the scheduler made no progress");
}

void Stepper::preempt_last() {
  Owned sequence = std::move(running_.back());
  running_.pop_back();
  cache_.release(sequence->table);
  sequence->computed = 0;
  sequence->become(Sequence::State::preempted);
  ++sequence->preemptions;
  add(stats_.preemptions, 1);
  insert(waiting_, std::move(sequence));
}

void Stepper::admit(const Plan& plan) {
  // Every cached prefix is taken before any block is: taking evicts.
  for (const Share& share : plan.admitted) {
    Sequence& sequence = *waiting_[share.index];
    const CandidateInfo info = candidate(share.index);
    const int64_t found = info.cached_tokens / cache_.block_tokens();
    cache_.adopt(sequence.table, sequence.keys(), found);
    sequence.computed = info.cached_tokens;
    if (sequence.state() == Sequence::State::waiting) {
      sequence.cached_tokens = info.cached_tokens;
      sequence.times.scheduled_s = now_();
      add(stats_.prefix_queries_tokens, sequence.length());
      add(stats_.prefix_hits_tokens, info.cached_tokens);
    }
    sequence.become(Sequence::State::running);
    if (share.tokens > 0) scheduled_.push_back({&sequence, share.tokens});
  }
  for (size_t i = 0; i < plan.admitted.size(); ++i) {
    insert(running_, std::move(waiting_.front()));
    waiting_.pop_front();
  }
  for (const Owned& sequence : running_) cache_.grow(sequence->table, sequence->length());
}

void Stepper::run() {
  if (scheduled_.empty()) return;
  batch_.clear();
  for (const Scheduled& scheduled : scheduled_) batch_.add(*scheduled.sequence, scheduled.rows);
  stats_.last_batch_tokens.store(batch_.rows(), std::memory_order_relaxed);
  const Mat logits(reinterpret_cast<float*>(logits_.data()),
                   {static_cast<int64_t>(batch_.logits().size()), model_.vocab});
  model_.step(batch_.batch(), cache_.layers(), logits);
  build_tasks(logits);
  sampler_.score(score_tasks_);
  sampler_.choose(sample_tasks_, samples_);
  for (const Scheduled& scheduled : scheduled_) advance(scheduled);
  for (size_t i = 0; i < sampled_.size(); ++i) {
    if (sampled_[i]->state() == Sequence::State::running) take_sample(*sampled_[i], samples_[i]);
  }
}

void Stepper::build_tasks(const Mat& logits) {
  score_tasks_.clear();
  sample_tasks_.clear();
  sampled_.clear();
  for (int64_t row = 0; const LogitsRow& wanted : batch_.logits()) {
    Sequence& sequence = *wanted.sequence;
    const std::span<float> values = logits.row(row++);
    const SamplingParams& params = sequence.sampling();
    const auto after = wanted.position + 1;
    if (after < sequence.prompt_length()) {
      PositionLogprobs& result = sequence.prompt_logprobs[after];
      result.top.reserve(params.prompt_logprobs);
      score_tasks_.push_back({.logits = values,
                              .token = sequence.tokens()[after],
                              .top = params.prompt_logprobs,
                              .result = &result});
      continue;
    }
    sample_tasks_.push_back({.logits = values,
                             .params = &params,
                             .output = sequence.tokens().subspan(sequence.prompt_length()),
                             .counts = &sequence.counts(),
                             .eos = options_.eos,
                             .seed = sequence.seed(),
                             .position = static_cast<uint64_t>(after)});
    sampled_.push_back(&sequence);
  }
  if (samples_.size() < sampled_.size()) samples_.resize(sampled_.size());
  for (size_t i = 0; i < sampled_.size(); ++i) {
    samples_[i].logprobs.top.reserve(std::max(0, sampled_[i]->sampling().logprobs));
  }
}

// What the step did for a sequence whether or not it got a token.
void Stepper::advance(const Scheduled& scheduled) {
  Sequence& sequence = *scheduled.sequence;
  const int64_t end_of_step = sequence.computed + scheduled.rows;
  if (sequence.scores_prompt()) {
    const int64_t scored = std::min(end_of_step, sequence.prompt_length() - 1);
    for (; sequence.scored < scored; ++sequence.scored) {
      if (sequence.prompt_logprobs[sequence.scored + 1].chosen.rank > 0) continue;
      cache_.discard(sequence.table);
      end(sequence, {Finish::error, {}, "the model computed a number that is not finite"});
      return;
    }
  }
  sequence.computed = end_of_step;
  cache_.seal(sequence.table, sequence.keys(), sequence.computed);
}

void Stepper::take_sample(Sequence& sequence, Sample& sample) {
  if (sample.failure != nullptr) {
    cache_.discard(sequence.table);
    end(sequence, {Finish::error, {}, sample.failure});
    return;
  }
  if (sequence.output_length() == 0) {
    sequence.times.first_token_s = now_();
    add(stats_.prompt_tokens, sequence.prompt_length());
    event_.prompt_logprobs = std::move(sequence.prompt_logprobs);
  }
  add(stats_.generation_tokens, 1);
  sequence.append(sample.token);
  if (options_.prefix_caching) sequence.name_blocks(options_.block_tokens);
  event_.tokens.push_back(sample.token);
  if (sequence.sampling().logprobs >= 0) event_.logprobs.push_back(sample.logprobs);
  const Ending ending = ending_after(sequence, sample.token);
  if (ending.finish != Finish::none) {
    end(sequence, ending);
  } else {
    deliver(sequence, ending);
  }
}

Ending Stepper::ending_after(const Sequence& sequence, TokenId token) const {
  const SamplingParams& params = sequence.sampling();
  if (!params.ignore_eos && std::ranges::find(options_.eos, token) != options_.eos.end()) {
    return {Finish::stop};
  }
  if (std::ranges::find(params.stop_token_ids, token) != params.stop_token_ids.end()) {
    return {Finish::stop, token};
  }
  if (sequence.length() >= options_.max_model_len ||
      sequence.output_length() >= params.max_tokens) {
    return {Finish::length};
  }
  return {};
}

void Stepper::end(Sequence& sequence, const Ending& ending) {
  if (sequence.state() == Sequence::State::finished) return;
  cache_.release(sequence.table);
  sequence.become(Sequence::State::finished);
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
  event_.preemptions = sequence.preemptions;
  event_.queue_s = event_.prefill_s = event_.decode_s = 0;
  if (ending.finish != Finish::none) {
    const Sequence::Times& times = sequence.times;
    const double now = now_();
    const double scheduled = times.scheduled_s < 0 ? now : times.scheduled_s;
    const double first = times.first_token_s < 0 ? now : times.first_token_s;
    event_.queue_s = scheduled - times.arrival_s;
    event_.prefill_s = first - scheduled;
    event_.decode_s = now - first;
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
  if (refused) end(sequence, Ending{Finish::abort});
}

void Stepper::drop_ended() {
  if (!any_ended_) return;
  any_ended_ = false;
  const auto ended = [](const Owned& sequence) {
    return sequence->state() == Sequence::State::finished;
  };
  std::erase_if(running_, ended);
  std::erase_if(waiting_, ended);
  stats_.running.store(static_cast<int64_t>(running_.size()), std::memory_order_relaxed);
  stats_.blocks_used.store(cache_.pool().total() - cache_.pool().free(), std::memory_order_relaxed);
}

}  // namespace octavo
