#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/tenant.h"

namespace octavo {

// How much is in the engine, in all and of each tenant, and whether more may come. Any thread.
class Load {
 public:
  Load(const EngineOptions& options, std::function<double()> now);

  // Why so many more requests with so many prompt tokens together may not come.
  std::optional<Overload> overload(const std::string& tenant, int64_t requests,
                                   int64_t tokens) const;

  // Counts a request in, or says why not: exactly one of the two is set.
  struct Entry {
    std::shared_ptr<Tenant> tenant = {};
    std::optional<Overload> overload = {};
  };
  Entry enter(const std::string& tenant, int64_t prompt_tokens);
  // Its first token is out: the prompt waits no more.
  void begun(Tenant& tenant, int64_t prompt_tokens);
  // It has ended; `prompt_tokens` 0 if it had begun.
  void leave(Tenant& tenant, int64_t prompt_tokens);

  // The engine's measure of how fast prompts are computed.
  void set_prefill_rate(double tokens_per_s);

  int64_t in_flight() const;
  // Fills in what it knows, the tenants among it.
  void add_to(EngineStats& stats) const;

 private:
  static constexpr size_t kIdleTenants = 1024;  // remembered without requests
  static constexpr size_t kRecentEnds = 64;

  const TenantLimits& limits_of(const std::string& tenant) const;
  std::optional<Overload> check(const Tenant* known, const TenantLimits& limits, int64_t requests,
                                int64_t tokens) const;
  double requests_per_s() const;
  double wait_for(double amount, double rate) const;
  Tenant& find_or_add(const std::string& name);
  void forget_idle();

  const int64_t max_requests_, max_tokens_;
  const TenantLimits default_limits_;
  std::map<std::string, TenantLimits, std::less<>> named_limits_;
  const std::function<double()> now_;

  mutable std::mutex mutex_;  // guards the following
  std::map<std::string, std::shared_ptr<Tenant>, std::less<>> tenants_;
  int64_t in_flight_ = 0, queued_tokens_ = 0, refused_tenant_ = 0, refused_engine_ = 0;
  size_t idle_tenants_ = 0;
  uint64_t uses_ = 0;
  double prefill_rate_ = 0;
  std::vector<double> ends_;  // times of the latest ends, a ring
  size_t next_end_ = 0;
};

}  // namespace octavo
