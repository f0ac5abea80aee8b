#include "serve/beam_search.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace octavo::serve {
namespace {

// A continuation before it is written out.
struct Branch {
  size_t beam = 0;
  TokenLogprob token;
  double logprob = 0;
};

}  // namespace

BeamSearch::BeamSearch(Options options) : options_(std::move(options)) {}

double BeamSearch::score(const Beam& beam) const {
  const auto length = static_cast<double>(std::max<size_t>(1, beam.tokens.size()));
  return beam.logprob / std::pow(length, options_.length_penalty);
}

bool BeamSearch::done() const {
  return live_.empty() || steps_ >= options_.max_tokens ||
         static_cast<int64_t>(complete_.size()) >= options_.width;
}

void BeamSearch::step(std::span<const std::vector<TokenLogprob>> next) {
  ++steps_;
  std::vector<Branch> branches;
  for (size_t beam = 0; beam < live_.size(); ++beam) {
    for (const TokenLogprob& token : next[beam]) {
      branches.push_back({beam, token, live_[beam].logprob + token.logprob});
    }
  }
  // Equal ones in the order of their parents, so that the result is one and the same.
  std::ranges::stable_sort(branches, std::greater<>(), &Branch::logprob);
  std::vector<Beam> living;
  for (const Branch& branch : branches) {
    if (static_cast<int64_t>(living.size()) == options_.width) break;
    Beam beam = live_[branch.beam];
    beam.tokens.push_back(branch.token.id);
    beam.logprob = branch.logprob;
    const auto& top = next[branch.beam];
    const size_t shown = std::min(top.size(), static_cast<size_t>(options_.shown_logprobs));
    beam.logprobs.push_back({.chosen = branch.token, .top = {top.begin(), top.begin() + shown}});
    beam.complete = std::ranges::find(options_.ends, branch.token.id) != options_.ends.end();
    (beam.complete ? complete_ : living).push_back(std::move(beam));
  }
  live_ = std::move(living);
}

std::vector<Beam> BeamSearch::best() const {
  std::vector<Beam> all = complete_;
  all.insert(all.end(), live_.begin(), live_.end());
  std::ranges::stable_sort(all, std::greater<>(), [this](const Beam& beam) { return score(beam); });
  if (static_cast<int64_t>(all.size()) > options_.width) {
    all.resize(static_cast<size_t>(options_.width));
  }
  return all;
}

}  // namespace octavo::serve
