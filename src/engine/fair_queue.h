#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "base/function_ref.h"
#include "engine/sequence.h"

namespace octavo {

// Waiting sequences in the order of service: lower priority values first (if priorities count),
// then the tenant that was served least, then in the order of arrival. One thread.
class FairQueue {
 public:
  explicit FairQueue(bool priorities) : priorities_(priorities) {}

  bool empty() const { return size_ == 0; }
  int64_t size() const { return size_; }
  void push(std::unique_ptr<Sequence> sequence);

  // An order is asked for from its start: restart(), pick(0), pick(1), ... Changes of the queue end
  // it. Null when whoever is left waits for its tenant's limit on running sequences.
  void restart();
  Sequence* pick(int64_t i);
  // What serving the latest pick will add to its tenant's counter: the next picks reckon with it.
  void expect(double tokens);
  // Takes out the first `count` picks.
  std::vector<std::unique_ptr<Sequence>> take(int64_t count);

  void erase_finished();
  void for_each(FunctionRef<void(Sequence&)> visit) const;
  int64_t deferred() const;  // those that wait for their tenant's limit

 private:
  struct Line {  // of a tenant, oldest first
    explicit Line(std::shared_ptr<Tenant> whose) : tenant(std::move(whose)) {}
    std::shared_ptr<Tenant> tenant;
    std::deque<std::unique_ptr<Sequence>> sequences;
    int64_t picked = 0;
  };
  // Of a tenant, over all its lines, for the order that is being asked for.
  struct Reckoning {
    double tokens = 0;
    int64_t picked = 0;
  };
  using Level = std::vector<std::unique_ptr<Line>>;

  bool may_run(const Tenant& tenant) const;
  double counter(const Tenant& tenant) const;
  Line* next_of(const Level& level) const;
  void drop_empty();

  const bool priorities_;
  std::map<int64_t, Level> levels_;
  int64_t size_ = 0;
  std::vector<Line*> picks_;
  std::map<const Tenant*, Reckoning> reckonings_;
};

}  // namespace octavo
