#include "serve/fields.h"

#include <cmath>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace octavo::serve {
namespace {

constexpr double kExactWhole = 9007199254740992.0;  // 2^53

std::string brief(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

}  // namespace

std::optional<int64_t> as_integer(const Json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<uint64_t>();
    if (number > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
    return static_cast<int64_t>(number);
  }
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number_float()) {
    const auto number = value.get<double>();
    if (std::abs(number) <= kExactWhole && std::floor(number) == number) {
      return static_cast<int64_t>(number);
    }
  }
  return std::nullopt;
}

std::optional<TokenId> as_token_id(const Json& value, int64_t vocab) {
  const std::optional<int64_t> id = value.is_number_integer() ? as_integer(value) : std::nullopt;
  if (!id || *id < 0 || *id >= vocab) return std::nullopt;
  return static_cast<TokenId>(*id);
}

Fields::Fields(const Json& object) : object_(object) {}

const Json* Fields::find(const char* key) const {
  const auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void Fields::fail(std::string param, std::string message) {
  if (error_) return;
  error_ = bad_request(std::move(param), std::move(message));
}

void Fields::flag(const char* key, bool& out) {
  const Json* value = find(key);
  if (!value) return;
  if (!value->is_boolean()) return fail(key, std::string(key) + " must be true or false");
  out = value->get<bool>();
}

void Fields::number(const char* key, float& out, Range range) {
  const Json* value = find(key);
  if (!value) return;
  const std::string name(key);
  if (!value->is_number()) return fail(key, name + " must be a number");
  const auto number = value->get<double>();
  const bool above = range.low_open ? number > range.low : number >= range.low;
  if (!std::isfinite(number) || !above || number > range.high) {
    const bool bounded = range.high < std::numeric_limits<float>::max();
    return fail(key, name + " must be " + (range.low_open ? "above " : "at least ") +
                         brief(range.low) + (bounded ? " and at most " + brief(range.high) : ""));
  }
  out = static_cast<float>(number);
}

void Fields::integer(const char* key, int64_t& out, Whole range) {
  std::optional<int64_t> number;
  integer(key, number, range);
  if (number) out = *number;
}

void Fields::integer(const char* key, std::optional<int64_t>& out, Whole range) {
  const Json* value = find(key);
  if (!value) return;
  const std::string name(key);
  if (!value->is_number()) return fail(key, name + " must be an integer");
  const std::optional<int64_t> number = as_integer(*value);
  if (!number || *number < range.low || *number > range.high) {
    return fail(key, name + " must be an integer from " + std::to_string(range.low) + " to " +
                         std::to_string(range.high));
  }
  out = number;
}

void Fields::text(const char* key, std::string& out, size_t max_bytes) {
  const Json* value = find(key);
  if (!value) return;
  const std::string name(key);
  if (!value->is_string()) return fail(key, name + " must be a string");
  const auto& text = value->get_ref<const std::string&>();
  if (text.size() > max_bytes) {
    return fail(key, name + " must be at most " + std::to_string(max_bytes) + " bytes");
  }
  out = text;
}

void Fields::token_ids(const char* key, std::vector<TokenId>& out, int64_t vocab,
                       size_t max_count) {
  const Json* value = find(key);
  if (!value) return;
  const std::string name(key);
  if (!value->is_array()) return fail(key, name + " must be a list of token ids");
  if (value->size() > max_count) {
    return fail(key, name + " must hold at most " + std::to_string(max_count) + " ids");
  }
  std::vector<TokenId> ids;
  ids.reserve(value->size());
  for (const Json& item : *value) {
    const std::optional<TokenId> id = as_token_id(item, vocab);
    if (!id) {
      return fail(key,
                  name + " must hold integers from 0 to " + std::to_string(vocab - 1) + " only");
    }
    ids.push_back(*id);
  }
  out = std::move(ids);
}

void Fields::texts(const char* key, std::vector<std::string>& out, size_t max_count,
                   size_t max_bytes) {
  const Json* value = find(key);
  if (!value) return;
  const std::string name(key);
  const Json list = value->is_string() ? Json::array({*value}) : Json();
  const Json& items = value->is_string() ? list : *value;
  if (!items.is_array()) return fail(key, name + " must be a string or a list of strings");
  if (items.size() > max_count) {
    return fail(key, name + " must hold at most " + std::to_string(max_count) + " strings");
  }
  for (const Json& item : items) {
    if (!item.is_string()) return fail(key, name + " must hold strings only");
    const auto& text = item.get_ref<const std::string&>();
    if (text.empty()) return fail(key, name + " must not hold an empty string");
    if (text.size() > max_bytes) {
      return fail(
          key, name + " must hold strings of at most " + std::to_string(max_bytes) + " bytes each");
    }
    out.push_back(text);
  }
}

}  // namespace octavo::serve
