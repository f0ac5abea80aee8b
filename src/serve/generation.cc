#include "serve/generation.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/json.h"
#include "serve/http_answers.h"
#include "serve/sse.h"

namespace octavo::serve {
namespace {

double seconds(std::chrono::steady_clock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

constexpr double kLeastDeadline = 1e-9;  // the engine takes 0 for none

void append(std::shared_ptr<Json>& to, Json more) {
  if (!to) {
    to = std::make_shared<Json>(std::move(more));
    return;
  }
  for (auto& [key, list] : more.items()) {
    for (Json& item : list) (*to)[key].push_back(std::move(item));
  }
}

}  // namespace

struct Generation::Child {
  size_t prompt = 0;
  int64_t index = 0;
  std::optional<Choice> choice;
  bool begun = false, measured = false;
  ChoicePart whole;  // what an unstreamed answer will hold
  std::vector<TokenId> ids;
  int64_t text_offset = 0;
  int64_t cached = 0, from_disk = 0;
  Clock::time_point last_token;
};

Generation::Generation(GenerationPlan plan, GenerationSeams seams,
                       std::shared_ptr<HttpExchange> exchange)
    : plan_(std::move(plan)),
      seams_(std::move(seams)),
      exchange_(std::move(exchange)),
      last_write_(plan_.arrival) {
  for (size_t prompt = 0; prompt < plan_.prompts.size(); ++prompt) {
    for (int64_t i = 0; i < plan_.sampling.n; ++i) {
      Child child;
      child.prompt = prompt;
      child.index = static_cast<int64_t>(children_.size());
      child.choice.emplace(seams_.host->model->tokenizer, plan_.prompts[prompt].ids,
                           plan_.sampling);
      children_.push_back(std::move(child));
    }
  }
  open_ = children_.size();
  running_.assign(children_.size(), 0);
  stopped_.assign(children_.size(), false);
}

Generation::~Generation() { settle(); }

void Generation::settle() {
  if (std::exchange(settled_, true)) return;
  if (seams_.done) seams_.done(used());
}

TokenNames Generation::names() const {
  return {.tokenizer = &seams_.host->model->tokenizer, .as_ids = plan_.sampling.tokens_as_ids};
}

void Generation::start() {
  exchange_->on_gone([weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->cancel();
  });
  for (const int64_t max_tokens : plan_.max_tokens) {
    seams_.host->metrics->accepted(plan_.sampling.n, max_tokens);
  }
  // The other choices of a prompt follow when the first has computed it, and find it in the cache.
  for (size_t child = 0; child < children_.size(); ++child) {
    if (child % static_cast<size_t>(plan_.sampling.n) == 0) submit(child);
  }
}

void Generation::submit(size_t child) {
  const size_t prompt = children_[child].prompt;
  Request request{.prompt = plan_.prompts[prompt].ids,
                  .sampling = plan_.sampling.params,
                  .priority = plan_.sampling.priority,
                  .cache_salt = plan_.sampling.cache_salt,
                  .tenant = plan_.tenant};
  if (plan_.timeout_s > 0) {
    const double used = seconds(Clock::now() - plan_.arrival);
    request.deadline_s = std::max(kLeastDeadline, plan_.timeout_s - used);
  }
  request.sampling.max_tokens = std::max<int64_t>(1, plan_.max_tokens[prompt]);
  if (request.sampling.seed) {
    const auto rank = static_cast<uint64_t>(child) % static_cast<uint64_t>(plan_.sampling.n);
    request.sampling.seed =
        static_cast<int64_t>(static_cast<uint64_t>(*request.sampling.seed) + rank);
  }
  if (child % static_cast<size_t>(plan_.sampling.n) != 0) request.sampling.prompt_logprobs = -1;
  const RequestId id = seams_.host->engine->submit(
      std::move(request),
      [self = shared_from_this(), child](const Event& event) { self->arrived(child, event); });
  bool late = false;
  {
    const std::lock_guard lock(mutex_);
    running_[child] = id;
    late = cancelled_ || stopped_[child];  // events may come before the id does
  }
  if (late) seams_.host->engine->abort(id);
}

// On the engine's thread.
void Generation::arrived(size_t child, const Event& event) {
  post({.child = child, .event = event, .time = Clock::now()});
}

void Generation::post(Arrived arrived) {
  {
    const std::lock_guard lock(mutex_);
    inbox_.push_back(std::move(arrived));
    if (std::exchange(working_, true)) return;
  }
  seams_.workers.post([self = shared_from_this()] { self->work(); });
}

void Generation::fail(const std::string& reason) {
  Arrived failure{.kind = Arrived::Kind::failure};
  failure.event.reason = reason;
  post(std::move(failure));
}

void Generation::keep_alive(Clock::time_point silent_since) {
  if (plan_.sampling.stream) post({.time = silent_since, .kind = Arrived::Kind::silence});
}

void Generation::cancel() {
  std::vector<RequestId> running;
  {
    const std::lock_guard lock(mutex_);
    if (std::exchange(cancelled_, true)) return;
    running = running_;
  }
  for (const RequestId id : running) {
    if (id != 0) seams_.host->engine->abort(id);
  }
}

void Generation::work() {
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
    std::string out;
    for (const Arrived& event : inbox) take(event, out);
    if (!over_ && open_ == 0) {
      finish(out);
    } else if (!over_ && streaming_ && !out.empty()) {
      write(std::move(out));
    }
  }
}

void Generation::write(std::string out) {
  last_write_ = Clock::now();
  exchange_->write(std::move(out));
}

void Generation::begin_stream() {
  if (!plan_.sampling.stream || std::exchange(streaming_, true)) return;
  seams_.answered(200);
  exchange_->begin_stream({.content_type = std::string(kSseType), .headers = plan_.headers});
}

void Generation::break_silence(Clock::time_point since, std::string& out) {
  if (over_ || last_write_ > since) return;
  begin_stream();
  out += kSseComment;
}

// The answer is an error: a status before the first byte of it, an event after.
void Generation::end_with(const ApiError& error) {
  if (std::exchange(over_, true)) return;
  cancel();
  settle();  // before the answer: whoever gets it may try again at once
  if (streaming_) {
    exchange_->write(sse_event(error_json(error)) + std::string(kSseDone));
    exchange_->finish();
    return;
  }
  HttpResponse response = error_response(error);
  response.headers.insert(response.headers.end(), plan_.headers.begin(), plan_.headers.end());
  seams_.answered(error.status);
  exchange_->respond(std::move(response));
}

void Generation::take(const Arrived& arrived, std::string& out) {
  if (arrived.kind == Arrived::Kind::silence) return break_silence(arrived.time, out);
  if (arrived.kind == Arrived::Kind::failure)
    return end_with(http_error(500, arrived.event.reason));
  Child& child = children_[arrived.child];
  if (child.choice->finished()) {
    // The engine's last word on a choice that a stop string ended before.
    if (arrived.event.finish != Finish::none) measure_end(child, arrived, "stop");
    return;
  }
  if (arrived.event.finish == Finish::rejected) refuse(arrived.event);
  if (!child.begun) first_event(child, arrived.event, out);
  const Delta delta = child.choice->take(arrived.event);
  measure(child, arrived, static_cast<int64_t>(delta.tokens.size()));
  emit(child, delta, out);
  if (!child.choice->finished()) return;
  --open_;
  if (arrived.event.finish != Finish::none) {
    measure_end(child, arrived, delta.finish_reason);
    return;
  }
  RequestId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = running_[arrived.child];
    stopped_[arrived.child] = true;
  }
  if (id != 0) seams_.host->engine->abort(id);  // else submit() does when it has the id
}

void Generation::measure(Child& child, const Arrived& arrived, int64_t tokens) {
  if (tokens == 0) return;
  const bool first = child.choice->tokens() == tokens;
  seams_.host->metrics->generated(tokens);
  if (first) {
    seams_.host->metrics->first_token(seconds(arrived.time - plan_.arrival));
    seams_.host->metrics->prompt_done(static_cast<int64_t>(plan_.prompts[child.prompt].ids.size()),
                                      child.cached, child.from_disk);
  } else {
    seams_.host->metrics->next_tokens(seconds(arrived.time - child.last_token), tokens);
  }
  child.last_token = arrived.time;
}

void Generation::measure_end(Child& child, const Arrived& arrived, const std::string& reason) {
  if (std::exchange(child.measured, true) || arrived.event.finish == Finish::rejected) return;
  const Event& event = arrived.event;
  RequestId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = running_[arrived.child];
  }
  seams_.host->metrics->ended(
      {.id = id,
       .reason = reason,
       .e2e_s = seconds(arrived.time - plan_.arrival),
       .queue_s = event.queue_s,
       .prefill_s = event.prefill_s,
       .decode_s = event.decode_s,
       .preempted_s = event.preempted_s,
       .prompt_tokens = static_cast<int64_t>(plan_.prompts[child.prompt].ids.size()),
       .generated_tokens = child.choice->tokens(),
       .cached_tokens = child.cached,
       .preemptions = event.preemptions});
}

// The other choices of a prompt that is computed now, or never will be.
void Generation::follow_leader(const Child& child, const Event& event) {
  const auto n = static_cast<size_t>(plan_.sampling.n);
  const auto place = static_cast<size_t>(child.index);
  bool go_on = false;
  {
    const std::lock_guard lock(mutex_);
    go_on = !cancelled_ && event.finish != Finish::rejected;
  }
  if (place % n == 0 && n > 1) {
    for (size_t i = place + 1; i < place + n; ++i) {
      if (go_on) {
        submit(i);
      } else {
        Event ended;
        ended.finish = event.finish == Finish::none ? Finish::abort : event.finish;
        ended.reason = event.reason;
        arrived(i, ended);
      }
    }
  }
}

// The prompt is computed: what the answer says of it, and the other choices of it.
void Generation::first_event(Child& child, const Event& event, std::string& out) {
  child.begun = true;
  child.cached = event.cached_tokens;
  child.from_disk = event.cached_disk_tokens;
  const PromptPlan& prompt = plan_.prompts[child.prompt];
  follow_leader(child, event);
  if (over_) return;
  begin_stream();
  ChoicePart part = part_of(child);
  if (plan_.sampling.return_token_ids) part.prompt_ids = &prompt.ids;
  const int32_t wanted = plan_.sampling.params.prompt_logprobs;
  if (wanted >= 0) {
    part.prompt_logprobs =
        std::make_shared<Json>(prompt_logprobs_json(names(), event.prompt_logprobs));
  }
  if (plan_.echo) {
    part.text = prompt.has_text ? prompt.text
                                : seams_.host->model->tokenizer.decode(
                                      prompt.ids, Tokenizer::InOutput::skip_special);
    if (plan_.sampling.params.logprobs >= 0) {
      part.logprobs = std::make_shared<Json>(
          completion_logprobs(names(), event.prompt_logprobs, prompt.ids, child.text_offset));
    }
  }
  child.whole = part;
  if (!streaming_) return;
  if (plan_.head.kind == AnswerHead::Kind::chat) {
    out += sse_event(role_chunk_json(plan_.head, child.index, part.prompt_ids));
    part.prompt_ids = nullptr;
  }
  if (plan_.echo || part.prompt_ids) stream_part(child, std::move(part), out);
}

ChoicePart Generation::part_of(const Child& child) const {
  ChoicePart part;
  part.index = child.index;
  return part;
}

void Generation::emit(Child& child, const Delta& delta, std::string& out) {
  if (over_) return;
  ChoicePart part = part_of(child);
  part.finish_reason =
      plan_.drop_output && !delta.finish_reason.empty() ? "length" : delta.finish_reason;
  part.stop_string = delta.stop_string;
  part.stop_token = delta.stop_token;
  if (!plan_.drop_output) {
    part.text = delta.text;
    if (plan_.sampling.params.logprobs >= 0 && !delta.tokens.empty()) {
      part.logprobs = std::make_shared<Json>(
          plan_.head.kind == AnswerHead::Kind::chat
              ? chat_logprobs(names(), delta.logprobs)
              : completion_logprobs(names(), delta.logprobs, delta.tokens, child.text_offset));
    }
    if (plan_.sampling.return_token_ids) part.token_ids = &delta.tokens;
  }
  if (streaming_) {
    child.ids.insert(child.ids.end(), delta.tokens.begin(), delta.tokens.end());
    const bool news = !part.text.empty() || part.logprobs || !part.finish_reason.empty() ||
                      (part.token_ids && !part.token_ids->empty()) ||
                      plan_.sampling.continuous_usage;
    if (part.finish_reason == "error") {
      out += sse_event(error_json(http_error(500, delta.error)));
    }
    if (news) stream_part(child, std::move(part), out);
    return;
  }
  child.ids.insert(child.ids.end(), delta.tokens.begin(), delta.tokens.end());
  child.whole.text += part.text;
  if (part.logprobs) append(child.whole.logprobs, std::move(*part.logprobs));
  child.whole.finish_reason = part.finish_reason;
  child.whole.stop_string = part.stop_string;
  child.whole.stop_token = part.stop_token;
  if (plan_.sampling.return_token_ids) child.whole.token_ids = &child.ids;
}

void Generation::stream_part(Child& child, ChoicePart part, std::string& out) {
  Json chunk = chunk_json(plan_.head, part);
  if (plan_.sampling.continuous_usage) {
    chunk["usage"] =
        usage_json({.prompt_tokens = static_cast<int64_t>(plan_.prompts[child.prompt].ids.size()),
                    .completion_tokens = child.choice->tokens()});
  }
  out += sse_event(chunk);
}

// The engine did not take it.
void Generation::refuse(const Event& event) {
  if (over_) return;
  if (event.overloaded) seams_.host->metrics->rejected(rejection_name(event.refused));
  end_with(refusal(event));
}

// As the client is told.
Usage Generation::usage() const {
  Usage usage{.cached_tokens = plan_.show_cached ? 0 : -1};
  for (const PromptPlan& prompt : plan_.prompts) {
    usage.prompt_tokens += static_cast<int64_t>(prompt.ids.size());
  }
  for (const Child& child : children_) {
    if (!plan_.drop_output) usage.completion_tokens += child.choice->tokens();
    const bool leads = child.index % plan_.sampling.n == 0;
    if (plan_.show_cached && leads) usage.cached_tokens += child.cached;
  }
  return usage;
}

// What the engine did, whether or not the client saw it.
Usage Generation::used() const {
  Usage usage{.cached_tokens = 0};
  for (const Child& child : children_) {
    usage.completion_tokens += child.choice->tokens();
    if (child.index % plan_.sampling.n != 0 || !child.begun) continue;
    usage.prompt_tokens += static_cast<int64_t>(plan_.prompts[child.prompt].ids.size());
    usage.cached_tokens += child.cached;
  }
  return usage;
}

void Generation::finish(std::string& out) {
  if (!streaming_) return answer();
  over_ = true;
  if (plan_.sampling.include_usage) out += sse_event(usage_chunk_json(plan_.head, usage()));
  out += kSseDone;
  write(std::move(out));
  settle();
  exchange_->finish();
}

void Generation::answer() {
  std::vector<ChoicePart> choices;
  bool failed = false, late = true;
  for (Child& child : children_) {
    failed = failed || child.whole.finish_reason == "error";
    late = late && child.whole.finish_reason == "timeout" && child.ids.empty();
    choices.push_back(child.whole);
  }
  if (failed) return end_with(http_error(500, "the model failed on this request"));
  if (late) return end_with(http_error(504, "no token came within the request's timeout"));
  over_ = true;
  settle();
  seams_.answered(200);
  exchange_->respond(
      {.body = to_line(answer_json(plan_.head, choices, usage())), .headers = plan_.headers});
}

}  // namespace octavo::serve
