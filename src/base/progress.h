#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace octavo {

// How far a long job is, on stderr: a bar that redraws itself where stderr is a terminal, otherwise
// a plain line every ten seconds and none for jobs shorter than that. One thread at a time.
class Progress {
 public:
  enum class Style : uint8_t { automatic, bar, lines, off };
  using Clock = std::chrono::steady_clock;

  // Tests give their own clock and sink; the defaults are the real time and stderr.
  struct Options {
    Style style = Style::automatic;
    std::function<Clock::time_point()> now;
    std::function<void(std::string_view)> write;
  };

  // `label`: "quantizing"; `unit`: "layers". total 0: unknown.
  Progress(std::string label, std::string unit, int64_t total, Options options);
  Progress(std::string label, std::string unit, int64_t total)
      : Progress(std::move(label), std::move(unit), total, Options{}) {}
  ~Progress();  // finishes
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // `done` of `total`; a loader learns its total late, so it may change. Cheap: most calls draw
  // nothing.
  void update(int64_t done, int64_t total);
  void update(int64_t done) { update(done, total_); }
  // What stands behind the figures from now on: "layer 3, error 0.0012".
  void note(std::string text) { note_ = std::move(text); }
  void finish();  // removes the bar

 private:
  std::string text() const;

  std::string label_, unit_, note_;
  int64_t done_ = 0, total_;
  Style style_;
  std::function<Clock::time_point()> now_;
  std::function<void(std::string_view)> write_;
  Clock::time_point start_, last_;
  bool drawn_ = false;
};

}  // namespace octavo
