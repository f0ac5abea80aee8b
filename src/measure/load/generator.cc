#include "measure/load/generator.h"

#include <algorithm>
#include <chrono>
#include <deque>

#include "base/json.h"
#include "measure/load/event_stream.h"
#include "measure/load/http_client.h"
#include "octavo/error.h"

namespace octavo::measure {
namespace {

constexpr size_t kMaxErrorBytes = 4096;

double now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

HttpCall call_of(const LoadOptions& options, std::string method, std::string path) {
  HttpCall call{.method = std::move(method), .path = std::move(path), .body = {}};
  if (!options.api_key.empty())
    call.headers.emplace_back("Authorization", "Bearer " + options.api_key);
  call.headers.insert(call.headers.end(), options.headers.begin(), options.headers.end());
  return call;
}

// Reads the events of one answer into its result.
class Answer {
 public:
  Answer(LoadResult& result, Endpoint endpoint, double begin_s)
      : result_(result),
        endpoint_(endpoint),
        begin_(begin_s),
        last_(begin_s),
        events_([this](std::string_view data) { event(data); }) {}

  void piece(int status, std::string_view bytes) {
    if (status != 200) {
      body_ += bytes.substr(0, kMaxErrorBytes - std::min(kMaxErrorBytes, body_.size()));
    } else if (!events_.take(bytes)) {
      result_.error = "an event of this answer is too long";
    }
  }

  void end(const HttpEnd& ended) {
    result_.latency_s = last_ - begin_;
    if (ended.status != 0 && ended.status != 200)
      result_.error = "status " + std::to_string(ended.status) + ": " + body_;
    if (result_.error.empty() && !ended.broken.empty()) result_.error = ended.broken;
    if (result_.error.empty() && !begun_) result_.error = "the answer holds no token";
    result_.success = result_.error.empty();
    // Servers that count no tokens: one a piece.
    if (!counted_ && begun_) result_.output_tokens = static_cast<int64_t>(result_.itl_s.size()) + 1;
  }

 private:
  void event(std::string_view data) {
    const double now = now_s();
    if (data == "[DONE]") return;
    try {
      const Json json = parse_json(data, "an event");
      if (!json.is_object()) return;
      if (json.contains("error")) result_.error = to_line(json["error"]);
      const auto choices = json.find("choices");
      if (choices != json.end() && choices->is_array() && !choices->empty())
        token((*choices)[0], now);
      usage(json);
    } catch (const Error& error) {
      result_.error = error.what();
    }
  }

  void token(const Json& choice, double now) {
    if (!choice.is_object()) return;
    std::string text;
    const auto take = [&](const Json& from, const char* key) {
      const auto found = from.find(key);
      if (found != from.end() && found->is_string()) text += found->get<std::string>();
    };
    if (endpoint_ == Endpoint::completions) {
      take(choice, "text");
    } else if (choice.contains("delta") && choice["delta"].is_object()) {
      take(choice["delta"], "reasoning");
      take(choice["delta"], "reasoning_content");
      take(choice["delta"], "content");
      // The first event of many servers names the role before there is a token.
      if (text.empty() && choice["delta"].contains("role")) return;
    }
    if (!begun_) {
      result_.ttft_s = now - begin_;
    } else {
      result_.itl_s.push_back(now - last_);
    }
    begun_ = true;
    last_ = now;
    result_.text += text;
  }

  void usage(const Json& json) {
    const auto usage = json.find("usage");
    if (usage == json.end() || !usage->is_object()) return;
    const auto take = [&](const char* key, int64_t& to) {
      const auto found = usage->find(key);
      if (found == usage->end() || !found->is_number_integer()) return false;
      to = std::max<int64_t>(0, found->get<int64_t>());
      return true;
    };
    counted_ = take("completion_tokens", result_.output_tokens) || counted_;
    take("prompt_tokens", result_.input_tokens);
  }

  LoadResult& result_;
  Endpoint endpoint_;
  double begin_, last_;
  bool begun_ = false, counted_ = false;
  std::string body_;
  EventStream events_;
};

class Load {
 public:
  Load(const std::vector<LoadPrompt>& prompts, const LoadOptions& options)
      : prompts_(prompts),
        options_(options),
        client_(parse_address(options.url), options.timeout_s),
        base_(parse_address(options.url).path) {
    run_.results.resize(prompts.size());
    for (size_t i = 0; i < prompts.size(); ++i) {
      run_.results[i].input_tokens = prompts[i].input_tokens;
      run_.results[i].error = "not sent";
    }
  }

  LoadRun run(const std::vector<double>& times) {
    begin_ = now_s();
    for (size_t i = 0; i < prompts_.size(); ++i) client_.after(times[i], [this, i] { due(i); });
    client_.run(options_.stop);
    run_.seconds = (last_end_ > 0 ? last_end_ : now_s()) - begin_;
    return std::move(run_);
  }

 private:
  void due(size_t i) {
    if (options_.max_concurrency > 0 && running_ >= options_.max_concurrency) {
      waiting_.push_back(i);
    } else {
      send(i);
    }
  }

  void send(size_t i) {
    ++running_;
    HttpCall call = call_of(options_, "POST", base_ + options_.path);
    call.body = to_line(request_body(prompts_[i], options_));
    LoadResult& result = run_.results[i];
    result.error.clear();
    const double begin = now_s();
    result.start_s = begin - begin_;
    const auto answer = std::make_shared<Answer>(result, options_.endpoint, begin);
    client_.send(
        std::move(call),
        [answer](int status, std::string_view piece) { answer->piece(status, piece); },
        [this, answer, &result](const HttpEnd& end) {
          answer->end(end);
          ended(result);
        });
  }

  void ended(const LoadResult& result) {
    --running_;
    ++done_;
    failed_ += result.success ? 0 : 1;
    last_end_ = now_s();
    if (options_.progress) options_.progress(done_, failed_);
    if (waiting_.empty()) return;
    const size_t next = waiting_.front();
    waiting_.pop_front();
    send(next);
  }

  const std::vector<LoadPrompt>& prompts_;
  const LoadOptions& options_;
  HttpClient client_;
  const std::string base_;
  LoadRun run_;
  std::deque<size_t> waiting_;
  int64_t running_ = 0, done_ = 0, failed_ = 0;
  double begin_ = 0, last_end_ = 0;
};

}  // namespace

Json request_body(const LoadPrompt& prompt, const LoadOptions& options) {
  Json body = {{"model", options.model}};
  if (options.endpoint == Endpoint::completions) {
    body["prompt"] = prompt.text;
    body["max_tokens"] = prompt.output_tokens;
    if (options.logprobs >= 0) body["logprobs"] = options.logprobs;
  } else {
    body["messages"] = Json::array({{{"role", "user"}, {"content", prompt.text}}});
    body["max_completion_tokens"] = prompt.output_tokens;
    if (options.logprobs >= 0) {
      body["logprobs"] = true;
      body["top_logprobs"] = options.logprobs;
    }
  }
  body["stream"] = true;
  body["stream_options"] = {{"include_usage", true}};
  if (options.ignore_eos) body["ignore_eos"] = true;
  if (options.extra_body != nullptr) body.update(*options.extra_body);
  return body;
}

LoadRun run_load(const std::vector<LoadPrompt>& prompts, const std::vector<double>& times,
                 const LoadOptions& options) {
  return Load(prompts, options).run(times);
}

void check_server(const LoadPrompt& prompt, const LoadOptions& options) {
  LoadOptions one = options;
  one.progress = {};
  const LoadRun run = run_load({prompt}, {0.0}, one);
  if (!run.results[0].success && !(options.stop && options.stop())) {
    throw Error("the server does not answer as it should: " + run.results[0].error,
                options.url + options.path, "check address, model name and key",
                Error::Kind::failure);
  }
}

std::string served_model(const LoadOptions& options) {
  const Address address = parse_address(options.url);
  HttpClient client(address, options.timeout_s);
  const auto [end, body] = client.fetch(call_of(options, "GET", address.path + "/v1/models"));
  if (end.status != 200) {
    throw Error(
        end.status == 0 ? "no answer: " + end.broken : "status " + std::to_string(end.status),
        options.url + "/v1/models", "check the address and the key, or name the model",
        Error::Kind::failure);
  }
  const Json list = parse_json(body, options.url + "/v1/models");
  if (list.is_object() && list.contains("data") && list["data"].is_array()) {
    for (const Json& model : list["data"]) {
      if (model.is_object() && model.contains("id") && model["id"].is_string())
        return model["id"].get<std::string>();
    }
  }
  throw Error("the server names no model", options.url + "/v1/models", "name it with --model",
              Error::Kind::failure);
}

}  // namespace octavo::measure
