#include "engine/fairness.h"

#include <algorithm>

#include "base/check.h"

namespace octavo {
namespace {

double served(const Tenant* tenant) { return tenant->served.load(std::memory_order_relaxed); }

}  // namespace

void Fairness::enter(Tenant& tenant) {
  if (tenant.present++ > 0) return;
  if (!present_.empty()) {
    floor_ = std::max(floor_, served(*std::ranges::min_element(present_, {}, served)));
  }
  tenant.served.store(std::max(served(&tenant), floor_), std::memory_order_relaxed);
  present_.push_back(&tenant);
}

void Fairness::leave(Tenant& tenant) {
  OCTAVO_CHECK(tenant.present > 0);
  if (--tenant.present > 0) return;
  std::erase(present_, &tenant);
  // The last one's level is where the next ones start.
  if (present_.empty()) floor_ = std::max(floor_, served(&tenant));
}

void Fairness::serve(Tenant& tenant, double tokens) const {
  tenant.served.store(served(&tenant) + tokens / tenant.limits.weight, std::memory_order_relaxed);
}

}  // namespace octavo
