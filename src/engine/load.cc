#include "engine/load.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace octavo {
namespace {

constexpr double kUnknownWait = 2, kShortestWait = 1, kLongestWait = 60;

std::string sentence(const char* whose, const char* what, int64_t limit) {
  return std::string(whose) + " " + std::to_string(limit) + " " + what +
         " in progress at a time; try again later";
}

}  // namespace

Load::Load(const EngineOptions& options, std::function<double()> now)
    : max_requests_(options.max_queued_requests),
      max_tokens_(options.max_queued_tokens),
      default_limits_(options.tenant_limits),
      named_limits_(options.tenants.begin(), options.tenants.end()),
      now_(std::move(now)) {}

const TenantLimits& Load::limits_of(const std::string& tenant) const {
  const auto named = named_limits_.find(tenant);
  return named == named_limits_.end() ? default_limits_ : named->second;
}

double Load::requests_per_s() const {
  if (ends_.size() < 2) return 0;
  const double first = ends_.size() < kRecentEnds ? ends_.front() : ends_[next_end_];
  const double span = now_() - first;
  return span > 0 ? static_cast<double>(ends_.size() - 1) / span : 0;
}

double Load::wait_for(double amount, double rate) const {
  if (rate <= 0) return kUnknownWait;
  return std::clamp(std::ceil(amount / rate), kShortestWait, kLongestWait);
}

std::optional<Overload> Load::check(const Tenant* known, const TenantLimits& limits,
                                    int64_t requests, int64_t tokens) const {
  const int64_t own = known == nullptr ? 0 : known->in_flight;
  const int64_t own_tokens = known == nullptr ? 0 : known->queued_tokens;
  const auto over = [](int64_t limit, int64_t now, int64_t more) {
    return limit > 0 && now > 0 && more > limit - now;
  };
  const auto many = [](int64_t limit, int64_t requests) { return limit > 0 && requests > limit; };
  // A share of the rate, as the others wait too.
  const double share = std::max(1.0, static_cast<double>(tenants_.size() - idle_tenants_));
  const double rate = requests_per_s();
  if (over(limits.max_queued_requests, own, requests) ||
      many(limits.max_queued_requests, requests)) {
    return Overload{Refused::tenant, "max-num-queued-reqs-per-key",
                    sentence("this key may have", "requests", limits.max_queued_requests),
                    wait_for(static_cast<double>(own) * share, rate)};
  }
  if (over(limits.max_queued_tokens, own_tokens, tokens)) {
    return Overload{Refused::tenant, "max-num-queued-tokens-per-key",
                    sentence("this key may have", "prompt tokens", limits.max_queued_tokens),
                    wait_for(static_cast<double>(own_tokens) * share, prefill_rate_)};
  }
  if (over(max_requests_, in_flight_, requests) || many(max_requests_, requests)) {
    return Overload{Refused::engine, "max-num-queued-reqs",
                    sentence("the server takes", "requests", max_requests_),
                    wait_for(static_cast<double>(in_flight_), rate)};
  }
  if (over(max_tokens_, queued_tokens_, tokens)) {
    return Overload{Refused::engine, "max-num-queued-tokens",
                    sentence("the server takes", "prompt tokens", max_tokens_),
                    wait_for(static_cast<double>(queued_tokens_), prefill_rate_)};
  }
  return std::nullopt;
}

std::optional<Overload> Load::overload(const std::string& tenant, int64_t requests,
                                       int64_t tokens) const {
  const std::lock_guard lock(mutex_);
  const auto found = tenants_.find(tenant);
  return check(found == tenants_.end() ? nullptr : found->second.get(), limits_of(tenant), requests,
               tokens);
}

Load::Entry Load::enter(const std::string& name, int64_t prompt_tokens) {
  const std::lock_guard lock(mutex_);
  const auto found = tenants_.find(name);
  const Tenant* const known = found == tenants_.end() ? nullptr : found->second.get();
  if (auto overload = check(known, limits_of(name), 1, prompt_tokens)) {
    ++(overload->scope == Refused::tenant ? refused_tenant_ : refused_engine_);
    return {.overload = std::move(overload)};
  }
  Tenant& tenant = find_or_add(name);
  if (tenant.in_flight++ == 0) --idle_tenants_;
  tenant.queued_tokens += prompt_tokens;
  tenant.last_used = ++uses_;
  ++in_flight_;
  queued_tokens_ += prompt_tokens;
  return {.tenant = tenants_.find(name)->second};
}

void Load::begun(Tenant& tenant, int64_t prompt_tokens) {
  const std::lock_guard lock(mutex_);
  tenant.queued_tokens -= prompt_tokens;
  queued_tokens_ -= prompt_tokens;
}

void Load::leave(Tenant& tenant, int64_t prompt_tokens) {
  const double now = now_();
  const std::lock_guard lock(mutex_);
  tenant.queued_tokens -= prompt_tokens;
  queued_tokens_ -= prompt_tokens;
  --in_flight_;
  if (--tenant.in_flight == 0) {
    ++idle_tenants_;
    forget_idle();
  }
  OCTAVO_CHECK(in_flight_ >= 0 && tenant.in_flight >= 0 && tenant.queued_tokens >= 0);
  if (ends_.size() < kRecentEnds) {
    ends_.push_back(now);
  } else {
    ends_[next_end_] = now;
    next_end_ = (next_end_ + 1) % kRecentEnds;
  }
}

void Load::set_prefill_rate(double tokens_per_s) {
  const std::lock_guard lock(mutex_);
  prefill_rate_ = tokens_per_s;
}

int64_t Load::in_flight() const {
  const std::lock_guard lock(mutex_);
  return in_flight_;
}

Tenant& Load::find_or_add(const std::string& name) {
  std::shared_ptr<Tenant>& tenant = tenants_[name];
  if (!tenant) {
    tenant = std::make_shared<Tenant>();
    tenant->name = name;
    tenant->limits = limits_of(name);
    ++idle_tenants_;
  }
  return *tenant;
}

// The names come from clients, so the idle ones are bounded: the older half goes.
void Load::forget_idle() {
  if (idle_tenants_ <= kIdleTenants) return;
  std::vector<uint64_t> uses;
  for (const auto& [name, tenant] : tenants_) {
    if (tenant->in_flight == 0) uses.push_back(tenant->last_used);
  }
  const auto middle = uses.begin() + static_cast<int64_t>(uses.size() / 2);
  std::ranges::nth_element(uses, middle);
  idle_tenants_ -= std::erase_if(tenants_, [bound = *middle](const auto& entry) {
    return entry.second->in_flight == 0 && entry.second->last_used < bound;
  });
}

void Load::add_to(EngineStats& stats) const {
  const std::lock_guard lock(mutex_);
  stats.waiting = std::max<int64_t>(0, in_flight_ - stats.running);
  stats.queued_tokens = queued_tokens_;
  stats.refused_tenant = refused_tenant_;
  stats.refused_engine = refused_engine_;
  stats.prefill_tokens_per_s = prefill_rate_;
  stats.requests_per_s = requests_per_s();
  stats.tenants.reserve(tenants_.size());
  for (const auto& [name, tenant] : tenants_) {
    const auto read = [](const std::atomic<int64_t>& value) {
      return value.load(std::memory_order_relaxed);
    };
    const int64_t running = read(tenant->running);
    stats.tenants.push_back({.name = name,
                             .running = running,
                             .waiting = std::max<int64_t>(0, tenant->in_flight - running),
                             .queued_tokens = tenant->queued_tokens,
                             .requests = read(tenant->requests),
                             .prompt_tokens = read(tenant->prompt_tokens),
                             .cached_tokens = read(tenant->cached_tokens),
                             .generation_tokens = read(tenant->generation_tokens),
                             .weighted_tokens = tenant->served.load(std::memory_order_relaxed)});
  }
}

}  // namespace octavo
