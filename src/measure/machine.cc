#include "measure/machine.h"

#include "measure/statistics.h"

namespace octavo::measure {

void LimitSamples::take() {
  read_.push_back(machine_.read_rate());
  take_units();
}

void LimitSamples::take_units() {
  for (size_t i = 0; i < units_.size(); ++i) units_[i].push_back(machine_.units[i].rate());
}

double LimitSamples::read_rate() const { return median(read_); }

double LimitSamples::rate_of_unit(size_t unit) const { return median(units_[unit]); }

int LimitSamples::fastest(Compute compute) const {
  int best = -1;
  for (size_t i = 0; i < units_.size(); ++i) {
    if (machine_.units[i].compute != compute) continue;
    if (best < 0 || rate_of_unit(i) > rate_of_unit(static_cast<size_t>(best)))
      best = static_cast<int>(i);
  }
  return best;
}

double LimitSamples::peak(Compute compute) const {
  const int unit = fastest(compute);
  return unit < 0 ? 0 : rate_of_unit(static_cast<size_t>(unit));
}

std::string_view LimitSamples::unit_name(Compute compute) const {
  const int unit = fastest(compute);
  return unit < 0 ? std::string_view("none") : machine_.units[static_cast<size_t>(unit)].name;
}

}  // namespace octavo::measure
