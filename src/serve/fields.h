#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/json_fwd.h"
#include "octavo/tokens.h"
#include "serve/api_error.h"

namespace octavo::serve {

// Reads the fields of a request's object. Null and absent leave the target as it is. The first
// field that is wrong is remembered with its name; later reads then do nothing, so a parser reads
// straight on and asks for error() at its end.
class Fields {
 public:
  // REQUIRES: `object` is an object and outlives this.
  explicit Fields(const Json& object);

  const Json* find(const char* key) const;  // nullptr: absent or null
  void fail(std::string param, std::string message);
  const std::optional<ApiError>& error() const { return error_; }
  bool good() const { return !error_; }

  struct Range {
    double low, high;
    bool low_open = false;
  };
  struct Whole {
    int64_t low, high;
  };
  void flag(const char* key, bool& out);
  void number(const char* key, float& out, Range range);
  void integer(const char* key, int64_t& out, Whole range);
  void integer(const char* key, std::optional<int64_t>& out, Whole range);
  void text(const char* key, std::string& out, size_t max_bytes);
  // A list of ids below `vocab`.
  void token_ids(const char* key, std::vector<TokenId>& out, int64_t vocab, size_t max_count);
  // A text or a list of texts, none empty.
  void texts(const char* key, std::vector<std::string>& out, size_t max_count, size_t max_bytes);

 private:
  const Json& object_;
  std::optional<ApiError> error_;
};

// The value as an integer of 64 bits; a float counts when it is whole. Empty for all else.
std::optional<int64_t> as_integer(const Json& value);
// As an id below `vocab`.
std::optional<TokenId> as_token_id(const Json& value, int64_t vocab);

}  // namespace octavo::serve
