#include <cmath>

#include "model/config.h"

namespace octavo {
namespace {

// Below 2 the frequencies would not fall; far above, they leave the range of float.
constexpr double kMinTheta = 2, kMaxTheta = 1e15;

// The trained length: inside the section, at the top level (Phi-3), else the position limit.
int64_t trained_tokens(const Config& c, const Config& scaling) {
  constexpr std::string_view kKey = "original_max_position_embeddings";
  constexpr int64_t kHigh = int64_t{1} << 31;
  if (scaling.has(kKey)) return scaling.integer(kKey, 1, kHigh);
  if (c.has(kKey)) return c.integer(kKey, 1, kHigh);
  return c.integer("max_position_embeddings", 1, kHigh);
}

RopeSpec::Yarn read_yarn(const Config& c, const Config& s) {
  RopeSpec::Yarn yarn{.factor = s.factor("factor"),
                      .beta_fast = s.factor_or("beta_fast", 32),
                      .beta_slow = s.factor_or("beta_slow", 1),
                      .attention_factor = 0,
                      .trained_tokens = trained_tokens(c, s),
                      .truncate = s.flag_or("truncate", true)};
  const auto magnitude = [&](double m) {
    return yarn.factor <= 1 ? 1.0 : 0.1 * m * std::log(yarn.factor) + 1;
  };
  const double m = s.number_within_or("mscale", 0, 1e6, 0),
               m_all = s.number_within_or("mscale_all_dim", 0, 1e6, 0);
  const double derived = m != 0 && m_all != 0 ? magnitude(m) / magnitude(m_all) : magnitude(1);
  yarn.attention_factor = s.number_within_or("attention_factor", 0, 1e6, derived);
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
      if (!(factor >= 1e-6 && factor <= 1e6)) s.fail(key, "a factor is not from 1e-6 to 1e6");
    }
  }
  const auto limit = static_cast<double>(c.integer("max_position_embeddings", 1, int64_t{1} << 31));
  const auto trained = static_cast<double>(rope.trained_tokens);
  const double factor = limit > trained ? limit / trained : s.factor_or("factor", 1);
  rope.attention_factor = s.number_within_or(
      "attention_factor", 0, 1e6,
      factor <= 1 || trained <= 1 ? 1.0 : std::sqrt(1 + std::log(factor) / std::log(trained)));
  return rope;
}

RopeSpec::Scaling read_scaling(const Config& c, const Config& s, int64_t dim) {
  const std::string kind = s.text_or("rope_type", s.text_or("type", "default"));
  if (kind == "default") return std::monostate{};
  if (kind == "linear") return RopeSpec::Linear{s.factor("factor")};
  // Hunyuan's dynamic with alpha is a constant base: see read_rope.
  if (kind == "dynamic" && s.has("alpha")) return std::monostate{};
  if (kind == "dynamic")
    return RopeSpec::Dynamic{s.factor("factor"),
                             c.integer("max_position_embeddings", 1, int64_t{1} << 31)};
  if (kind == "yarn") return read_yarn(c, s);
  if (kind == "llama3") {
    RopeSpec::Llama3 rope{s.factor("factor"), s.factor("low_freq_factor"),
                          s.factor("high_freq_factor"), trained_tokens(c, s)};
    if (rope.high_freq_factor <= rope.low_freq_factor)
      s.fail("high_freq_factor", "not above low_freq_factor");
    return rope;
  }
  if (kind == "longrope" || kind == "su") return read_longrope(c, s, dim);
  s.fail("rope_type", "unknown kind of rope scaling " + kind,
         "use default, linear, dynamic, yarn, llama3 or longrope");
}

}  // namespace

std::optional<Config> rope_section(const Config& c) {
  std::optional<Config> parameters = c.section("rope_parameters");
  return parameters ? std::move(parameters) : c.section("rope_scaling");
}

RopeSpec read_rope(const Config& c, int64_t head_dim, const RopeKeys& keys) {
  std::optional<Config> parameters = c.section("rope_parameters");
  if (parameters && !keys.layer_type.empty() && parameters->has(keys.layer_type))
    parameters = parameters->section(keys.layer_type);
  RopeSpec rope;
  rope.pairs = keys.pairs;
  const std::string_view theta = first_present(c, keys.theta);
  const std::string_view share = first_present(c, keys.partial);
  double partial = c.number_within_or(share, 0, 1, keys.default_partial);
  rope.theta = c.number_within_or(theta, kMinTheta, kMaxTheta, keys.default_theta);
  if (parameters) {
    rope.theta = parameters->number_within_or("rope_theta", kMinTheta, kMaxTheta, rope.theta);
    partial = parameters->number_within_or("partial_rotary_factor", 0, 1, partial);
  }
  rope.dim = static_cast<int64_t>(static_cast<double>(head_dim) * partial);
  if (rope.dim < 2 || rope.dim > head_dim || rope.dim % 2 != 0)
    c.fail(share, std::to_string(rope.dim) + " rotating elements of a head of " +
                      std::to_string(head_dim));
  if (!parameters && keys.scaled) parameters = c.section("rope_scaling");
  if (!parameters) return rope;
  if (keys.scaled) rope.scaling = read_scaling(c, *parameters, rope.dim);
  if (parameters->has("alpha") && rope.dim > 2)
    rope.theta *= std::pow(parameters->factor("alpha"),
                           static_cast<double>(rope.dim) / static_cast<double>(rope.dim - 2));
  return rope;
}

}  // namespace octavo
