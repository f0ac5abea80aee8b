#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "octavo/engine.h"
#include "serve/api_error.h"

namespace octavo::serve {

// A client's key and what it may ask for; 0: no bound.
struct ApiKey {
  std::string name, key;  // the name is told in logs and metrics, the key never
  bool admin = false;     // may load and unload models
  double requests_per_minute = 0, tokens_per_minute = 0;
  TenantLimits limits = {};
};

// {"keys": [{"name", "key", "admin"?, "weight"?, "requests_per_minute"?, "tokens_per_minute"?,
// "max_running"?, "max_queued_requests"?, "max_queued_tokens"?}, ...]}. Throws Error naming
// `where`.
std::vector<ApiKey> read_api_keys(const Json& file, const std::string& where);

// The place of the key that an Authorization header bears. All keys are compared, each in a time
// that depends on the presented text alone.
std::optional<size_t> identify(const std::vector<ApiKey>& keys, std::string_view header);

// Tokens as the client was told them.
struct KeyUsage {
  int64_t requests = 0, refused = 0;
  int64_t prompt_tokens = 0, cached_tokens = 0, generation_tokens = 0;
};

// What each key used, and whether it may go on: a bucket of requests and one of tokens, which fill
// within a minute. A request may overdraw the tokens, since its length is known at its end only;
// the next one then waits. Times are seconds of any one clock. Any thread.
class KeyLedger {
 public:
  explicit KeyLedger(const std::vector<ApiKey>& keys);

  // Takes a request out of the key's bucket, or says when to come again (HTTP 429).
  std::optional<ApiError> admit(size_t key, double now_s);
  void refused(size_t key);
  void charge(size_t key, const KeyUsage& used, double now_s);
  KeyUsage usage(size_t key) const;

 private:
  struct Bucket {
    double per_minute = 0, level = 0, at_s = 0;
    void fill(double now_s);
  };
  struct Account {
    Bucket requests, tokens;
    KeyUsage usage;
  };
  mutable std::mutex mutex_;  // guards accounts_
  std::vector<Account> accounts_;
};

}  // namespace octavo::serve
