#include "measure/load/event_stream.h"

namespace octavo::measure {

bool EventStream::take(std::string_view piece) {
  while (!piece.empty()) {
    const size_t end = piece.find('\n');
    if (end == std::string_view::npos) {
      if (rest_.size() + piece.size() + data_.size() > kMaxLine) return false;
      rest_ += piece;
      return true;
    }
    if (rest_.empty()) {
      line(piece.substr(0, end));
    } else {
      rest_ += piece.substr(0, end);
      line(rest_);
      rest_.clear();
    }
    if (data_.size() > kMaxLine) return false;
    piece.remove_prefix(end + 1);
  }
  return true;
}

void EventStream::line(std::string_view text) {
  if (text.ends_with('\r')) text.remove_suffix(1);
  if (text.empty()) {
    if (has_data_) event_(data_);
    data_.clear();
    has_data_ = false;
    return;
  }
  if (!text.starts_with("data:")) return;  // comments, event names, ids
  text.remove_prefix(5);
  if (text.starts_with(' ')) text.remove_prefix(1);
  if (has_data_) data_ += '\n';
  data_ += text;
  has_data_ = true;
}

}  // namespace octavo::measure
