#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "serve/beam_search.h"
#include "serve/generation.h"

namespace octavo::serve {

// A request that asks for beam search. Each step asks the engine for one token after every live
// beam; all but that token is found in the prefix cache. Ends in one answer; it cannot be streamed.
class BeamGeneration final : public InFlight, public std::enable_shared_from_this<BeamGeneration> {
 public:
  BeamGeneration(GenerationPlan plan, GenerationSeams seams,
                 std::shared_ptr<HttpExchange> exchange);
  ~BeamGeneration() override;

  void start();
  void cancel() override;
  void fail(const std::string& reason) override;
  void keep_alive(Clock::time_point) override {}

 private:
  struct Search;
  struct Arrived {
    size_t prompt = 0, beam = 0;
    Event event = {};
    bool failure = false;
  };

  void post(Arrived arrived);
  void work();
  void take(const Arrived& arrived);
  void submit_step(size_t prompt);
  RequestId submit(size_t prompt, size_t beam);
  void end_with(const ApiError& error);
  void answer();
  ChoicePart choice(size_t prompt, const Beam& beam, int64_t index);
  void settle();

  const GenerationPlan plan_;
  const GenerationSeams seams_;
  const std::shared_ptr<HttpExchange> exchange_;

  std::mutex mutex_;  // guards these
  std::vector<Arrived> inbox_;
  std::vector<RequestId> running_;
  bool working_ = false, cancelled_ = false;

  // The worker's own; one worker at a time.
  std::vector<Search> searches_;
  std::vector<std::vector<TokenId>> ids_;  // of the choices in the answer
  Usage usage_ = {.cached_tokens = 0};
  size_t open_ = 0;
  bool over_ = false, settled_ = false;
};

}  // namespace octavo::serve
