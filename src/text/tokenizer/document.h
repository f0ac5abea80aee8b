#pragma once

#include <simdjson.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "octavo/error.h"

namespace octavo::tokenizer {

// A value of a tokenizer file with the place it came from, so that whatever is wrong with it can be
// named. Borrows from its Document.
class Field {
 public:
  Field(simdjson::dom::element value, const std::string* file, std::string path)
      : value_(value), file_(file), path_(std::move(path)) {}

  // Absent when the key is missing or null. Throws Error when this is not an object.
  std::optional<Field> find(std::string_view key) const;
  // Throws Error when absent.
  Field at(std::string_view key) const;

  bool is_object() const { return value_.is_object(); }
  bool is_array() const { return value_.is_array(); }
  bool is_string() const { return value_.is_string(); }
  simdjson::dom::object object() const;
  simdjson::dom::array array() const;
  Field element(simdjson::dom::element value, size_t index) const;
  // Below: throw Error when the value has another type or does not fit.
  std::string_view text() const;
  bool flag() const;
  int64_t integer(int64_t min, int64_t max) const;
  double number() const;
  // The only character of a string.
  char32_t character() const;

  // Value of an optional key.
  std::string text_or(std::string_view key, std::string_view fallback) const;
  bool flag_or(std::string_view key, bool fallback) const;
  int64_t integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max) const;
  // The component's `type`.
  std::string_view type() const { return at("type").text(); }

  [[noreturn]] void fail(std::string problem, std::string mend) const;
  [[noreturn]] void fail(std::string problem) const;

 private:
  simdjson::dom::element value_;
  const std::string* file_;
  std::string path_;
};

// A parsed JSON file; owns what its fields borrow.
class Document {
 public:
  // Throws Error when the file cannot be read, is larger than 256 MiB or is not JSON.
  explicit Document(const std::filesystem::path& file);
  // `name` stands for the file in messages.
  Document(std::string_view bytes, std::string name);
  Document(const Document&) = delete;
  Document& operator=(const Document&) = delete;

  Field root() const { return {root_, &name_, ""}; }

 private:
  void parse(std::string_view bytes);

  std::string name_;
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

}  // namespace octavo::tokenizer
