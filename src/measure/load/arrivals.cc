#include "measure/load/arrivals.h"

#include <algorithm>
#include <cmath>

namespace octavo::measure {
namespace {

double rate_at(const ArrivalOptions& o, int64_t i, int64_t count) {
  const double share = count > 1 ? static_cast<double>(i) / static_cast<double>(count - 1) : 1;
  if (o.ramp_up == RampUp::linear) return o.start_rps + (o.end_rps - o.start_rps) * share;
  if (o.ramp_up == RampUp::exponential)
    return o.start_rps * std::pow(o.end_rps / o.start_rps, share);
  return o.request_rate;
}

}  // namespace

std::vector<double> arrivals(const ArrivalOptions& options, int64_t count,
                             std::mt19937_64& random) {
  std::vector<double> times(static_cast<size_t>(count), 0.0);
  if (options.ramp_up == RampUp::none && options.request_rate <= 0) return times;
  double now = 0;
  for (int64_t i = 1; i < count; ++i) {
    const double rate = std::max(rate_at(options, i - 1, count), 1e-6);
    // Mean 1 / rate whatever the shape.
    std::gamma_distribution<double> gap(options.burstiness, 1 / (rate * options.burstiness));
    now += gap(random);
    times[static_cast<size_t>(i)] = now;
  }
  if (options.ramp_up == RampUp::none && now > 0) {
    const double wanted = static_cast<double>(count - 1) / options.request_rate;
    for (double& time : times) time *= wanted / now;
  }
  return times;
}

void stretch(std::vector<double>& times, double rate) {
  if (rate <= 0 || times.size() < 2 || times.back() <= 0) return;
  const double factor = static_cast<double>(times.size() - 1) / rate / times.back();
  for (double& time : times) time *= factor;
}

}  // namespace octavo::measure
