#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "serve/engine_port.h"
#include "serve/http.h"
#include "serve/metrics.h"
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
};

// What a generation uses; outlives it.
struct GenerationSeams {
  EnginePort& engine;
  Workers& workers;
  Metrics& metrics;
  const Tokenizer& tokenizer;
  std::function<void(int64_t choices)> done;  // called once, at the end, from any thread
};

// One request in flight. The engine's thread leaves events here and goes on; a worker turns all
// that have come into text, log-probabilities and one write. Ends in one answer, or with the
// client.
class Generation : public std::enable_shared_from_this<Generation> {
 public:
  Generation(GenerationPlan plan, GenerationSeams seams, std::shared_ptr<HttpExchange> exchange);
  ~Generation();

  void start();
  // Takes the request out of the engine. Any thread. `Why::client_gone`: nothing more is written;
  // `server_stops`: the client gets what there is, with finish reason "abort".
  enum class Why { client_gone, server_stops };
  void cancel(Why why);

 private:
  using Clock = std::chrono::steady_clock;
  struct Child;
  struct Arrived {
    size_t child;
    Event event;
    Clock::time_point time;
  };

  void submit(size_t child);
  void arrived(size_t child, const Event& event);
  void work();
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
  ChoicePart part_of(const Child& child) const;
  TokenNames names() const;
  void settle();

  const GenerationPlan plan_;
  const GenerationSeams seams_;
  const std::shared_ptr<HttpExchange> exchange_;
  const Clock::time_point arrival_ = Clock::now();

  std::mutex mutex_;  // guards these
  std::vector<Arrived> inbox_;
  std::vector<RequestId> running_;  // of each child; 0: not submitted
  bool working_ = false, cancelled_ = false, client_gone_ = false;

  // The worker's own; one worker at a time.
  std::vector<Child> children_;
  size_t open_ = 0;
  bool streaming_ = false, over_ = false, settled_ = false;
};

}  // namespace octavo::serve
