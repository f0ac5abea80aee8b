#include "engine/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace octavo {

BeamSearch::BeamSearch(Request base, BeamParams params, Seams seams)
    : base_(std::move(base)), params_(std::move(params)), seams_(std::move(seams)), beams_(1) {
  result_.prompt_tokens = static_cast<int64_t>(base_.prompt.size());
}

std::shared_ptr<BeamSearch> BeamSearch::start(Request base, BeamParams params, Seams seams) {
  OCTAVO_CHECK(params.width >= 1 && params.width <= kMaxBeamWidth && params.max_tokens >= 1);
  const std::shared_ptr<BeamSearch> search(
      new BeamSearch(std::move(base), std::move(params), std::move(seams)));
  search->ask();
  return search;
}

void BeamSearch::ask() {
  heard_.assign(beams_.size(), {});
  asked_.assign(beams_.size(), 0);
  missing_ = beams_.size();
  for (size_t i = 0; i < beams_.size(); ++i) {
    Request request = base_;
    const std::vector<TokenId>& tokens = beams_[i].tokens;
    request.prompt.insert(request.prompt.end(), tokens.begin(), tokens.end());
    request.sampling = {};
    request.sampling.temperature = 0;
    request.sampling.max_tokens = 1;
    request.sampling.ignore_eos = true;
    request.sampling.logprobs = static_cast<int32_t>(2 * params_.width);
    asked_[i] = seams_.submit(std::move(request),
                              [self = shared_from_this(), i](const Event& e) { self->hear(i, e); });
  }
}

void BeamSearch::hear(size_t beam, const Event& event) {
  if (over_) return;
  if (beams_[beam].tokens.empty()) result_.cached_tokens = event.cached_tokens;
  if (!event.logprobs.empty()) heard_[beam] = event.logprobs.front();
  if (event.finish == Finish::none) return;
  if (event.finish != Finish::length) {
    result_.finish = event.finish;
    result_.last = event;
    return finish();
  }
  ++result_.generated_tokens;
  if (--missing_ == 0) advance();
}

bool BeamSearch::ends(TokenId token) const {
  return !params_.ignore_eos && std::ranges::find(params_.eos, token) != params_.eos.end();
}

// vLLM counts the prompt's tokens too, and not the EOS.
double BeamSearch::score(const Beam& beam, bool ended) const {
  const auto length = static_cast<double>(base_.prompt.size() + beam.tokens.size() - ended);
  return beam.logprob / std::pow(length, params_.length_penalty);
}

void BeamSearch::advance() {
  std::vector<std::pair<double, Beam>> next;
  for (size_t i = 0; i < beams_.size(); ++i) {
    for (const TokenLogprob& choice : heard_[i].top) {
      Beam beam = beams_[i];
      beam.tokens.push_back(choice.id);
      beam.logprob += choice.logprob;
      if (ends(choice.id)) {
        const double ended = score(beam, true);
        ended_.push_back({std::move(beam.tokens), beam.logprob, ended, Finish::stop});
      } else {
        const double going = score(beam, false);
        next.emplace_back(going, std::move(beam));
      }
    }
  }
  // Stable: of equals the better parent's first, so the result is one.
  std::ranges::stable_sort(next, std::greater<>(), [](const auto& entry) { return entry.first; });
  if (next.size() > static_cast<size_t>(params_.width)) next.resize(params_.width);
  beams_.clear();
  for (auto& [value, beam] : next) beams_.push_back(std::move(beam));
  const bool full = static_cast<int64_t>(ended_.size()) >= params_.width;
  const bool longest =
      beams_.empty() || static_cast<int64_t>(beams_[0].tokens.size()) >= params_.max_tokens;
  if (!full && !longest) return ask();
  if (!full) {
    for (Beam& beam : beams_) {
      const double value = score(beam, false);
      ended_.push_back({std::move(beam.tokens), beam.logprob, value, Finish::length});
    }
  }
  std::ranges::stable_sort(ended_, std::greater<>(), &BeamAnswer::score);
  if (ended_.size() > static_cast<size_t>(params_.width)) ended_.resize(params_.width);
  result_.answers = std::move(ended_);
  finish();
}

void BeamSearch::finish() {
  if (std::exchange(over_, true)) return;
  for (const RequestId id : asked_) seams_.abort(id);  // those that have ended are not there
  seams_.done(result_);
}

void BeamSearch::cancel() {
  result_.finish = Finish::abort;
  finish();
}

}  // namespace octavo
