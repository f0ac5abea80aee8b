#include <deque>
#include <utility>

#include "base/utf8.h"
#include "octavo/tokenizer.h"
#include "text/tokenizer/tokenizer_impl.h"

namespace octavo {

namespace {

// Tokens kept before the new ones, so that a decoder that looks at neighbours sees them.
constexpr size_t kContext = 5;
// A run of bytes that makes no character is given up after this many tokens.
constexpr size_t kMaxHeld = 16;
constexpr std::string_view kReplacement = "\uFFFD";

}  // namespace

struct Detokenizer::Impl {
  Impl(const Tokenizer& from, Tokenizer::InOutput output) : tokenizer(from), in_output(output) {}

  // Text of the window, less that of its first `read` tokens.
  std::string fresh() const {
    const std::string before = tokenizer.decode(std::span(window).first(read), in_output);
    const std::string all = tokenizer.decode(window, in_output);
    return all.size() > before.size() ? all.substr(before.size()) : std::string();
  }

  std::string take_fresh() {
    std::string text = fresh();
    const size_t drop = window.size() > kContext ? window.size() - kContext : 0;
    window.erase(window.begin(), window.begin() + static_cast<std::ptrdiff_t>(drop));
    read = window.size();
    return text;
  }

  Tokenizer tokenizer;
  Tokenizer::InOutput in_output;
  std::string bytes;            // where tokens are bytes: those of an unfinished character
  std::vector<TokenId> window;  // elsewhere: the last tokens, of which
  size_t read = 0;              // so many are in the text already
};

Detokenizer::Detokenizer(const Tokenizer& tokenizer, Tokenizer::InOutput in_output)
    : impl_(std::make_unique<Impl>(tokenizer, in_output)) {}
Detokenizer::~Detokenizer() = default;
Detokenizer::Detokenizer(Detokenizer&&) noexcept = default;
Detokenizer& Detokenizer::operator=(Detokenizer&&) noexcept = default;

std::string Detokenizer::push(TokenId id) {
  Impl& self = *impl_;
  const Tokenizer::Impl& parts = *self.tokenizer.impl_;
  if (!parts.shown(id, self.in_output)) return {};
  if (parts.decoder.is_bytes()) {
    self.bytes += parts.raw_bytes(id).value_or("");
    const size_t held = utf8::incomplete_tail(self.bytes);
    std::string rest = self.bytes.substr(self.bytes.size() - held);
    self.bytes.resize(self.bytes.size() - held);
    std::string text = std::exchange(self.bytes, std::move(rest));
    return utf8::is_valid(text) ? text : utf8::sanitize(text);
  }
  self.window.push_back(id);
  const bool patient = self.window.size() - self.read < kMaxHeld;
  if (patient && self.fresh().ends_with(kReplacement)) return {};
  return self.take_fresh();
}

std::string Detokenizer::flush() {
  Impl& self = *impl_;
  if (!self.bytes.empty()) return utf8::sanitize(std::exchange(self.bytes, {}));
  if (self.window.size() == self.read) return {};
  return self.take_fresh();
}

}  // namespace octavo
