#include "text/tokenizer/document.h"

#include "base/file.h"
#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{256} << 20;
constexpr size_t kMaxDepth = 64;

}  // namespace

std::optional<Field> Field::find(std::string_view key) const {
  simdjson::dom::element found;
  if (object().at_key(key).get(found) != simdjson::SUCCESS || found.is_null()) return std::nullopt;
  return Field(found, file_, path_.empty() ? std::string(key) : path_ + "." + std::string(key));
}

Field Field::at(std::string_view key) const {
  if (auto found = find(key)) return *std::move(found);
  fail("field '" + std::string(key) + "' is missing");
}

simdjson::dom::object Field::object() const {
  simdjson::dom::object object;
  if (value_.get(object) != simdjson::SUCCESS) fail("not a JSON object");
  return object;
}

simdjson::dom::array Field::array() const {
  simdjson::dom::array array;
  if (value_.get(array) != simdjson::SUCCESS) fail("not a JSON array");
  return array;
}

Field Field::element(simdjson::dom::element value, size_t index) const {
  return Field(value, file_, path_ + "[" + std::to_string(index) + "]");
}

std::string_view Field::text() const {
  std::string_view text;
  if (value_.get(text) != simdjson::SUCCESS) fail("not a string");
  return text;
}

bool Field::flag() const {
  bool flag = false;
  if (value_.get(flag) != simdjson::SUCCESS) fail("neither true nor false");
  return flag;
}

int64_t Field::integer(int64_t min, int64_t max) const {
  int64_t value = 0;
  if (value_.get(value) != simdjson::SUCCESS || value < min || value > max) {
    fail("not a whole number from " + std::to_string(min) + " to " + std::to_string(max));
  }
  return value;
}

double Field::number() const {
  double value = 0;
  if (value_.get(value) != simdjson::SUCCESS) fail("not a number");
  return value;
}

char32_t Field::character() const {
  const std::string_view value = text();
  if (value.empty() || unicode::char_bytes(value[0]) != value.size()) fail("not one character");
  return unicode::char_at(value, 0).code;
}

std::string Field::text_or(std::string_view key, std::string_view fallback) const {
  const auto found = find(key);
  return std::string(found ? found->text() : fallback);
}

bool Field::flag_or(std::string_view key, bool fallback) const {
  const auto found = find(key);
  return found ? found->flag() : fallback;
}

int64_t Field::integer_or(std::string_view key, int64_t fallback, int64_t min, int64_t max) const {
  const auto found = find(key);
  return found ? found->integer(min, max) : fallback;
}

void Field::fail(std::string problem, std::string mend) const {
  throw Error(std::move(problem), *file_ + (path_.empty() ? "" : ": " + path_), std::move(mend));
}

void Field::fail(std::string problem) const {
  fail(std::move(problem), "take the file again from where the model was published");
}

Document::Document(const std::filesystem::path& file) : name_(file.string()), parser_() {
  parse(read_file(file, kMaxFileBytes));
}

Document::Document(std::string_view bytes, std::string name) : name_(std::move(name)) {
  parse(bytes);
}

void Document::parse(std::string_view bytes) {
  auto error = parser_.allocate(bytes.size() + 1, kMaxDepth);
  if (error == simdjson::SUCCESS) {
    error = parser_.parse(bytes.data(), bytes.size(), true).get(root_);
  }
  if (error != simdjson::SUCCESS) {
    throw Error("not valid JSON: " + std::string(simdjson::error_message(error)), name_,
                "take the file again from where the model was published");
  }
}

}  // namespace octavo::tokenizer
