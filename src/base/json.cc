#include "base/json.h"

#include <utility>
#include <vector>

#include "octavo/error.h"

namespace octavo {
namespace {

// Builds the document while counting depth and keys, so that a hostile text is refused before it
// costs memory.
class LimitedBuilder final : public nlohmann::json_sax<Json> {
 public:
  explicit LimitedBuilder(const JsonLimits& limits) : limits_(limits) {}

  bool null() override { return add(Json(nullptr)); }
  bool boolean(bool v) override { return add(Json(v)); }
  bool number_integer(number_integer_t v) override { return add(Json(v)); }
  bool number_unsigned(number_unsigned_t v) override { return add(Json(v)); }
  bool number_float(number_float_t v, const string_t&) override { return add(Json(v)); }
  bool string(string_t& v) override { return add(Json(std::move(v))); }
  bool binary(binary_t&) override { return fail("binary value"); }
  bool start_object(std::size_t) override { return open(Json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(Json::array()); }
  bool end_array() override { return close(); }
  bool key(string_t& name) override {
    if (++open_.back().keys > limits_.max_keys)
      return fail("more than " + std::to_string(limits_.max_keys) + " keys in one object");
    open_.back().key = std::move(name);
    return true;
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail("bad JSON at byte " + std::to_string(position));
  }

  Json root;
  std::string problem;

 private:
  struct Level {
    Json value;
    std::string key;
    size_t keys = 0;
  };

  bool fail(std::string why) {
    if (problem.empty()) problem = std::move(why);
    return false;
  }
  bool open(Json container) {
    if (static_cast<int>(open_.size()) >= limits_.max_depth) {
      return fail("nested deeper than " + std::to_string(limits_.max_depth));
    }
    open_.push_back({std::move(container), {}, 0});
    return true;
  }
  bool close() {
    Json done = std::move(open_.back().value);
    open_.pop_back();
    return add(std::move(done));
  }
  bool add(Json value) {
    if (open_.empty()) {
      root = std::move(value);
    } else if (open_.back().value.is_array()) {
      open_.back().value.push_back(std::move(value));
    } else {
      open_.back().value[open_.back().key] = std::move(value);
    }
    return true;
  }

  const JsonLimits& limits_;
  std::vector<Level> open_;
};

}  // namespace

Json parse_json(std::string_view text, std::string_view where, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes) {
    throw Error("JSON text of " + std::to_string(text.size()) + " bytes is too large",
                std::string(where), "keep it under " + std::to_string(limits.max_bytes) + " bytes");
  }
  LimitedBuilder builder(limits);
  if (!Json::sax_parse(text.begin(), text.end(), &builder)) {
    throw Error(builder.problem.empty() ? "bad JSON" : builder.problem, std::string(where),
                "give valid JSON");
  }
  return std::move(builder.root);
}

std::string to_line(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace octavo
