#pragma once

#include <cstdint>
#include <vector>

#include "engine/tenant.h"

namespace octavo {

// Virtual counters of served tokens (Sheng et al., "Fairness in Serving Large Language Models",
// OSDI 2024): whoever has work and was served least comes next. A tenant that comes back is lifted
// to the least counter of those present, so that idling earns no credit. One thread.
class Fairness {
 public:
  // A token of the output costs a step of its own, one of a prompt shares a step with many.
  static constexpr double kOutputWeight = 2;

  // One more sequence of a tenant is here; one less.
  void enter(Tenant& tenant);
  void leave(Tenant& tenant);
  void serve(Tenant& tenant, double tokens) const;
  const std::vector<Tenant*>& present() const { return present_; }

 private:
  std::vector<Tenant*> present_;
  double floor_ = 0;  // no counter of a tenant that enters is below
};

}  // namespace octavo
