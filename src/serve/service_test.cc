#include "serve/service.h"

#include <gtest/gtest.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "serve/fake_engine.h"
#include "serve/test_model.h"

namespace octavo::serve {
namespace {

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() : service(options(), {fake_servable("test", engine)}) {
    service.models().load_now(0);
    service.ready();
  }
  static ServiceOptions options() {
    return {
        .api_keys = {{.name = "me", .key = "k"}}, .max_queued_requests = 4, .sse_keep_alive_s = 15};
  }
  static HttpRequest post(std::string path, std::string body) {
    return {.method = "POST",
            .path = std::move(path),
            .content_type = "application/json; charset=utf-8",
            .authorization = "Bearer k",
            .request_id = "my-id",
            .body = std::move(body)};
  }
  std::shared_ptr<FakeExchange> send(HttpRequest request) {
    auto exchange = std::make_shared<FakeExchange>();
    service.handle(std::move(request), exchange);
    return exchange;
  }
  std::shared_ptr<FakeExchange> complete(const std::string& fields) {
    return send(post("/v1/completions", "{\"prompt\":\"ab\"," + fields + "}"));
  }

  FakeEngine engine;
  Service service;
};

TEST_F(ServiceTest, answers_a_completion) {
  const auto exchange = complete(R"("max_tokens":5,"seed":3)");
  engine.await_requests(1);
  EXPECT_EQ(engine.requests[0].prompt, (std::vector<TokenId>{'a', 'b'}));
  EXPECT_EQ(engine.requests[0].sampling.max_tokens, 5);
  engine.say(1, "hi");
  engine.say(1, "!", Finish::length);
  const HttpResponse response = exchange->await();
  const Json json = Json::parse(response.body);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(json["id"], "cmpl-my-id");
  EXPECT_EQ(json["choices"][0]["text"], "hi!");
  EXPECT_EQ(json["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(json["usage"]["completion_tokens"], 3);
  EXPECT_EQ(json["usage"]["total_tokens"], 5);
}

TEST_F(ServiceTest, streams_a_chat_with_its_role_first_and_its_usage_last) {
  const auto exchange = send(post("/v1/chat/completions",
                                  R"({"messages":[{"role":"user","content":"q"}],"stream":true,
               "stream_options":{"include_usage":true}})"));
  engine.await_requests(1);
  engine.say(1, "a");
  engine.say(1, "b", Finish::stop);
  const HttpResponse response = exchange->await();
  EXPECT_EQ(response.content_type, "text/event-stream; charset=utf-8");
  std::vector<Json> events;
  size_t at = 0;
  for (size_t end; (end = response.body.find("\n\n", at)) != std::string::npos; at = end + 2) {
    const std::string data = response.body.substr(at + 6, end - at - 6);
    if (data != "[DONE]") events.push_back(Json::parse(data));
  }
  EXPECT_TRUE(response.body.ends_with("data: [DONE]\n\n"));
  ASSERT_GE(events.size(), 3u);
  EXPECT_EQ(events[0]["choices"][0]["delta"], Json::parse(R"({"role":"assistant","content":""})"));
  EXPECT_EQ(events[1]["choices"][0]["delta"]["content"], "a");
  EXPECT_EQ(events[events.size() - 2]["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(events.back()["choices"], Json::array());
  EXPECT_EQ(events.back()["usage"]["completion_tokens"], 2);
}

TEST_F(ServiceTest, other_choices_follow_the_first_with_seeds_of_their_own) {
  const auto exchange = complete(R"("n":3,"seed":7)");
  engine.await_requests(1);
  engine.say(1, "a", Finish::length);
  engine.await_requests(3);
  EXPECT_EQ(engine.requests[1].sampling.seed, 8);
  EXPECT_EQ(engine.requests[2].sampling.seed, 9);
  engine.say(3, "c", Finish::length);
  engine.say(2, "b", Finish::length);
  const Json json = Json::parse(exchange->await().body);
  EXPECT_EQ(json["choices"][1]["text"], "b");
  EXPECT_EQ(json["choices"][2]["text"], "c");
}

TEST_F(ServiceTest, a_stop_string_takes_the_request_out_of_the_engine) {
  const auto exchange = complete(R"("stop":"END")");
  engine.await_requests(1);
  engine.say(1, "aEND");
  EXPECT_EQ(Json::parse(exchange->await().body)["choices"][0]["stop_reason"], "END");
  engine.await_abort(1);
  engine.say(1, "", Finish::abort);
}

TEST_F(ServiceTest, a_client_that_leaves_takes_all_its_choices_along) {
  const auto exchange = complete(R"("n":2,"stream":true)");
  engine.await_requests(1);
  engine.say(1, "a");
  engine.await_requests(2);
  exchange->leave();
  engine.await_abort(1);
  engine.await_abort(2);
  engine.say(1, "", Finish::abort);
  engine.say(2, "", Finish::abort);
}

TEST_F(ServiceTest, a_client_that_leaves_early_never_starts_the_other_choices) {
  const auto exchange = complete(R"("n":2)");
  engine.await_requests(1);
  exchange->leave();
  engine.say(1, "", Finish::abort);
  exchange->await();
  EXPECT_EQ(engine.requests.size(), 1u);
}

TEST_F(ServiceTest, refuses_what_is_more_than_its_queue) {
  const auto first = complete(R"("n":4)");
  engine.await_requests(1);
  const HttpResponse refused = complete(R"("n":1)")->await();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at(0).first, "Retry-After");
  engine.say(1, "a", Finish::rejected);
  EXPECT_EQ(first->await().status, 503);
  const auto next = complete(R"("n":4)");
  engine.await_requests(2);
  engine.say(2, "", Finish::rejected);
  next->await();
}

TEST_F(ServiceTest, draining_refuses_new_requests_and_finishes_old_ones) {
  const auto old = complete(R"("max_tokens":2)");
  engine.await_requests(1);
  service.drain();
  EXPECT_EQ(complete(R"("max_tokens":2)")->await().status, 503);
  EXPECT_EQ(send({.method = "GET", .path = "/health"})->await().status, 503);
  service.abort_all();
  engine.await_abort(1);
  engine.say(1, "x", Finish::abort);
  EXPECT_EQ(Json::parse(old->await().body)["choices"][0]["finish_reason"], "abort");
}

TEST_F(ServiceTest, echo_alone_gives_the_prompt_alone) {
  const auto exchange = complete(R"("echo":true,"max_tokens":0)");
  engine.await_requests(1);
  engine.say(1, "z", Finish::length);
  const Json json = Json::parse(exchange->await().body);
  EXPECT_EQ(json["choices"][0]["text"], "ab");
  EXPECT_EQ(json["usage"]["completion_tokens"], 0);
}

TEST_F(ServiceTest, a_choice_that_fails_is_a_500) {
  const auto exchange = complete(R"("max_tokens":2)");
  engine.await_requests(1);
  engine.say(1, "", Finish::error);
  EXPECT_EQ(exchange->await().status, 500);
}

TEST_F(ServiceTest, admits_by_route_key_and_type) {
  const auto status = [&](HttpRequest request) {
    const auto refusal = service.admit(request);
    return refusal ? refusal->status : 200;
  };
  EXPECT_EQ(status(post("/v1/completions", "")), 200);
  EXPECT_EQ(status({.method = "GET", .path = "/health"}), 200);
  EXPECT_EQ(status({.method = "GET", .path = "/metrics"}), 401);
  EXPECT_EQ(status({.method = "POST", .path = "/v1//completions"}), 401);
  HttpRequest request = post("/v1/nothing", "");
  EXPECT_EQ(status(request), 404);
  request.path = "/v1/models";
  EXPECT_EQ(status(request), 405);
  request.path = "/tokenize";
  request.content_type = "text/plain";
  EXPECT_EQ(status(request), 415);
}

TEST_F(ServiceTest, is_not_healthy_when_the_engine_is_stuck) {
  EXPECT_EQ(send({.method = "GET", .path = "/health"})->await().status, 200);
  engine.stalled = 1000;
  EXPECT_EQ(send({.method = "GET", .path = "/health"})->await().status, 503);
}

TEST_F(ServiceTest, tells_everybody_when_an_engine_is_dead_and_then_asks_to_end) {
  const auto whole = complete(R"("max_tokens":3)");
  const auto stream = complete(R"("max_tokens":3,"stream":true)");
  engine.await_requests(2);
  engine.say(1, "a");
  engine.say(2, "a");
  stream->await_writes(1);
  const auto now = Service::Clock::now();
  EXPECT_EQ(service.tick(now), Service::Verdict::well);
  engine.stalled = 1000;
  EXPECT_EQ(service.tick(now), Service::Verdict::well);
  EXPECT_EQ(whole->await().status, 500);
  EXPECT_NE(stream->await().body.find("makes no progress"), std::string::npos);
  EXPECT_EQ(send({.method = "GET", .path = "/health/live"})->await().status, 503);
  EXPECT_EQ(service.tick(now + std::chrono::seconds(6)), Service::Verdict::dead);
}

TEST_F(ServiceTest, silent_streams_get_comments) {
  const auto waiting = complete(R"("max_tokens":3,"stream":true)");
  engine.await_requests(1);
  service.tick(Service::Clock::now() + std::chrono::seconds(20));
  waiting->await_writes(1);
  engine.say(1, "a", Finish::length);
  const std::string body = waiting->await().body;
  EXPECT_TRUE(body.starts_with(": keep-alive\n\ndata: {")) << body;
}

TEST_F(ServiceTest, a_deadline_without_a_token_is_a_504_and_with_one_a_finish_reason) {
  const auto nothing = complete(R"("max_tokens":3,"timeout":5)");
  engine.await_requests(1);
  EXPECT_GT(engine.requests[0].deadline_s, 0);
  EXPECT_LE(engine.requests[0].deadline_s, 5);
  engine.say(1, "", Finish::timeout);
  EXPECT_EQ(nothing->await().status, 504);
  const auto some = complete(R"("max_tokens":3,"timeout":5)");
  engine.await_requests(2);
  engine.say(2, "ab");
  engine.say(2, "", Finish::timeout);
  const Json json = Json::parse(some->await().body);
  EXPECT_EQ(json["choices"][0]["finish_reason"], "timeout");
  EXPECT_EQ(json["choices"][0]["text"], "ab");
}

TEST_F(ServiceTest, an_overloaded_engine_is_a_503_and_a_key_over_its_limit_a_429) {
  engine.full = Overload{.limit = "max-num-queued-tokens", .reason = "full", .retry_after_s = 7.2};
  const HttpResponse busy = complete(R"("n":1)")->await();
  EXPECT_EQ(busy.status, 503);
  EXPECT_EQ(busy.headers.at(0), (std::pair<std::string, std::string>("Retry-After", "8")));
  engine.full->scope = Refused::tenant;
  EXPECT_EQ(complete(R"("n":1)")->await().status, 429);
  engine.full.reset();
  const std::string text = send({.method = "GET", .path = "/metrics"})->await().body;
  EXPECT_NE(text.find("reason=\"key_limit\"} 1\n"), std::string::npos);
  EXPECT_NE(text.find("octavo:key_refused_total{key=\"me\"} 1\n"), std::string::npos);
}

TEST_F(ServiceTest, headers_of_gateways_set_priority) {
  HttpRequest request = post("/v1/completions", R"({"prompt":"ab","priority":3})");
  request.priority = "-4";
  const auto exchange = send(request);
  engine.await_requests(1);
  EXPECT_EQ(engine.requests[0].priority, -4);
  EXPECT_EQ(engine.requests[0].tenant, "me");
  engine.say(1, "a", Finish::length);
  exchange->await();
  request.priority = "soon";
  EXPECT_EQ(send(request)->await().status, 400);
}

TEST_F(ServiceTest, only_administrators_load_and_unload) {
  EXPECT_EQ(service.admit(post("/models/unload", "{}"))->status, 403);
}

TEST_F(ServiceTest, routes_of_later_say_what_is_wrong_before_what_is_missing) {
  EXPECT_EQ(send(post("/v1/responses", R"({"input":5})"))->await().status, 400);
  EXPECT_EQ(send(post("/v1/responses", R"({"input":"x"})"))->await().status, 501);
  EXPECT_EQ(send(post("/v1/messages", R"({"max_tokens":0,"messages":[]})"))->await().status, 400);
  EXPECT_EQ(send(post("/v1/embeddings", R"({"input":"x"})"))->await().status, 400);
}

TEST_F(ServiceTest, beams_are_asked_token_by_token) {
  const auto exchange = complete(R"("n":2,"use_beam_search":true,"max_tokens":2,"temperature":0)");
  const auto next = [](std::vector<std::pair<char, float>> top) {
    Event event;
    event.tokens = {static_cast<unsigned char>(top.front().first)};
    PositionLogprobs position;
    for (const auto& [c, logprob] : top) {
      position.top.push_back({.id = static_cast<unsigned char>(c), .logprob = logprob, .rank = 1});
    }
    event.logprobs = {position};
    event.finish = Finish::length;
    return event;
  };
  engine.await_requests(1);
  EXPECT_EQ(engine.requests[0].sampling.max_tokens, 1);
  EXPECT_EQ(engine.requests[0].sampling.logprobs, 4);
  engine.tell(1, next({{'x', -1}, {'y', -1.5f}}));
  engine.await_requests(3);
  EXPECT_EQ(engine.requests[1].prompt, (std::vector<TokenId>{'a', 'b', 'x'}));
  engine.tell(2, next({{'1', -2}, {'2', -3}}));
  engine.tell(3, next({{'3', -0.1f}, {'4', -3}}));
  const Json json = Json::parse(exchange->await().body);
  EXPECT_EQ(json["choices"][0]["text"], "y3");
  EXPECT_EQ(json["choices"][1]["text"], "x1");
  EXPECT_EQ(json["usage"]["completion_tokens"], 4);
}

// Two models, two keys.
class TwoModelsTest : public ServiceTest {
 protected:
  TwoModelsTest()
      : both({.api_keys = {{.name = "me", .key = "k"},
                           {.name = "you", .key = "l"},
                           {.name = "boss", .key = "root", .admin = true}}},
             {fake_servable("one", engine), fake_servable("two", other)}) {
    both.models().load_now(0);
    both.ready();
  }
  HttpResponse ask(HttpRequest request, std::string key = "k") {
    auto exchange = std::make_shared<FakeExchange>();
    request.authorization = "Bearer " + key;
    if (auto refusal = both.admit(request)) return *refusal;
    both.handle(std::move(request), exchange);
    return exchange->await();
  }

  FakeEngine other;
  Service both;
};

TEST_F(TwoModelsTest, a_request_waits_for_its_model) {
  auto exchange = std::make_shared<FakeExchange>();
  both.handle(post("/v1/completions", R"({"model":"two","prompt":"ab"})"), exchange);
  other.await_requests(1);
  other.say(1, "hi", Finish::length);
  const Json json = Json::parse(exchange->await().body);
  EXPECT_EQ(json["model"], "two");
  const std::string text = ask({.method = "GET", .path = "/metrics"}).body;
  EXPECT_NE(text.find("vllm:num_requests_running{model_name=\"one\",engine=\"0\"} 0\n"),
            std::string::npos);
  EXPECT_NE(text.find("vllm:generation_tokens_total{model_name=\"two\",engine=\"0\"} 2\n"),
            std::string::npos);
  EXPECT_EQ(text.find("# TYPE vllm:num_requests_running"),
            text.rfind("# TYPE vllm:num_requests_running"));
}

TEST_F(TwoModelsTest, models_tell_their_state_and_come_and_go) {
  const auto state = [&](size_t model) {
    return Json::parse(ask({.method = "GET", .path = "/v1/models"}).body)["data"][model]["state"];
  };
  EXPECT_EQ(state(0), "ready");
  EXPECT_EQ(state(1), "unloaded");
  EXPECT_EQ(ask(post("/models/load", R"({"model":"two"})"), "root").status, 202);
  EXPECT_EQ(ask(post("/models/load", R"({"model":"three"})"), "root").status, 404);
  EXPECT_EQ(ask(post("/models/load", R"({"model":"two"})"), "k").status, 403);
  EXPECT_EQ(ask(post("/tokenize", R"({"model":"two","prompt":"x"})")).status, 200);  // waits
  EXPECT_EQ(state(1), "ready");
  EXPECT_EQ(ask(post("/models/unload", R"({"model":"two"})"), "root").status, 202);
}

TEST_F(TwoModelsTest, keys_share_no_prefixes) {
  const std::string body = R"({"prompt":"ab","cache_salt":"s"})";
  for (const char* key : {"k", "l"}) {
    auto exchange = std::make_shared<FakeExchange>();
    HttpRequest request = post("/v1/completions", body);
    request.authorization = std::string("Bearer ") + key;
    both.handle(std::move(request), exchange);
    const size_t place = *key == 'k' ? 1 : 2;
    engine.await_requests(place);
    engine.say(place, "a", Finish::length);
    exchange->await();
  }
  EXPECT_NE(engine.requests[0].cache_salt, engine.requests[1].cache_salt);
}

TEST_F(ServiceTest, tokenizes_and_back) {
  const Json ids = Json::parse(send(post("/tokenize", R"({"prompt":"hé"})"))->await().body);
  EXPECT_EQ(ids["count"], 3);
  EXPECT_EQ(ids["max_model_len"], 128);
  const Json text =
      Json::parse(send(post("/detokenize", Json{{"tokens", ids["tokens"]}}.dump()))->await().body);
  EXPECT_EQ(text["prompt"], "hé");
  EXPECT_EQ(send(post("/detokenize", R"({"tokens":[-1]})"))->await().status, 400);
  EXPECT_EQ(send(post("/tokenize", R"({"prompt":"a","model":"no"})"))->await().status, 404);
}

TEST_F(ServiceTest, counts_what_it_did) {
  const auto exchange = complete(R"("max_tokens":3)");
  engine.await_requests(1);
  engine.say(1, "a");
  engine.say(1, "bc", Finish::length);
  exchange->await();
  const std::string text = send({.method = "GET", .path = "/metrics"})->await().body;
  for (const char* line :
       {"vllm:generation_tokens_total{model_name=\"test\",engine=\"0\"} 3\n",
        "vllm:prompt_tokens_total{model_name=\"test\",engine=\"0\"} 2\n",
        "vllm:inter_token_latency_seconds_count{model_name=\"test\",engine=\"0\"} 2\n",
        "finished_reason=\"length\"} 1\n", "status=\"2xx\"} 1\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace octavo::serve
