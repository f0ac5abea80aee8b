#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace octavo {
namespace {

// The references compute in float: 1 / theta^(2i/dim). Float here as well, so that angles of far
// positions agree.
std::vector<float> plain(double theta, int64_t dim) {
  std::vector<float> f(dim / 2);
  for (int64_t i = 0; i < dim / 2; ++i)
    f[i] = 1.0f /
           std::pow(static_cast<float>(theta), static_cast<float>(2 * i) / static_cast<float>(dim));
  return f;
}

// 2309.00071, section 3.2: frequencies that turn often within the trained length stay, slow ones
// are interpolated.
std::vector<float> yarn(const RopeSpec& spec, const RopeSpec::Yarn& y) {
  std::vector<float> f = plain(spec.theta, spec.dim);
  const auto dim = static_cast<double>(spec.dim);
  const auto dimension_of = [&](double rotations) {
    return dim *
           std::log(static_cast<double>(y.trained_tokens) / (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(spec.theta));
  };
  double low = dimension_of(y.beta_fast), high = dimension_of(y.beta_slow);
  if (y.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, dim - 1);
  if (low == high) high += 0.001;
  for (size_t i = 0; i < f.size(); ++i) {
    const auto ramp =
        static_cast<float>(std::clamp((static_cast<double>(i) - low) / (high - low), 0.0, 1.0));
    f[i] = f[i] / static_cast<float>(y.factor) * ramp + f[i] * (1 - ramp);
  }
  return f;
}

std::vector<float> llama3(const RopeSpec& spec, const RopeSpec::Llama3& l) {
  std::vector<float> f = plain(spec.theta, spec.dim);
  const auto trained = static_cast<double>(l.trained_tokens);
  for (float& value : f) {
    const double wavelength = 2 * std::numbers::pi / value;
    if (wavelength > trained / l.low_freq_factor) {
      value = static_cast<float>(value / l.factor);
    } else if (wavelength >= trained / l.high_freq_factor) {
      const double smooth =
          (trained / wavelength - l.low_freq_factor) / (l.high_freq_factor - l.low_freq_factor);
      value = static_cast<float>((1 - smooth) * value / l.factor + smooth * value);
    }
  }
  return f;
}

std::vector<float> divided(std::vector<float> f, const std::vector<double>& divisors) {
  for (size_t i = 0; i < f.size(); ++i) f[i] = static_cast<float>(f[i] / divisors[i]);
  return f;
}

double dynamic_theta(const RopeSpec& spec, const RopeSpec::Dynamic& d, int64_t length) {
  const double stretch =
      d.factor * static_cast<double>(length) / static_cast<double>(d.trained_tokens) -
      (d.factor - 1);
  return spec.theta *
         std::pow(stretch, static_cast<double>(spec.dim) / static_cast<double>(spec.dim - 2));
}

double stepped_theta(const RopeSpec& spec, const RopeSpec::DynamicSteps& d, int64_t length) {
  const double doublings =
      std::ceil(std::log2(static_cast<double>(length) / static_cast<double>(d.trained_tokens)) + 1);
  return spec.theta * std::pow(std::max(1.0, std::exp2(doublings) - 1),
                               static_cast<double>(spec.dim) / static_cast<double>(spec.dim - 2));
}

// The base for a sequence of this length, where it depends on that; else 0.
double theta_at(const RopeSpec& spec, int64_t length) {
  if (!depends_on_length(spec, length)) return 0;
  if (const auto* d = std::get_if<RopeSpec::Dynamic>(&spec.scaling))
    return dynamic_theta(spec, *d, length);
  if (const auto* d = std::get_if<RopeSpec::DynamicSteps>(&spec.scaling))
    return stepped_theta(spec, *d, length);
  return 0;
}

}  // namespace

RopeTable::RopeTable(const RopeSpec& spec)
    : spec_(spec), frequencies_(plain(spec.theta, spec.dim)) {
  if (const auto* linear = std::get_if<RopeSpec::Linear>(&spec.scaling)) {
    for (float& f : frequencies_) f /= static_cast<float>(linear->factor);
  } else if (const auto* y = std::get_if<RopeSpec::Yarn>(&spec.scaling)) {
    frequencies_ = yarn(spec, *y);
    factor_ = static_cast<float>(y->attention_factor);
  } else if (const auto* l = std::get_if<RopeSpec::Llama3>(&spec.scaling)) {
    frequencies_ = llama3(spec, *l);
  } else if (const auto* rope = std::get_if<RopeSpec::LongRope>(&spec.scaling)) {
    long_frequencies_ = divided(frequencies_, rope->long_factor);
    frequencies_ = divided(frequencies_, rope->short_factor);
    factor_ = static_cast<float>(rope->attention_factor);
  }
}

void RopeTable::angles(std::span<const int32_t> positions, std::span<const int32_t> lengths,
                       Mat cos, Mat sin) const {
  for (size_t row = 0; row < positions.size(); ++row) {
    const bool beyond = depends_on_length(spec_, lengths[row]);
    const std::vector<float>& f =
        beyond && !long_frequencies_.empty() ? long_frequencies_ : frequencies_;
    const double theta = theta_at(spec_, lengths[row]);
    for (int64_t i = 0; i < pairs(); ++i) {
      const float frequency =
          theta > 0 ? 1.0f / std::pow(static_cast<float>(theta),
                                      static_cast<float>(2 * i) / static_cast<float>(spec_.dim))
                    : f[i];
      const float angle = static_cast<float>(positions[row]) * frequency;
      cos.at(row)[i] = std::cos(angle) * factor_;
      sin.at(row)[i] = std::sin(angle) * factor_;
    }
  }
}

bool depends_on_length(const RopeSpec& spec, int64_t length) {
  if (const auto* dynamic = std::get_if<RopeSpec::Dynamic>(&spec.scaling))
    return length > dynamic->trained_tokens;
  if (const auto* rope = std::get_if<RopeSpec::LongRope>(&spec.scaling))
    return length > rope->trained_tokens;
  if (const auto* steps = std::get_if<RopeSpec::DynamicSteps>(&spec.scaling))
    return length > steps->trained_tokens;
  return false;
}

}  // namespace octavo
