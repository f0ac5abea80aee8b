#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "serve/hosted_model.h"
#include "serve/http.h"
#include "serve/in_flight.h"
#include "serve/prompts.h"
#include "serve/responses.h"
#include "serve/workers.h"

namespace octavo::serve {

// One request on its way to the engine: `n` children of each prompt.
struct GenerationPlan {
  AnswerHead head = {};
  SamplingFields sampling = {};  // max_tokens settled for each prompt in `max_tokens`
  std::vector<PromptPlan> prompts = {};
  std::vector<int64_t> max_tokens = {};  // one a prompt
  bool echo = false;
  bool drop_output = false;  // max_tokens 0 with echo: only the prompt is wanted
  bool show_cached = false;
  std::vector<std::pair<std::string, std::string>> headers = {};
  std::string tenant = {};
  double timeout_s = 0;  // from the arrival; 0: none
  std::chrono::steady_clock::time_point arrival = {};
  int64_t choices() const { return static_cast<int64_t>(prompts.size()) * sampling.n; }
};

// What a generation uses. Both callbacks are called once, from any thread.
struct GenerationSeams {
  Lease host;
  Workers& workers;  // outlives it
  std::function<void(int status)> answered;
  std::function<void(const Usage&)> done;  // the place is free again
};

// One request in flight. The engine's thread leaves events here and goes on; a worker turns all
// that have come into text, log-probabilities and one write. Ends in one answer, or with the
// client.
class Generation final : public InFlight, public std::enable_shared_from_this<Generation> {
 public:
  Generation(GenerationPlan plan, GenerationSeams seams, std::shared_ptr<HttpExchange> exchange);
  ~Generation() override;

  void start();
  void cancel() override;
  void fail(const std::string& reason) override;
  void keep_alive(Clock::time_point silent_since) override;

 private:
  struct Child;
  struct Arrived {
    size_t child = 0;
    Event event = {};
    Clock::time_point time = {};
    enum class Kind { event, silence, failure } kind = Kind::event;
  };

  void submit(size_t child);
  void arrived(size_t child, const Event& event);
  void post(Arrived arrived);
  void work();
  void write(std::string out);
  void break_silence(Clock::time_point since, std::string& out);
  void begin_stream();
  void end_with(const ApiError& error);
  void take(const Arrived& arrived, std::string& out);
  void measure(Child& child, const Arrived& arrived, int64_t tokens);
  void measure_end(Child& child, const Arrived& arrived, const std::string& reason);
  void first_event(Child& child, const Event& event, std::string& out);
  void follow_leader(const Child& child, const Event& event);
  void emit(Child& child, const Delta& delta, std::string& out);
  void stream_part(Child& child, ChoicePart part, std::string& out);
  void refuse(const Event& event);
  void finish(std::string& out);
  void answer();
  Usage usage() const;
  Usage used() const;
  ChoicePart part_of(const Child& child) const;
  TokenNames names() const;
  void settle();

  const GenerationPlan plan_;
  const GenerationSeams seams_;
  const std::shared_ptr<HttpExchange> exchange_;

  std::mutex mutex_;  // guards these
  std::vector<Arrived> inbox_;
  std::vector<RequestId> running_;  // of each child; 0: not submitted, or submit() not back yet
  std::vector<bool> stopped_;       // a stop string ended the child; its request may still run
  bool working_ = false, cancelled_ = false;

  // The worker's own; one worker at a time.
  std::vector<Child> children_;
  size_t open_ = 0;
  bool streaming_ = false, over_ = false, settled_ = false;
  Clock::time_point last_write_;
};

}  // namespace octavo::serve
