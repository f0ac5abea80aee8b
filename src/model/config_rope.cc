#include <cmath>

#include "model/config.h"

namespace octavo {
namespace {

double required_positive(const Config& scaling, std::string_view key) {
  return scaling.positive(key);
}

// The trained length: inside the section, at the top level (Phi-3), else the position limit.
int64_t trained_tokens(const Config& c, const Config& scaling) {
  constexpr std::string_view kKey = "original_max_position_embeddings";
  constexpr int64_t kHigh = int64_t{1} << 31;
  if (scaling.has(kKey)) return scaling.integer(kKey, 1, kHigh);
  if (c.has(kKey)) return c.integer(kKey, 1, kHigh);
  return c.integer("max_position_embeddings", 1, kHigh);
}

RopeSpec::Yarn read_yarn(const Config& c, const Config& s) {
  RopeSpec::Yarn yarn{.factor = required_positive(s, "factor"),
                      .beta_fast = s.number_or("beta_fast", 32),
                      .beta_slow = s.number_or("beta_slow", 1),
                      .attention_factor = 0,
                      .trained_tokens = trained_tokens(c, s),
                      .truncate = s.flag_or("truncate", true)};
  const auto magnitude = [&](double m) {
    return yarn.factor <= 1 ? 1.0 : 0.1 * m * std::log(yarn.factor) + 1;
  };
  const double m = s.number_or("mscale", 0), m_all = s.number_or("mscale_all_dim", 0);
  const double derived = m != 0 && m_all != 0 ? magnitude(m) / magnitude(m_all) : magnitude(1);
  yarn.attention_factor = s.number_or("attention_factor", derived);
  return yarn;
}

RopeSpec::LongRope read_longrope(const Config& c, const Config& s, int64_t dim) {
  RopeSpec::LongRope rope{.short_factor = s.numbers("short_factor"),
                          .long_factor = s.numbers("long_factor"),
                          .attention_factor = 1,
                          .trained_tokens = trained_tokens(c, s)};
  for (const char* key : {"short_factor", "long_factor"}) {
    const auto& factors = key[0] == 's' ? rope.short_factor : rope.long_factor;
    if (static_cast<int64_t>(factors.size()) != dim / 2)
      s.fail(key, std::to_string(factors.size()) + " factors for " + std::to_string(dim / 2) +
                      " frequencies");
    for (double factor : factors) {
      if (!(factor > 0)) s.fail(key, "a factor is not above 0");
    }
  }
  const auto limit = static_cast<double>(c.integer("max_position_embeddings", 1, int64_t{1} << 31));
  const auto trained = static_cast<double>(rope.trained_tokens);
  const double factor = limit > trained ? limit / trained : s.number_or("factor", 1);
  rope.attention_factor = s.number_or(
      "attention_factor",
      factor <= 1 || trained <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(trained)));
  return rope;
}

RopeSpec::Scaling read_scaling(const Config& c, const Config& s, int64_t dim) {
  const std::string kind = s.text_or("rope_type", s.text_or("type", "default"));
  if (kind == "default") return std::monostate{};
  if (kind == "linear") return RopeSpec::Linear{required_positive(s, "factor")};
  if (kind == "dynamic")
    return RopeSpec::Dynamic{required_positive(s, "factor"),
                             c.integer("max_position_embeddings", 1, int64_t{1} << 31)};
  if (kind == "yarn") return read_yarn(c, s);
  if (kind == "llama3") {
    RopeSpec::Llama3 rope{required_positive(s, "factor"), required_positive(s, "low_freq_factor"),
                          required_positive(s, "high_freq_factor"), trained_tokens(c, s)};
    if (rope.high_freq_factor <= rope.low_freq_factor)
      s.fail("high_freq_factor", "not above low_freq_factor");
    return rope;
  }
  if (kind == "longrope" || kind == "su") return read_longrope(c, s, dim);
  s.fail("rope_type", "unknown kind of rope scaling " + kind,
         "use default, linear, dynamic, yarn, llama3 or longrope");
}

}  // namespace

RopeSpec read_rope(const Config& c, int64_t head_dim, const RopeKeys& keys) {
  std::optional<Config> parameters = c.section("rope_parameters");
  if (parameters && !keys.layer_type.empty() && parameters->has(keys.layer_type))
    parameters = parameters->section(keys.layer_type);
  RopeSpec rope;
  double partial = 1;
  if (c.has(keys.partial)) partial = c.positive(keys.partial);
  rope.theta = c.has(keys.theta) ? c.positive(keys.theta) : keys.default_theta;
  if (parameters) {
    if (parameters->has("rope_theta")) rope.theta = parameters->positive("rope_theta");
    if (parameters->has("partial_rotary_factor"))
      partial = parameters->positive("partial_rotary_factor");
  }
  rope.dim = static_cast<int64_t>(static_cast<double>(head_dim) * partial);
  if (rope.dim < 2 || rope.dim > head_dim || rope.dim % 2 != 0)
    c.fail(keys.partial, std::to_string(rope.dim) + " rotating elements of a head of " +
                             std::to_string(head_dim));
  if (parameters) {
    rope.scaling = read_scaling(c, *parameters, rope.dim);
  } else if (auto scaling = c.section("rope_scaling"); scaling && keys.scaled) {
    rope.scaling = read_scaling(c, *scaling, rope.dim);
  }
  return rope;
}

}  // namespace octavo
