#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace octavo {

// The key-value part of a GGUF file. Getters throw Error naming file and key for a value that is
// missing or of another kind; numbers of any stored width are read alike.
class GgufMetadata {
 public:
  // `nothing` stands for what no reader needs: lists of lists.
  struct Nothing {};
  using Value = std::variant<Nothing, bool, int64_t, double, std::string, std::vector<int64_t>,
                             std::vector<float>, std::vector<std::string>>;

  explicit GgufMetadata(std::string file) : file_(std::move(file)) {}

  // False when the key is there already.
  bool add(std::string key, Value value) {
    return values_.emplace(std::move(key), std::move(value)).second;
  }

  bool has(std::string_view key) const { return values_.find(key) != values_.end(); }
  const Value* find(std::string_view key) const;
  int64_t integer(std::string_view key, int64_t low, int64_t high) const;
  int64_t integer_or(std::string_view key, int64_t low, int64_t high, int64_t otherwise) const;
  double number(std::string_view key) const;
  bool flag_or(std::string_view key, bool otherwise) const;
  const std::string& text(std::string_view key) const;
  std::string text_or(std::string_view key, std::string_view otherwise) const;
  const std::vector<std::string>& texts(std::string_view key) const;
  const std::vector<int64_t>& integers(std::string_view key) const;
  const std::vector<float>& numbers(std::string_view key) const;
  // Of keys that begin so.
  std::vector<std::string> keys(std::string_view prefix) const;

  const std::string& file() const { return file_; }
  [[noreturn]] void fail(std::string_view key, const std::string& problem,
                         const std::string& mend = "convert the model again") const;

 private:
  template <class T>
  const T& get(std::string_view key, const char* kind) const;

  std::string file_;
  std::map<std::string, Value, std::less<>> values_;
};

}  // namespace octavo
