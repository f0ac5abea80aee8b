#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace octavo::measure {

// Cuts a stream of server-sent events into the data of each, whatever the pieces it comes in.
class EventStream {
 public:
  // `event` gets the data of each event, lines joined.
  explicit EventStream(std::function<void(std::string_view data)> event)
      : event_(std::move(event)) {}

  // False once a line is longer than any server has reason to send; the rest is not looked at.
  bool take(std::string_view piece);

 private:
  void line(std::string_view text);

  static constexpr size_t kMaxLine = size_t{64} << 20;
  std::function<void(std::string_view)> event_;
  std::string rest_, data_;
  bool has_data_ = false;
};

}  // namespace octavo::measure
