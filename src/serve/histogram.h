#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace octavo::serve {

// A Prometheus histogram. observe() may be called from any thread; one that is written while others
// observe may be behind by those.
class Histogram {
 public:
  explicit Histogram(std::vector<double> bounds);  // rising upper bounds, without +Inf

  void observe(double value, uint64_t times = 1);
  // Appends NAME_bucket, NAME_sum and NAME_count lines with `labels` (a="b",...).
  void write(const std::string& name, const std::string& labels, std::string& out) const;
  const std::vector<double>& bounds() const { return bounds_; }
  std::vector<uint64_t> counts() const;  // one a bound and one above
  // Mean of all values; 0 when there is none.
  double mean() const;

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<uint64_t>> counts_;  // one a bound and one above
  std::atomic<double> sum_{0};
};

// 1, 2, 5, 10, 20, 50 ... up to `highest`.
std::vector<double> one_two_five(double highest);

}  // namespace octavo::serve
