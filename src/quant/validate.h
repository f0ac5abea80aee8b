#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "model/source.h"
#include "octavo/recipe.h"

namespace octavo::quant {

// Something about a recipe that does not fit, or that its user should know.
struct Finding {
  enum class Weight : uint8_t {
    problem,  // the job cannot be done so
    advice,   // it can, but not to what was asked for, or not every reader takes the result
  };
  Weight weight = Weight::problem;
  std::string what, where;  // where: field or matrix
  std::string mend;         // the nearest setting that would do
};

// What is known of the calibration data before the job.
struct CalibrationFacts {
  int64_t samples = 0, tokens = 0;
  int64_t longest = 0;  // tokens of the longest sample
};

// Holds a recipe against a model before any work: every finding, problems first, one for matrices
// that share it. Reads headers alone. Throws Error only where the model's matrices cannot be found.
std::vector<Finding> validate(const Recipe& recipe, const ModelSource& source,
                              const CalibrationFacts& calibration);

// Throws one Error with all problems, if there are any. Returns the advice, a line each.
std::vector<std::string> refuse_problems(const std::vector<Finding>& findings);

}  // namespace octavo::quant
