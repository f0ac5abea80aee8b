#include "serve/responses.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/utf8.h"

namespace octavo::serve {
namespace {

constexpr double kLowestLogprob = -9999;  // JSON has no minus infinity

double shown(float logprob) {
  return logprob >= kLowestLogprob ? std::min<double>(logprob, 0.0) : kLowestLogprob;
}

int64_t characters(std::string_view text) {
  return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
}

Json bytes_json(const std::string& bytes) {
  Json list = Json::array();
  for (const char c : bytes) list.push_back(static_cast<unsigned char>(c));
  return list;
}

Json stop_reason(const ChoicePart& part) {
  if (part.stop_string) return *part.stop_string;
  if (part.stop_token) return *part.stop_token;
  return nullptr;
}

Json head_json(const AnswerHead& head, const char* chat, const char* completion) {
  Json json;
  json["id"] = head.id;
  json["object"] = head.kind == AnswerHead::Kind::chat ? chat : completion;
  json["created"] = head.created;
  json["model"] = head.model;
  return json;
}

Json chunk_head(const AnswerHead& head) {
  return head_json(head, "chat.completion.chunk", "text_completion");
}

void add_ending(Json& json, const ChoicePart& part) {
  json["logprobs"] = part.logprobs ? *part.logprobs : Json(nullptr);
  json["finish_reason"] = part.finish_reason.empty() ? Json(nullptr) : Json(part.finish_reason);
  json["stop_reason"] = stop_reason(part);
  if (part.token_ids) json["token_ids"] = *part.token_ids;
}

Json whole_choice(const AnswerHead& head, const ChoicePart& part) {
  Json json;
  json["index"] = part.index;
  if (head.kind == AnswerHead::Kind::chat) {
    json["message"] = {{"role", "assistant"}, {"content", part.text}};
  } else {
    json["text"] = part.text;
  }
  add_ending(json, part);
  if (head.kind == AnswerHead::Kind::chat) return json;
  json["prompt_logprobs"] = part.prompt_logprobs ? *part.prompt_logprobs : Json(nullptr);
  if (part.prompt_ids) json["prompt_token_ids"] = *part.prompt_ids;
  return json;
}

Json chat_position(const TokenNames& names, const TokenLogprob& token) {
  Json json;
  json["token"] = names(token.id);
  json["logprob"] = shown(token.logprob);
  json["bytes"] = bytes_json(names.tokenizer->token_bytes(token.id));
  return json;
}

// The chosen token first, then the most likely ones; equal names are one.
Json top_by_name(const TokenNames& names, const PositionLogprobs& position) {
  Json json = Json::object();
  json[names(position.chosen.id)] = shown(position.chosen.logprob);
  for (const TokenLogprob& token : position.top) {
    const std::string name = names(token.id);
    if (!json.contains(name)) json[name] = shown(token.logprob);
  }
  return json;
}

}  // namespace

std::string TokenNames::operator()(TokenId id) const {
  if (as_ids) return "token_id:" + std::to_string(id);
  return utf8::sanitize(tokenizer->token_bytes(id));
}

Json completion_logprobs(const TokenNames& names, std::span<const PositionLogprobs> positions,
                         std::span<const TokenId> tokens, int64_t& offset) {
  Json json;
  Json names_json = Json::array(), logprobs = Json::array(), tops = Json::array(),
       offsets = Json::array();
  for (size_t i = 0; i < tokens.size(); ++i) {
    const std::string name = names(tokens[i]);
    names_json.push_back(name);
    offsets.push_back(offset);
    offset += characters(name);
    const bool known = i < positions.size() && positions[i].chosen.rank > 0;
    logprobs.push_back(known ? Json(shown(positions[i].chosen.logprob)) : Json(nullptr));
    tops.push_back(known ? top_by_name(names, positions[i]) : Json(nullptr));
  }
  json["text_offset"] = std::move(offsets);
  json["token_logprobs"] = std::move(logprobs);
  json["tokens"] = std::move(names_json);
  json["top_logprobs"] = std::move(tops);
  return json;
}

Json chat_logprobs(const TokenNames& names, std::span<const PositionLogprobs> positions) {
  Json content = Json::array();
  for (const PositionLogprobs& position : positions) {
    Json entry = chat_position(names, position.chosen);
    entry["top_logprobs"] = Json::array();
    for (const TokenLogprob& token : position.top) {
      entry["top_logprobs"].push_back(chat_position(names, token));
    }
    content.push_back(std::move(entry));
  }
  Json json;
  json["content"] = std::move(content);
  return json;
}

Json prompt_logprobs_json(const TokenNames& names, std::span<const PositionLogprobs> positions) {
  Json json = Json::array();
  for (size_t i = 0; i < positions.size(); ++i) {
    if (i == 0) {
      json.push_back(nullptr);
      continue;
    }
    Json entry = Json::object();
    const auto add = [&](const TokenLogprob& token) {
      const std::string key = std::to_string(token.id);
      if (entry.contains(key)) return;
      entry[key] = {{"logprob", shown(token.logprob)},
                    {"rank", token.rank},
                    {"decoded_token", names(token.id)}};
    };
    add(positions[i].chosen);
    for (const TokenLogprob& token : positions[i].top) add(token);
    json.push_back(std::move(entry));
  }
  return json;
}

Json usage_json(const Usage& usage) {
  Json json;
  json["prompt_tokens"] = usage.prompt_tokens;
  json["total_tokens"] = usage.prompt_tokens + usage.completion_tokens;
  json["completion_tokens"] = usage.completion_tokens;
  if (usage.cached_tokens >= 0) {
    json["prompt_tokens_details"] = {{"cached_tokens", usage.cached_tokens}};
  }
  return json;
}

Json answer_json(const AnswerHead& head, const std::vector<ChoicePart>& choices,
                 const Usage& usage) {
  Json json = head_json(head, "chat.completion", "text_completion");
  json["choices"] = Json::array();
  for (const ChoicePart& choice : choices) json["choices"].push_back(whole_choice(head, choice));
  json["usage"] = usage_json(usage);
  if (head.kind == AnswerHead::Kind::completion || choices.empty()) return json;
  if (choices[0].prompt_logprobs) json["prompt_logprobs"] = *choices[0].prompt_logprobs;
  if (choices[0].prompt_ids) json["prompt_token_ids"] = *choices[0].prompt_ids;
  return json;
}

Json chunk_json(const AnswerHead& head, const ChoicePart& part) {
  Json choice;
  choice["index"] = part.index;
  if (head.kind == AnswerHead::Kind::chat) {
    choice["delta"] = {{"content", part.text}};
  } else {
    choice["text"] = part.text;
  }
  add_ending(choice, part);
  if (part.prompt_ids) choice["prompt_token_ids"] = *part.prompt_ids;
  Json json = chunk_head(head);
  json["choices"] = Json::array({std::move(choice)});
  return json;
}

Json role_chunk_json(const AnswerHead& head, int64_t index,
                     const std::vector<TokenId>* prompt_ids) {
  Json choice;
  choice["index"] = index;
  choice["delta"] = {{"role", "assistant"}, {"content", ""}};
  choice["logprobs"] = nullptr;
  choice["finish_reason"] = nullptr;
  Json json = chunk_head(head);
  json["choices"] = Json::array({std::move(choice)});
  if (prompt_ids) json["prompt_token_ids"] = *prompt_ids;
  return json;
}

Json usage_chunk_json(const AnswerHead& head, const Usage& usage) {
  Json json = chunk_head(head);
  json["choices"] = Json::array();
  json["usage"] = usage_json(usage);
  return json;
}

}  // namespace octavo::serve
