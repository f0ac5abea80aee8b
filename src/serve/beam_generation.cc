#include "serve/beam_generation.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/json.h"
#include "serve/http_answers.h"

namespace octavo::serve {
namespace {

constexpr double kLeastDeadline = 1e-9;  // the engine takes 0 for none

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

}  // namespace

struct BeamGeneration::Search {
  BeamSearch search;
  std::vector<std::vector<TokenLogprob>> next;  // of each live beam, as they come
  size_t missing = 0;
  Finish cut = Finish::none;  // ended early: timeout or abort
};

BeamGeneration::BeamGeneration(GenerationPlan plan, GenerationSeams seams,
                               std::shared_ptr<HttpExchange> exchange)
    : plan_(std::move(plan)), seams_(std::move(seams)), exchange_(std::move(exchange)) {
  const SamplingParams& params = plan_.sampling.params;
  std::vector<TokenId> ends = params.stop_token_ids;
  if (!params.ignore_eos) {
    const std::vector<TokenId>& eos = seams_.host->engine->options().eos;
    ends.insert(ends.end(), eos.begin(), eos.end());
  }
  for (const int64_t max_tokens : plan_.max_tokens) {
    searches_.push_back({.search = BeamSearch({.width = plan_.sampling.n,
                                               .max_tokens = max_tokens,
                                               .length_penalty = plan_.sampling.length_penalty,
                                               .shown_logprobs = std::max(0, params.logprobs),
                                               .ends = ends}),
                         .next = {}});
  }
  open_ = searches_.size();
}

BeamGeneration::~BeamGeneration() { settle(); }

void BeamGeneration::settle() {
  if (std::exchange(settled_, true)) return;
  seams_.done(usage_);
}

void BeamGeneration::start() {
  exchange_->on_gone([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->cancel();
  });
  for (size_t prompt = 0; prompt < searches_.size(); ++prompt) {
    seams_.host->metrics->accepted(plan_.sampling.n, plan_.max_tokens[prompt]);
    usage_.prompt_tokens += static_cast<int64_t>(plan_.prompts[prompt].ids.size());
  }
  for (size_t prompt = 0; prompt < searches_.size(); ++prompt) submit_step(prompt);
}

// REQUIRES: nobody else works, or nothing of this prompt is under way.
void BeamGeneration::submit_step(size_t prompt) {
  Search& search = searches_[prompt];
  const size_t beams = search.search.live().size();
  search.next.assign(beams, {});
  search.missing = beams;
  std::vector<Request> requests;
  for (const Beam& beam : search.search.live()) {
    Request request{.prompt = plan_.prompts[prompt].ids,
                    .priority = plan_.sampling.priority,
                    .cache_salt = plan_.sampling.cache_salt,
                    .tenant = plan_.tenant};
    request.prompt.insert(request.prompt.end(), beam.tokens.begin(), beam.tokens.end());
    request.sampling.temperature = 0;
    request.sampling.max_tokens = 1;
    request.sampling.ignore_eos = true;
    request.sampling.logprobs = search.search.candidates();
    if (plan_.timeout_s > 0) {
      const double used = seconds(Clock::now() - plan_.arrival);
      request.deadline_s = std::max(kLeastDeadline, plan_.timeout_s - used);
    }
    requests.push_back(std::move(request));
  }
  for (size_t beam = 0; beam < beams; ++beam) {
    const RequestId id = seams_.host->engine->submit(
        std::move(requests[beam]), [self = shared_from_this(), prompt, beam](const Event& event) {
          self->post({.prompt = prompt, .beam = beam, .event = event});
        });
    bool late = false;
    {
      const std::lock_guard lock(mutex_);
      running_.push_back(id);
      late = cancelled_;
    }
    if (late) seams_.host->engine->abort(id);
  }
}

void BeamGeneration::post(Arrived arrived) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.push_back(std::move(arrived));
    if (std::exchange(working_, true)) return;
  }
  seams_.workers.post([self = shared_from_this()] { self->work(); });
}

void BeamGeneration::cancel() {
  std::vector<RequestId> running;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(cancelled_, true)) return;
    running = running_;
  }
  for (const RequestId id : running) seams_.host->engine->abort(id);
}

void BeamGeneration::fail(const std::string& reason) {
  Arrived failure{.failure = true};
  failure.event.reason = reason;
  post(std::move(failure));
}

void BeamGeneration::work() {
  while (true) {
    std::vector<Arrived> inbox;
    {
      const std::lock_guard lock(mutex_);
      inbox.swap(inbox_);
      if (inbox.empty()) {
        working_ = false;
        return;
      }
    }
    for (const Arrived& arrived : inbox) take(arrived);
    if (!over_ && open_ == 0) answer();
  }
}

void BeamGeneration::take(const Arrived& arrived) {
  if (over_) return;
  const Event& event = arrived.event;
  if (arrived.failure) return end_with(http_error(500, event.reason));
  if (event.finish == Finish::rejected) return end_with(refusal(event));
  if (event.finish == Finish::error) {
    return end_with(http_error(500, "the model failed on this request"));
  }
  Search& search = searches_[arrived.prompt];
  if (!event.logprobs.empty()) search.next[arrived.beam] = event.logprobs.front().top;
  if (event.finish == Finish::none) return;
  if (event.tokens.empty() && search.next[arrived.beam].empty()) search.cut = event.finish;
  if (search.search.live().front().tokens.empty()) usage_.cached_tokens += event.cached_tokens;
  if (--search.missing > 0) return;
  {
    const std::lock_guard lock(mutex_);
    if (searches_.size() == 1) running_.clear();
    if (cancelled_) search.cut = Finish::abort;
  }
  if (search.cut == Finish::none) search.search.step(search.next);
  if (search.cut == Finish::none && !search.search.done()) return submit_step(arrived.prompt);
  --open_;
}

void BeamGeneration::end_with(const ApiError& error) {
  over_ = true;
  cancel();
  settle();  // before the answer: whoever gets it may try again at once
  HttpResponse response = error_response(error);
  response.headers.insert(response.headers.end(), plan_.headers.begin(), plan_.headers.end());
  seams_.answered(error.status);
  exchange_->respond(std::move(response));
}

ChoicePart BeamGeneration::choice(size_t prompt, const Beam& beam, int64_t index) {
  const Finish cut = searches_[prompt].cut;
  Event event;
  event.tokens = beam.tokens;
  event.logprobs = beam.logprobs;
  event.finish = beam.complete ? Finish::stop : cut != Finish::none ? cut : Finish::length;
  const Tokenizer& tokenizer = seams_.host->model->tokenizer;
  Choice reader(tokenizer, plan_.prompts[prompt].ids, plan_.sampling);
  const Delta delta = reader.take(event);
  ChoicePart part;
  part.index = index;
  part.text = delta.text;
  part.finish_reason = delta.finish_reason;
  part.stop_string = delta.stop_string;
  const TokenNames names{.tokenizer = &tokenizer, .as_ids = plan_.sampling.tokens_as_ids};
  if (plan_.sampling.params.logprobs >= 0) {
    int64_t offset = 0;
    part.logprobs = std::make_shared<Json>(
        plan_.head.kind == AnswerHead::Kind::chat
            ? chat_logprobs(names, delta.logprobs)
            : completion_logprobs(names, delta.logprobs, delta.tokens, offset));
  }
  ids_.push_back(delta.tokens);
  seams_.host->metrics->generated(reader.tokens());
  seams_.host->metrics->ended(
      {.reason = delta.finish_reason,
       .e2e_s = seconds(Clock::now() - plan_.arrival),
       .prompt_tokens = static_cast<int64_t>(plan_.prompts[prompt].ids.size()),
       .generated_tokens = reader.tokens()});
  return part;
}

void BeamGeneration::answer() {
  std::vector<ChoicePart> choices;
  bool late = true;
  for (size_t prompt = 0; prompt < searches_.size(); ++prompt) {
    const auto tokens = static_cast<int64_t>(plan_.prompts[prompt].ids.size());
    seams_.host->metrics->prompt_done(tokens, 0, 0);
    late = late && searches_[prompt].cut == Finish::timeout;
    for (const Beam& beam : searches_[prompt].search.best()) {
      choices.push_back(choice(prompt, beam, static_cast<int64_t>(choices.size())));
      late = late && beam.tokens.empty();
    }
  }
  if (late) return end_with(http_error(504, "no token came within the request's timeout"));
  for (size_t i = 0; i < choices.size(); ++i) {
    usage_.completion_tokens += static_cast<int64_t>(ids_[i].size());
    if (plan_.sampling.return_token_ids) choices[i].token_ids = &ids_[i];
  }
  over_ = true;
  settle();
  Usage shown = usage_;
  if (!plan_.show_cached) shown.cached_tokens = -1;
  seams_.answered(200);
  exchange_->respond(
      {.body = to_line(answer_json(plan_.head, choices, shown)), .headers = plan_.headers});
}

}  // namespace octavo::serve
