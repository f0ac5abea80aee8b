#pragma once

#include <vector>

namespace octavo::measure {

// Of no values: NaN.
double mean(const std::vector<double>& values);
// Of the population, as numpy.std.
double standard_deviation(const std::vector<double>& values);
// The value below which `percent` of them lie, between neighbours by a straight line, as
// numpy.percentile. REQUIRES: 0 <= percent <= 100.
double percentile(std::vector<double> values, double percent);
double median(std::vector<double> values);

}  // namespace octavo::measure
