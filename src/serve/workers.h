#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace octavo::serve {

// A few threads that run jobs in the order of their arrival. Any thread may post.
class Workers {
 public:
  explicit Workers(int threads);
  ~Workers();  // runs what is queued, then joins
  Workers(const Workers&) = delete;
  Workers& operator=(const Workers&) = delete;

  // Jobs must not throw.
  void post(std::function<void()> job);

 private:
  void work();

  std::mutex mutex_;  // guards jobs_ and stop_
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;
  bool stop_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace octavo::serve
