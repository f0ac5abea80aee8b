#pragma once

#include <cstdint>
#include <random>
#include <vector>

namespace octavo::measure {

enum class RampUp : uint8_t { none, linear, exponential };

// When requests are sent, under vLLM's names.
struct ArrivalOptions {
  double request_rate = 0;  // requests a second; 0: all at once ("inf")
  // Shape of the gaps' gamma distribution: 1 is a Poisson process, less is burstier, more is
  // steadier.
  double burstiness = 1;
  RampUp ramp_up = RampUp::none;  // of the rate, over the requests
  double start_rps = 0, end_rps = 0;
};

// Seconds of `count` requests after the first one, ascending. Without ramp-up they are stretched so
// that all together come at the rate asked for.
std::vector<double> arrivals(const ArrivalOptions& options, int64_t count, std::mt19937_64& random);

// A trace's own times with its bursts, stretched to `rate` requests a second on average; 0: as they
// are.
void stretch(std::vector<double>& times, double rate);

}  // namespace octavo::measure
