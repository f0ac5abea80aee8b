#include "io/gguf_metadata.h"

#include <cmath>

#include "octavo/error.h"

namespace octavo {

void GgufMetadata::fail(std::string_view key, const std::string& problem,
                        const std::string& mend) const {
  throw Error(problem, file_ + ", key " + std::string(key), mend);
}

const GgufMetadata::Value* GgufMetadata::find(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

template <class T>
const T& GgufMetadata::get(std::string_view key, const char* kind) const {
  const Value* value = find(key);
  if (value == nullptr) fail(key, "missing");
  const T* typed = std::get_if<T>(value);
  if (typed == nullptr) fail(key, std::string("value is no ") + kind);
  return *typed;
}

int64_t GgufMetadata::integer(std::string_view key, int64_t low, int64_t high) const {
  const auto value = get<int64_t>(key, "whole number");
  if (value < low || value > high) {
    fail(key, "value " + std::to_string(value) + " is not from " + std::to_string(low) + " to " +
                  std::to_string(high));
  }
  return value;
}

int64_t GgufMetadata::integer_or(std::string_view key, int64_t low, int64_t high,
                                 int64_t otherwise) const {
  return has(key) ? integer(key, low, high) : otherwise;
}

double GgufMetadata::number(std::string_view key) const {
  const Value* value = find(key);
  if (value == nullptr) fail(key, "missing");
  if (const auto* whole = std::get_if<int64_t>(value)) return static_cast<double>(*whole);
  const auto number = get<double>(key, "number");
  if (!std::isfinite(number)) fail(key, "value is not finite");
  return number;
}

bool GgufMetadata::flag_or(std::string_view key, bool otherwise) const {
  return has(key) ? get<bool>(key, "flag") : otherwise;
}

const std::string& GgufMetadata::text(std::string_view key) const {
  return get<std::string>(key, "text");
}

std::string GgufMetadata::text_or(std::string_view key, std::string_view otherwise) const {
  return has(key) ? text(key) : std::string(otherwise);
}

const std::vector<std::string>& GgufMetadata::texts(std::string_view key) const {
  return get<std::vector<std::string>>(key, "list of texts");
}

const std::vector<int64_t>& GgufMetadata::integers(std::string_view key) const {
  return get<std::vector<int64_t>>(key, "list of whole numbers");
}

const std::vector<float>& GgufMetadata::numbers(std::string_view key) const {
  return get<std::vector<float>>(key, "list of numbers");
}

std::vector<std::string> GgufMetadata::keys(std::string_view prefix) const {
  std::vector<std::string> keys;
  for (auto at = values_.lower_bound(prefix); at != values_.end(); ++at) {
    if (!at->first.starts_with(prefix)) break;
    keys.push_back(at->first);
  }
  return keys;
}

}  // namespace octavo
