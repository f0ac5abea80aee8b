#include "model/config.h"

#include <cmath>
#include <memory>

#include "base/file.h"
#include "base/json.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr uint64_t kMaxConfigBytes = uint64_t{16} << 20;
// Several times the largest models; together they bound what a few bytes of config can ask for.
constexpr int64_t kMaxLayers = 1024, kMaxHeadDim = 1024;

}  // namespace

Config::Config(std::unique_ptr<Json> json, std::string where)
    : json_(std::move(json)), where_(std::move(where)) {}
Config::~Config() = default;
Config::Config(Config&&) noexcept = default;
Config& Config::operator=(Config&&) noexcept = default;

Config Config::read(const std::filesystem::path& file) {
  return parse(read_file(file, kMaxConfigBytes), file.string());
}

Config Config::parse(std::string_view text, std::string where) {
  auto json = std::make_unique<Json>(parse_json(text, where));
  if (!json->is_object()) throw Error("not a JSON object", where, "give a config of a model");
  return Config(std::move(json), std::move(where));
}

Config Config::with(std::string_view overrides) const {
  auto json = std::make_unique<Json>(*json_);
  if (!overrides.empty()) {
    const Json changes = parse_json(overrides, "--hf-overrides");
    if (!changes.is_object())
      throw Error("not a JSON object", "--hf-overrides", "write {\"FIELD\": VALUE}");
    json->merge_patch(changes);
  }
  return Config(std::move(json), where_);
}

void Config::fail(std::string_view key, const std::string& problem, const std::string& mend) const {
  throw Error(problem, where_ + ", field " + std::string(key), mend);
}

const Json* Config::find(std::string_view key) const {
  const auto found = json_->find(std::string(key));
  return found == json_->end() || found->is_null() ? nullptr : &*found;
}

bool Config::has(std::string_view key) const { return find(key) != nullptr; }

int64_t Config::integer(std::string_view key, int64_t low, int64_t high) const {
  const Json* value = find(key);
  if (value == nullptr) fail(key, "missing", "add it");
  const bool fits = value->is_number_integer() &&
                    !(value->is_number_unsigned() && value->get<uint64_t>() > INT64_MAX);
  if (!fits || value->get<int64_t>() < low || value->get<int64_t>() > high) {
    fail(key, "value " + to_line(*value).substr(0, 40) + " is no whole number from " +
                  std::to_string(low) + " to " + std::to_string(high));
  }
  return value->get<int64_t>();
}

int64_t Config::integer_or(std::string_view key, int64_t low, int64_t high,
                           int64_t otherwise) const {
  return has(key) ? integer(key, low, high) : otherwise;
}

double Config::number(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) fail(key, "missing", "add it");
  if (!value->is_number() || !std::isfinite(value->get<double>()))
    fail(key, "value " + to_line(*value).substr(0, 40) + " is no number");
  return value->get<double>();
}

double Config::number_within(std::string_view key, double low, double high) const {
  const double value = number(key);
  if (!(value >= low && value <= high)) {
    fail(key, "value " + to_line(Json(value)) + " is not from " + to_line(Json(low)) + " to " +
                  to_line(Json(high)));
  }
  return value;
}

double Config::number_within_or(std::string_view key, double low, double high,
                                double otherwise) const {
  return has(key) ? number_within(key, low, high) : otherwise;
}

double Config::factor(std::string_view key) const { return number_within(key, 1e-6, 1e6); }

double Config::factor_or(std::string_view key, double otherwise) const {
  return has(key) ? factor(key) : otherwise;
}

bool Config::flag_or(std::string_view key, bool otherwise) const {
  const Json* value = find(key);
  if (value == nullptr) return otherwise;
  if (!value->is_boolean()) fail(key, "value is neither true nor false");
  return value->get<bool>();
}

std::string Config::text(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) fail(key, "missing", "add it");
  if (!value->is_string()) fail(key, "value is no string");
  return value->get<std::string>();
}

std::optional<std::string> Config::text_if_any(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr || !value->is_string()) return std::nullopt;
  return value->get<std::string>();
}

std::string Config::text_or(std::string_view key, std::string_view otherwise) const {
  return has(key) ? text(key) : std::string(otherwise);
}

std::vector<std::string> Config::texts_or_empty(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_array()) fail(key, "value is no list");
  std::vector<std::string> texts;
  for (const Json& item : *value) {
    if (!item.is_string()) fail(key, "list holds something else than strings");
    texts.push_back(item.get<std::string>());
  }
  return texts;
}

std::vector<double> Config::numbers(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) fail(key, "missing", "add it");
  if (!value->is_array()) fail(key, "value is no list");
  std::vector<double> numbers;
  for (const Json& item : *value) {
    if (!item.is_number()) fail(key, "list holds something else than numbers");
    numbers.push_back(item.get<double>());
  }
  return numbers;
}

std::vector<int64_t> Config::integers(std::string_view key, int64_t low, int64_t high) const {
  std::vector<int64_t> whole;
  for (double number : numbers(key)) {
    if (!(number >= static_cast<double>(low) && number <= static_cast<double>(high)) ||
        number != std::floor(number))
      fail(key, "list holds something else than whole numbers from " + std::to_string(low) +
                    " to " + std::to_string(high));
    whole.push_back(static_cast<int64_t>(number));
  }
  return whole;
}

std::optional<Config> Config::section(std::string_view key) const {
  const Json* value = find(key);
  if (value == nullptr) return std::nullopt;
  if (!value->is_object()) fail(key, "value is no object");
  return Config(std::make_unique<Json>(*value), where_ + ", " + std::string(key));
}

Config Config::needed_section(std::string_view key) const {
  if (!has(key)) fail(key, "missing", "add it");
  return std::move(*section(key));
}

std::string Config::architecture() const {
  if (has("architecture_alias")) return text("architecture_alias");
  const auto names = texts_or_empty("architectures");
  return names.empty() ? text("model_type") : names.front();
}

const Json& Config::json() const { return *json_; }

std::string_view first_present(const Config& c, std::string_view keys) {
  for (std::string_view rest = keys;;) {
    const std::string_view key = rest.substr(0, rest.find('|'));
    if (c.has(key)) return key;
    if (key.size() == rest.size()) return keys.substr(0, keys.find('|'));
    rest.remove_prefix(key.size() + 1);
  }
}

Dims read_dims(const Config& c, const DimNames& names) {
  const auto key = [&](std::string_view keys) { return first_present(c, keys); };
  const auto fail_heads = [&](const std::string& problem) { c.fail(key(names.heads), problem); };
  Dims d;
  d.hidden = c.integer(key(names.hidden), 1, 1 << 20);
  d.layers = c.integer(key(names.layers), 1, kMaxLayers);
  d.heads = c.integer(key(names.heads), 1, 4096);
  d.kv_heads =
      names.kv_heads.empty() ? d.heads : c.integer_or(key(names.kv_heads), 1, 4096, d.heads);
  if (d.heads % d.kv_heads != 0)
    c.fail(key(names.kv_heads), std::to_string(d.kv_heads) + " does not divide the " +
                                    std::to_string(d.heads) + " heads");
  if (!c.has(names.head_dim) && d.hidden % d.heads != 0)
    fail_heads(std::to_string(d.heads) + " does not divide the hidden size " +
               std::to_string(d.hidden));
  d.head_dim = c.integer_or(names.head_dim, 1, kMaxHeadDim, d.hidden / d.heads);
  if (d.head_dim > kMaxHeadDim)
    fail_heads("heads of " + std::to_string(d.head_dim) + " elements, above the limit of " +
               std::to_string(kMaxHeadDim));
  d.ffn = names.ffn_factor ? c.integer_or(key(names.ffn), 1, 1 << 22, d.hidden * *names.ffn_factor)
                           : c.integer(key(names.ffn), 1, 1 << 22);
  d.vocab = c.integer(key(names.vocab), 1, 1 << 24);
  constexpr int64_t kHigh = int64_t{1} << 31;
  d.max_positions = names.positions_otherwise ? c.integer_or(key(names.max_positions), 1, kHigh,
                                                             *names.positions_otherwise)
                                              : c.integer(key(names.max_positions), 1, kHigh);
  return d;
}

Act read_act(const Config& c, std::initializer_list<std::string_view> keys) {
  static constexpr std::pair<std::string_view, Act> kActs[] = {
      {"silu", Act::silu},           {"swish", Act::silu},
      {"gelu", Act::gelu},           {"gelu_python", Act::gelu},
      {"gelu_new", Act::gelu_tanh},  {"gelu_pytorch_tanh", Act::gelu_tanh},
      {"gelu_fast", Act::gelu_tanh}, {"gelu_accurate", Act::gelu_tanh},
      {"relu", Act::relu},           {"relu2", Act::relu2},
      {"xielu", Act::xielu}};
  for (std::string_view key : keys) {
    if (!c.has(key)) continue;
    const std::string wanted = c.text(key);
    for (const auto& [known, act] : kActs) {
      if (known == wanted) return act;
    }
    c.fail(key, "unknown activation " + wanted,
           "use silu, gelu, gelu_new, gelu_pytorch_tanh, relu, relu2 or xielu");
  }
  c.fail(*keys.begin(), "missing", "add it");
}

std::vector<bool> read_sliding(const Config& c, int64_t layers,
                               bool (*otherwise)(int64_t, const Config&)) {
  const auto types = c.texts_or_empty("layer_types");
  std::vector<bool> sliding(layers);
  if (!types.empty() && static_cast<int64_t>(types.size()) != layers)
    c.fail("layer_types",
           std::to_string(types.size()) + " entries for " + std::to_string(layers) + " layers");
  for (int64_t i = 0; i < layers; ++i) {
    if (types.empty()) {
      sliding[i] = otherwise(i, c);
    } else if (types[i] == "sliding_attention" || types[i] == "full_attention") {
      sliding[i] = types[i] == "sliding_attention";
    } else {
      c.fail("layer_types", "unknown kind of layer " + types[i],
             "use full_attention or sliding_attention");
    }
  }
  return sliding;
}

}  // namespace octavo
