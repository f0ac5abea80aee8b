#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json_fwd.h"
#include "model/spec.h"

namespace octavo {

// A parsed config.json, read by key with the range that a sane value has. Every getter throws Error
// naming the key: a missing key that a family needs never becomes a silent default.
class Config {
 public:
  static Config read(const std::filesystem::path& file);
  static Config parse(std::string_view text, std::string where);
  ~Config();
  Config(Config&&) noexcept;
  Config& operator=(Config&&) noexcept;

  // With fields replaced by those of a JSON object; null takes a field away (RFC 7396). Nothing:
  // unchanged. Throws Error naming the option.
  Config with(std::string_view overrides) const;

  bool has(std::string_view key) const;  // present and not null
  int64_t integer(std::string_view key, int64_t low, int64_t high) const;
  int64_t integer_or(std::string_view key, int64_t low, int64_t high, int64_t otherwise) const;
  double number(std::string_view key) const;
  double number_within(std::string_view key, double low, double high) const;
  double number_within_or(std::string_view key, double low, double high, double otherwise) const;
  // From 1e-6 to 1e6: divisors and multipliers, so that what is computed from them stays finite.
  double factor(std::string_view key) const;
  double factor_or(std::string_view key, double otherwise) const;
  bool flag_or(std::string_view key, bool otherwise) const;
  std::string text(std::string_view key) const;
  std::optional<std::string> text_if_any(std::string_view key) const;  // empty: no text
  std::string text_or(std::string_view key, std::string_view otherwise) const;
  std::vector<std::string> texts_or_empty(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  std::vector<int64_t> integers(std::string_view key, int64_t low, int64_t high) const;
  // The object at `key` as a Config of its own, for nested sections; empty when absent or null.
  std::optional<Config> section(std::string_view key) const;
  Config needed_section(std::string_view key) const;

  // "LlamaForCausalLM" from architecture_alias, else `architectures`, else model_type.
  std::string architecture() const;
  const Json& json() const;
  const std::string& where() const { return where_; }
  [[noreturn]] void fail(std::string_view key, const std::string& problem,
                         const std::string& mend = "correct it") const;

 private:
  Config(std::unique_ptr<Json> json, std::string where);
  const Json* find(std::string_view key) const;

  std::unique_ptr<Json> json_;
  std::string where_;
};

// The keys that nearly every decoder has, checked against each other. Other spellings through
// `DimNames`.
struct Dims {
  int64_t hidden = 0, heads = 0, kv_heads = 0, head_dim = 0, ffn = 0, layers = 0, vocab = 0,
          max_positions = 0;
};
// "a|b": the first of these keys that is there.
struct DimNames {
  std::string_view hidden = "hidden_size", heads = "num_attention_heads",
                   kv_heads = "num_key_value_heads", head_dim = "head_dim",
                   ffn = "intermediate_size", layers = "num_hidden_layers", vocab = "vocab_size",
                   max_positions = "max_position_embeddings";
  // Where these may be absent or null; ffn as a multiple of hidden.
  std::optional<int64_t> ffn_factor = {}, positions_otherwise = {};
};
Dims read_dims(const Config& c, const DimNames& names = {});

// Rotary embedding of heads of `head_dim`: rope_parameters (transformers 5, also per layer type) or
// rope_theta and rope_scaling. `theta` stands in where the config has none.
struct RopeKeys {
  std::string_view layer_type = "full_attention";  // entry of a nested rope_parameters
  std::string_view theta = "rope_theta", partial = "partial_rotary_factor";
  double default_theta = 10000;
  double default_partial = 1;
  bool scaled = true;  // false: rope_scaling does not concern these layers
  RopePairs pairs = RopePairs::half;
};
RopeSpec read_rope(const Config& c, int64_t head_dim, const RopeKeys& keys = {});

// The section that scales the rope: rope_parameters, else rope_scaling; empty when absent or null.
std::optional<Config> rope_section(const Config& c);

// The first of "a|b" that the config has, else the first.
std::string_view first_present(const Config& c, std::string_view keys);

// The number that a norm adds to the mean square or variance.
inline double read_eps(const Config& c, std::string_view key) {
  return c.number_within(key, 1e-12, 1);
}

// The activation named by the first of `keys` that is there.
Act read_act(const Config& c, std::initializer_list<std::string_view> keys);

// True for each layer that attends within the window: layer_types where given, else `otherwise`.
std::vector<bool> read_sliding(const Config& c, int64_t layers,
                               bool (*otherwise)(int64_t layer, const Config&));

}  // namespace octavo
