#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/json.h"
#include "octavo/error.h"

// Fields of a quantization section. For .cc files alone: it includes the JSON library.
namespace octavo::section {

// The value at `key`, null where absent.
inline const Json* at(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

[[noreturn]] inline void fail(const std::string& where, const char* key, const std::string& problem,
                              const std::string& mend = "correct it") {
  throw Error(problem, where + ", field " + key, mend);
}

// "" where there is no text.
inline std::string text(const Json& object, const char* key) {
  const Json* value = at(object, key);
  return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

inline bool flag(const Json& object, const char* key, bool otherwise, const std::string& where) {
  const Json* value = at(object, key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) fail(where, key, "neither true nor false");
  return value->get<bool>();
}

inline int64_t whole(const Json& object, const char* key, const std::string& where) {
  const Json* value = at(object, key);
  if (value == nullptr || !value->is_number_integer())
    fail(where, key, "missing or no whole number");
  return value->get<int64_t>();
}

// The texts of a list; nothing where it is absent.
inline std::vector<std::string> texts(const Json& object, const char* key,
                                      const std::string& where) {
  std::vector<std::string> all;
  const Json* list = at(object, key);
  if (list == nullptr) return all;
  if (!list->is_array()) fail(where, key, "no list");
  for (const Json& item : *list) {
    if (!item.is_string()) fail(where, key, "a list with other than names");
    all.push_back(item.get<std::string>());
  }
  return all;
}

// Inputs that share a scale, 0 for -1 (one group a row).
inline int64_t group_size(const Json& object, const char* key, const std::string& where) {
  constexpr int64_t kLargest = 1 << 22;
  const int64_t size = whole(object, key, where);
  if (size == -1) return 0;
  if (size < 1 || size > kLargest)
    fail(where, key, "group size " + std::to_string(size) + " is no size", "use 32, 64, 128 or -1");
  return size;
}

}  // namespace octavo::section
