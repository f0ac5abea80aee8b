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

std::unique_ptr<PrefixStore> make_store(const EngineOptions& options, const StepModel& model,
                                        const KvCache& cache) {
  const bool wanted = options.prefix_caching && !options.prefix_files.directory.empty();
  if (!wanted || !model.identity) return nullptr;
  const auto identity = [of_weights = model.identity, text = options.prefix_files.model] {
    Sha256 sha;
    const Digest weights = of_weights();
    sha.add(weights.data(), weights.size());
    sha.add(text);
    return sha.finish();
  };
  return std::make_unique<PrefixStore>(options.prefix_files, cache.block_bytes(), identity);
}

}  // namespace

Stepper::Stepper(StepModel model, ThreadPool& pool, const EngineOptions& options, Load& load,
                 std::function<double()> now)
    : options_(options),
      model_(std::move(model)),
      now_(std::move(now)),
      load_(load),
      limits_(step_limits(options, model_)),
      cache_({.layers = model_.kv,
              .blocks = options.num_blocks,
              .prefix_caching = options.prefix_caching}),
      store_(make_store(options, model_, cache_)),
      logits_(static_cast<size_t>(limits_.max_seqs + limits_.max_scored_rows) * model_.vocab *
              sizeof(float)),
      batch_({.max_tokens = limits_.max_tokens,
              .max_seqs = limits_.max_seqs,
              .max_logits = limits_.max_seqs + limits_.max_scored_rows,
              .max_blocks = cache_.blocks_for(options.max_model_len)}),
      sampler_(pool, model_.vocab),
      waiting_(options.priority_scheduling),
      meter_(now_()) {}

bool Stepper::before(const Sequence& a, const Sequence& b) const {
  if (options_.priority_scheduling && a.priority() != b.priority()) {
    return a.priority() < b.priority();
  }
  return a.id() < b.id();
}

void Stepper::run_on(Owned sequence) {
  const auto place =
      std::upper_bound(running_.begin(), running_.end(), sequence,
                       [this](const Owned& a, const Owned& b) { return before(*a, *b); });
  running_.insert(place, std::move(sequence));
}

bool Stepper::step() {
  expire();
  if (idle()) return false;
  meter_.begin(now_());
  preempted_ = 0;
  batch_.clear();
  try {
    plan();
    run();
  } catch (const std::exception& failure) {
    cache_.forget();
    end_all({.finish = Finish::error, .reason = failure.what()});
  } catch (...) {
    cache_.forget();
    end_all({.finish = Finish::error, .reason = "the step failed"});
  }
  drop_ended();
  if (store_) store_->copy_out(cache_, now_());
  tell_levels();
  const double now = now_();
  meter_.mark(Part::deliver, now);
  meter_.end(now, {.rows = batch_.rows(),
                   .requests = static_cast<int64_t>(scheduled_.size()),
                   .preempted = preempted_});
  load_.set_prefill_rate(meter_.rows_per_s());
  return true;
}

std::optional<CandidateInfo> Stepper::candidate(int64_t index) {
  const Sequence* const sequence = waiting_.pick(index);
  if (sequence == nullptr) return std::nullopt;
  CandidateInfo info{.tokens = sequence->length(), .scores_prompt = sequence->scores_prompt()};
  if (!info.scores_prompt) {
    // The last token is always computed: its logits are wanted.
    const KvCache::Match match =
        cache_.find(sequence->keys(), (sequence->length() - 1) / cache_.block_tokens());
    info.cached_tokens = match.blocks * cache_.block_tokens();
    info.cached_free_blocks = match.free_blocks;
  }
  if (sequence->state() == Sequence::State::waiting) {
    waiting_.expect(static_cast<double>(info.tokens - info.cached_tokens));
  }
  candidates_.push_back(info);
  return info;
}

void Stepper::plan() {
  if (lacked_room_) displace();
  if (store_) revive();
  limits_.target_tokens = meter_.rows_within(options_.step_target_s, limits_.max_tokens);
  running_info_.clear();
  for (const Owned& sequence : running_) {
    running_info_.push_back({.tokens = sequence->length(),
                             .computed = sequence->computed,
                             .blocks = static_cast<int64_t>(sequence->table.blocks.size()),
                             .scores_prompt = sequence->scores_prompt()});
  }
  candidates_.clear();
  waiting_.restart();
  const auto candidate_info = [this](int64_t i) { return candidate(i); };
  const auto freed_by = [this](int64_t i) { return cache_.exclusive_blocks(running_[i]->table); };
  plan_step(limits_,
            {.running = running_info_,
             .waiting = waiting_.size(),
             .free_blocks = cache_.pool().free(),
             .candidate = candidate_info,
             .freed_by = freed_by},
            plan_);
  lacked_room_ = plan_.lacks_room;

  scheduled_.clear();
  for (const Share& share : plan_.running) {
    if (share.tokens > 0) scheduled_.push_back({running_[share.index].get(), share.tokens});
  }
  const bool preempts = plan_.keep < static_cast<int64_t>(running_.size());
  while (plan_.keep < static_cast<int64_t>(running_.size())) preempt(running_.size() - 1);
  admit(plan_);
  if (scheduled_.empty() && !preempts) throw std::logic_error("the scheduler made no progress");
}

// A tenant that waits and has fewer places than its share gets one from whoever has most beyond
// theirs: else one that came first with many long requests would hold all places for minutes. The
// newest of those is set back, so the older ones of every tenant progress.
void Stepper::displace() {
  waiting_.restart();
  const Sequence* const first = waiting_.pick(0);
  if (first == nullptr) return;
  const auto share = [](const Tenant& tenant, int64_t more) {
    return static_cast<double>(tenant.running.load(std::memory_order_relaxed) + more) /
           tenant.limits.weight;
  };
  const Tenant* rich = nullptr;
  for (const Tenant* tenant : fairness_.present()) {
    if (rich == nullptr || share(*tenant, 0) > share(*rich, 0)) rich = tenant;
  }
  const Tenant& poor = *first->tenant;
  if (rich == nullptr || rich == &poor || share(*rich, -1) < share(poor, 1)) return;
  for (size_t i = running_.size(); i-- > 1;) {
    const Sequence& candidate = *running_[i];
    if (candidate.tenant.get() != rich) continue;
    if (options_.priority_scheduling && candidate.priority() < first->priority()) continue;
    preempt(i);
    return;
  }
}

// Before the plan: what is read here takes the place of other cached blocks.
void Stepper::revive() {
  constexpr int64_t kMostLooks = 8;
  waiting_.restart();
  for (int64_t i = 0; i < kMostLooks; ++i) {
    Sequence* const sequence = waiting_.pick(i);
    if (sequence == nullptr || static_cast<int64_t>(running_.size()) + i >= limits_.max_seqs ||
        cache_.blocks_for(sequence->length()) > cache_.pool().free()) {
      return;
    }
    if (std::exchange(sequence->looked_on_disk, true) || sequence->scores_prompt()) continue;
    const int64_t blocks = (sequence->length() - 1) / cache_.block_tokens();
    sequence->revived_blocks = store_->revive(cache_, sequence->keys(), blocks);
  }
}

void Stepper::preempt(size_t index) {
  Owned sequence = std::move(running_[index]);
  running_.erase(running_.begin() + static_cast<int64_t>(index));
  cache_.release(sequence->table);
  sequence->computed = 0;
  sequence->looked_on_disk = false;
  sequence->become(Sequence::State::preempted, now_());
  ++sequence->preemptions;
  ++preempted_;
  add(sequence->tenant->running, -1);
  add(stats_.preemptions, 1);
  waiting_.push(std::move(sequence));
}

void Stepper::set_back_all() {
  while (!running_.empty()) preempt(running_.size() - 1);
}

void Stepper::admit(const Plan& plan) {
  const double now = now_();
  std::vector<Owned> admitted = waiting_.take(static_cast<int64_t>(plan.admitted.size()));
  // Every cached prefix is taken before any block is: taking evicts.
  for (const Share& share : plan.admitted) {
    Sequence& sequence = *admitted[share.index];
    const CandidateInfo& info = candidates_[share.index];
    cache_.adopt(sequence.table, sequence.keys(), info.cached_tokens / cache_.block_tokens());
    sequence.computed = info.cached_tokens;
    if (sequence.state() == Sequence::State::waiting) {
      sequence.cached_tokens = info.cached_tokens;
      sequence.cached_disk_tokens =
          std::min(info.cached_tokens, sequence.revived_blocks * cache_.block_tokens());
      add(stats_.prefix_hits_disk_tokens, sequence.cached_disk_tokens);
      sequence.times.scheduled_s = now;
      fairness_.serve(*sequence.tenant, static_cast<double>(info.tokens - info.cached_tokens));
      add(stats_.prefix_queries_tokens, sequence.length());
      add(stats_.prefix_hits_tokens, info.cached_tokens);
    }
    sequence.become(Sequence::State::prefill, now);
    add(sequence.tenant->running, 1);
    if (share.tokens > 0) scheduled_.push_back({&sequence, share.tokens});
  }
  for (Owned& sequence : admitted) run_on(std::move(sequence));
  for (const Owned& sequence : running_) cache_.grow(sequence->table, sequence->length());
}

void Stepper::run() {
  if (scheduled_.empty()) return;
  for (const Scheduled& scheduled : scheduled_) batch_.add(*scheduled.sequence, scheduled.rows);
  const Mat logits(reinterpret_cast<float*>(logits_.data()),
                   {static_cast<int64_t>(batch_.logits().size()), model_.vocab});
  meter_.mark(Part::plan, now_());
  model_.step(batch_.batch(), cache_.layers(), logits);
  meter_.mark(Part::forward, now_());
  build_tasks(logits);
  sampler_.score(score_tasks_);
  sampler_.choose(sample_tasks_, samples_);
  meter_.mark(Part::sample, now_());
  for (const Scheduled& scheduled : scheduled_) advance(scheduled);
  for (size_t i = 0; i < sampled_.size(); ++i) {
    if (sampled_[i]->running()) take_sample(*sampled_[i], samples_[i]);
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
      distrust(sequence);
      end(sequence, {.finish = Finish::error,
                     .reason = "the model computed a number that is not finite",
                     .corrupted = true});
      return;
    }
  }
  sequence.computed = end_of_step;
  const int64_t sealed = sequence.table.sealed;
  cache_.seal(sequence.table, sequence.keys(), sequence.computed);
  if (store_) store_->offer(sequence.keys().subspan(sealed, sequence.table.sealed - sealed));
}

// Nobody else may use what this sequence computed.
void Stepper::distrust(Sequence& sequence) {
  if (store_) store_->withdraw(sequence.keys().first(sequence.table.sealed));
  cache_.discard(sequence.table);
}

void Stepper::begin_output(Sequence& sequence) {
  sequence.times.first_token_s = now_();
  load_.begun(*sequence.tenant, sequence.prompt_length());
  add(stats_.prompt_tokens, sequence.prompt_length());
  add(sequence.tenant->prompt_tokens, sequence.prompt_length());
  add(sequence.tenant->cached_tokens, sequence.cached_tokens);
  event_.prompt_logprobs = std::move(sequence.prompt_logprobs);
}

void Stepper::take_sample(Sequence& sequence, Sample& sample) {
  if (sample.failure != nullptr) {
    if (sample.corrupted) distrust(sequence);
    end(sequence,
        {.finish = Finish::error, .reason = sample.failure, .corrupted = sample.corrupted});
    return;
  }
  if (sequence.state() == Sequence::State::prefill) {
    sequence.become(Sequence::State::decode, now_());
  }
  if (sequence.output_length() == 0) begin_output(sequence);
  add(stats_.generation_tokens, 1);
  add(sequence.tenant->generation_tokens, 1);
  fairness_.serve(*sequence.tenant, Fairness::kOutputWeight);
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

}  // namespace octavo
