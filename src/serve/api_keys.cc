#include "serve/api_keys.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <set>

#include "octavo/error.h"

namespace octavo::serve {
namespace {

constexpr size_t kMaxKeys = 4096, kMaxNameBytes = 64, kMaxKeyBytes = 4096;
constexpr double kMinute = 60, kMaxNumber = 1e15;

bool equal(std::string_view presented, std::string_view key) {
  unsigned difference = presented.size() == key.size() ? 0 : 1;
  for (size_t i = 0; i < presented.size(); ++i) {
    const char expected = key.empty() ? '\0' : key[i % key.size()];
    difference |= static_cast<unsigned char>(presented[i] ^ expected);
  }
  return difference == 0;
}

// One object of the file.
class KeyReader {
 public:
  KeyReader(const Json& object, const std::string& where) : object_(object), where_(where) {
    if (!object.is_object()) fail("a key is not an object");
  }
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(problem, where_, "give {\"keys\": [{\"name\": ..., \"key\": ...}, ...]}");
  }
  std::string text(const char* field, size_t max_bytes) const {
    const auto found = object_.find(field);
    if (found == object_.end() || !found->is_string()) fail(std::string(field) + " is no text");
    const auto value = found->get<std::string>();
    if (value.empty() || value.size() > max_bytes) fail(std::string(field) + " is empty or long");
    return value;
  }
  double number(const char* field, double otherwise) const {
    const auto found = object_.find(field);
    if (found == object_.end()) return otherwise;
    const double value = found->is_number() ? found->get<double>() : -1;
    if (!(value >= 0 && value <= kMaxNumber)) fail(std::string(field) + " is no count");
    return value;
  }
  int64_t count(const char* field) const { return static_cast<int64_t>(number(field, 0)); }
  bool flag(const char* field) const {
    const auto found = object_.find(field);
    if (found == object_.end()) return false;
    if (!found->is_boolean()) fail(std::string(field) + " is neither true nor false");
    return found->get<bool>();
  }
  void only(const std::set<std::string>& known) const {
    for (const auto& [field, value] : object_.items()) {
      if (!known.contains(field)) fail("unknown field " + field);
    }
  }

 private:
  const Json& object_;
  const std::string& where_;
};

ApiKey read_key(const KeyReader& reader) {
  reader.only({"name", "key", "admin", "weight", "requests_per_minute", "tokens_per_minute",
               "max_running", "max_queued_requests", "max_queued_tokens"});
  ApiKey key{.name = reader.text("name", kMaxNameBytes), .key = reader.text("key", kMaxKeyBytes)};
  key.admin = reader.flag("admin");
  key.requests_per_minute = reader.number("requests_per_minute", 0);
  key.tokens_per_minute = reader.number("tokens_per_minute", 0);
  key.limits.max_running = reader.count("max_running");
  key.limits.max_queued_requests = reader.count("max_queued_requests");
  key.limits.max_queued_tokens = reader.count("max_queued_tokens");
  key.limits.weight = reader.number("weight", 1);
  if (key.limits.weight <= 0) reader.fail("weight is not above 0");
  return key;
}

}  // namespace

std::vector<ApiKey> read_api_keys(const Json& file, const std::string& where) {
  const bool list = file.is_object() && file.contains("keys") && file["keys"].is_array();
  if (!list || file["keys"].empty() || file["keys"].size() > kMaxKeys) {
    throw Error("no list of API keys", where, "give {\"keys\": [{\"name\": ..., \"key\": ...}]}");
  }
  std::vector<ApiKey> keys;
  std::set<std::string> names, words;
  for (const Json& object : file["keys"]) {
    const KeyReader reader(object, where);
    keys.push_back(read_key(reader));
    if (!names.insert(keys.back().name).second) reader.fail("two keys have one name");
    if (!words.insert(keys.back().key).second) reader.fail("two names have one key");
  }
  return keys;
}

std::optional<size_t> identify(const std::vector<ApiKey>& keys, std::string_view header) {
  constexpr std::string_view kScheme = "bearer ";
  if (header.size() <= kScheme.size()) return std::nullopt;
  for (size_t i = 0; i < kScheme.size(); ++i) {
    if ((header[i] | 0x20) != (kScheme[i] | 0x20)) return std::nullopt;
  }
  header.remove_prefix(kScheme.size());
  size_t found = keys.size();
  for (size_t i = 0; i < keys.size(); ++i) found = equal(header, keys[i].key) ? i : found;
  return found < keys.size() ? std::optional(found) : std::nullopt;
}

void KeyLedger::Bucket::fill(double now_s) {
  level = std::min(per_minute, level + std::max(0.0, now_s - at_s) * per_minute / kMinute);
  at_s = now_s;
}

KeyLedger::KeyLedger(const std::vector<ApiKey>& keys) {
  for (const ApiKey& key : keys) {
    Account account;
    account.requests = {.per_minute = key.requests_per_minute, .level = key.requests_per_minute};
    account.tokens = {.per_minute = key.tokens_per_minute, .level = key.tokens_per_minute};
    accounts_.push_back(account);
  }
}

std::optional<ApiError> KeyLedger::admit(size_t key, double now_s) {
  const std::lock_guard lock(mutex_);
  Account& account = accounts_.at(key);
  double wait_s = 0;
  const char* what = "requests";
  const auto ask = [&](Bucket& bucket, double needed, const char* name) {
    if (bucket.per_minute <= 0) return;
    bucket.fill(now_s);
    const double wait = (needed - bucket.level) * kMinute / bucket.per_minute;
    if (wait > wait_s) what = name;
    wait_s = std::max(wait_s, wait);
  };
  // Less than one a minute: a full bucket must do for one.
  ask(account.requests, std::min(1.0, account.requests.per_minute), "requests");
  ask(account.tokens, std::min(1.0, account.tokens.per_minute), "tokens");
  if (wait_s > 0) {
    ++account.usage.refused;
    ApiError error = http_error(429, std::string("this key has used its ") + what + " per minute");
    error.retry_after_s = static_cast<int>(std::clamp(std::ceil(wait_s), 1.0, 60.0));
    return error;
  }
  if (account.requests.per_minute > 0) account.requests.level -= 1;
  ++account.usage.requests;
  return std::nullopt;
}

void KeyLedger::refused(size_t key) {
  const std::lock_guard lock(mutex_);
  ++accounts_.at(key).usage.refused;
}

void KeyLedger::charge(size_t key, const KeyUsage& used, double now_s) {
  const std::lock_guard lock(mutex_);
  Account& account = accounts_.at(key);
  account.usage.prompt_tokens += used.prompt_tokens;
  account.usage.cached_tokens += used.cached_tokens;
  account.usage.generation_tokens += used.generation_tokens;
  if (account.tokens.per_minute <= 0) return;
  account.tokens.fill(now_s);
  account.tokens.level -= static_cast<double>(used.prompt_tokens + used.generation_tokens);
}

KeyUsage KeyLedger::usage(size_t key) const {
  const std::lock_guard lock(mutex_);
  return accounts_.at(key).usage;
}

}  // namespace octavo::serve
