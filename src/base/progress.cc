#include "base/progress.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <utility>

namespace octavo {
namespace {

constexpr int64_t kBarCells = 24;
constexpr std::chrono::milliseconds kBarEvery{100};
constexpr std::chrono::seconds kLineEvery{10};
constexpr std::string_view kEraseLine = "\r\033[K";

void write_stderr(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

std::string duration(double seconds) {
  const auto whole = std::llround(seconds);
  if (whole < 60) return std::to_string(whole) + " s";
  if (whole < 3600) return std::to_string(whole / 60) + " min " + std::to_string(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + std::to_string(whole % 3600 / 60) + " min";
}

}  // namespace

Progress::Progress(std::string label, std::string unit, int64_t total, Options options)
    : label_(std::move(label)),
      unit_(std::move(unit)),
      total_(total),
      style_(options.style),
      now_(options.now ? std::move(options.now) : [] { return Clock::now(); }),
      write_(options.write ? std::move(options.write) : write_stderr),
      start_(now_()),
      last_(start_) {
  if (style_ == Style::automatic) {
    style_ = ::isatty(STDERR_FILENO) != 0 ? Style::bar : Style::lines;
  }
}

Progress::~Progress() { finish(); }

std::string Progress::text() const {
  std::string line = label_ + " ";
  if (total_ > 0 && style_ == Style::bar) {
    const int64_t filled = kBarCells * std::clamp<int64_t>(done_, 0, total_) / total_;
    line += "[" + std::string(static_cast<size_t>(filled), '#') +
            std::string(static_cast<size_t>(kBarCells - filled), '.') + "] ";
  }
  line += std::to_string(done_) + (total_ > 0 ? "/" + std::to_string(total_) : "") + " " + unit_;
  const double elapsed = std::chrono::duration<double>(now_() - start_).count();
  if (total_ > 0 && done_ > 0 && done_ < total_ && elapsed >= 1) {
    const double left = elapsed * static_cast<double>(total_ - done_) / static_cast<double>(done_);
    line += ", about " + duration(left) + " left";
  }
  if (!note_.empty()) line += ", " + note_;
  return line;
}

void Progress::update(int64_t done, int64_t total) {
  done_ = done;
  total_ = total;
  if (style_ == Style::off) return;
  const Clock::time_point now = now_();
  const bool bar = style_ == Style::bar;
  if (now - last_ < (bar ? Clock::duration(kBarEvery) : Clock::duration(kLineEvery))) return;
  last_ = now;
  drawn_ = bar;
  write_(bar ? std::string(kEraseLine) + text() : "[octavo] " + text() + "\n");
}

void Progress::finish() {
  if (std::exchange(drawn_, false)) write_(kEraseLine);
}

}  // namespace octavo
