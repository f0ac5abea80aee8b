#include "cli/text_stream.h"

#include <algorithm>
#include <utility>

namespace octavo::cli {

TextStream::TextStream(const Tokenizer& tokenizer, Tokenizer::InOutput in_output, Stops stops)
    : detokenizer_(tokenizer, in_output), stops_(std::move(stops)) {
  std::erase(stops_.texts, std::string());
  for (const std::string& stop : stops_.texts) held_bytes_ = std::max(held_bytes_, stop.size() - 1);
}

std::string TextStream::release(bool all) {
  // The match that ends first is the one a reader of the stream meets first.
  size_t begin = std::string::npos, end = std::string::npos;
  for (const std::string& stop : stops_.texts) {
    const size_t at = pending_.find(stop);
    if (at != std::string::npos && at + stop.size() < end) {
      begin = at;
      end = at + stop.size();
    }
  }
  const size_t held = all ? 0 : std::min(held_bytes_, pending_.size());
  size_t count = pending_.size() - held;
  if (begin != std::string::npos) {
    stopped_ = true;
    count = stops_.include ? end : begin;
  }
  // Not within a character.
  while (count > 0 && count < pending_.size() && (pending_[count] & 0xC0) == 0x80) --count;
  std::string text = pending_.substr(0, count);
  pending_.erase(0, stopped_ ? pending_.size() : count);
  return text;
}

std::string TextStream::push(TokenId id) {
  if (stopped_) return {};
  pending_ += detokenizer_.push(id);
  return release(false);
}

std::string TextStream::finish() {
  if (stopped_) return {};
  pending_ += detokenizer_.flush();
  return release(true);
}

}  // namespace octavo::cli
