#pragma once

#include <vector>

#include "quant/observations.h"
#include "quant/scale_groups.h"

namespace octavo::quant {

struct FoundScales {
  std::vector<float> scales;      // [in] of the inputs of `to`
  double ratio = 0;               // of the winner; below 0: none, all scales are 1
  double loss = 0, loss_one = 0;  // with these scales and with none, relative to the output
};

// AWQ's search for the scales of one group (2306.00978, section 3.2, with both means as AutoAWQ
// has it): s = mean|x|^r / mean|w|^(1-r) for ratios r between 0 and 1, judged by what quantizing
// changes in the group's output. [0, 1] in steps of 0.2 and no scales at all, then finer beside the
// best. The layer's model is as it was afterwards.
FoundScales search_scales(LayerJob& job, const ScaleGroup& group, const Observations& observed);

}  // namespace octavo::quant
