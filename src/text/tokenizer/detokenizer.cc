#include <utility>

#include "base/utf8.h"
#include "octavo/tokenizer.h"
#include "text/tokenizer/tokenizer_impl.h"
#include "text/tokenizer/unicode.h"

namespace octavo {

namespace {

using tokenizer::Decoder;
using tokenizer::SentencePiece;

// Tokens kept before the new ones, so that a decoder that looks at neighbours sees them.
constexpr size_t kContext = 5;
// So many more where the last tokens are bytes of a fallback, which are decoded as a run.
constexpr size_t kMaxRun = 256;
// New tokens that end in no whole character are given up after so many.
constexpr size_t kMaxHeld = 16;
constexpr std::string_view kReplacement = "\uFFFD";

}  // namespace

struct Detokenizer::Impl {
  Impl(const Tokenizer& from, Tokenizer::InOutput output) : tokenizer(from), in_output(output) {}

  // Decoders that join bytes: only an unfinished character is kept.
  std::string push_bytes(std::string token) {
    pending += token;
    const size_t held = utf8::incomplete_tail(pending);
    std::string text = pending.substr(0, pending.size() - held);
    pending.erase(0, text.size());
    return utf8::is_valid(text) ? text : utf8::sanitize(text);
  }

  // Decoders where a token is text or one byte of a fallback.
  std::string push_stream(const std::string& token, const Decoder& decoder) {
    const auto place = std::exchange(started, true) ? Decoder::Place::later : Decoder::Place::first;
    const std::string text = decoder.bytes_of(token, place);
    if (!decoder.is_fallback_byte(token)) return strip(flush_bytes() + text);
    pending += text;
    const size_t held = utf8::incomplete_tail(pending);
    const std::string whole = pending.substr(0, pending.size() - held);
    pending.erase(0, whole.size());
    return strip(utf8::replaced_bytes(whole));
  }

  std::string flush_bytes() { return utf8::replaced_bytes(std::exchange(pending, {})); }

  // Drops what the decoder strips from the front of the whole text.
  std::string strip(std::string text) {
    size_t at = 0;
    while (stream.count > 0 && at < text.size()) {
      const auto c = unicode::char_at(text, at);
      if (c.code == stream.strip) at += c.bytes;
      stream.count = c.code == stream.strip ? stream.count - 1 : 0;
    }
    return at == 0 ? text : text.substr(at);
  }

  // All others: the text of a window of tokens, less that of its first `read` tokens.
  std::string push_window(TokenId id) {
    window.push_back(id);
    const bool patient = window.size() - read < kMaxHeld;
    if (patient && fresh().ends_with(kReplacement)) return {};
    return take_fresh();
  }

  std::string fresh() const {
    const std::string before = tokenizer.decode(std::span(window).first(read), in_output);
    const std::string all = tokenizer.decode(window, in_output);
    return all.size() > before.size() ? all.substr(before.size()) : std::string();
  }

  bool is_byte(TokenId id) const {
    return tokenizer.impl_->decoder.is_fallback_byte(tokenizer.token(id));
  }

  std::string take_fresh() {
    std::string text = fresh();
    size_t drop = window.size() > kContext ? window.size() - kContext : 0;
    while (drop > 0 && window.size() - drop < kMaxRun && is_byte(window[drop - 1])) --drop;
    window.erase(window.begin(), window.begin() + static_cast<std::ptrdiff_t>(drop));
    read = window.size();
    return text;
  }

  Tokenizer tokenizer;
  Tokenizer::InOutput in_output;
  std::optional<SentencePiece::Stream> pieces;  // of a model that decodes by itself
  std::optional<Decoder::Stream> streams;
  Decoder::Stream stream;
  bool started = false;
  std::string pending;          // bytes of an unfinished character
  std::vector<TokenId> window;  // the last tokens, of which
  size_t read = 0;              // so many are in the text already
};

Detokenizer::Detokenizer(const Tokenizer& tokenizer, Tokenizer::InOutput in_output)
    : impl_(std::make_unique<Impl>(tokenizer, in_output)) {
  const SentencePiece* pieces = tokenizer.impl_->pieces();
  if (pieces && !pieces->has_denormalizer()) impl_->pieces.emplace(*pieces);
  if (!pieces) impl_->streams = tokenizer.impl_->decoder.stream();
  impl_->stream = impl_->streams.value_or(Decoder::Stream{});
}
Detokenizer::~Detokenizer() = default;
Detokenizer::Detokenizer(Detokenizer&&) noexcept = default;
Detokenizer& Detokenizer::operator=(Detokenizer&&) noexcept = default;

std::string Detokenizer::push(TokenId id) {
  const Tokenizer::Impl& parts = *impl_->tokenizer.impl_;
  if (!parts.shown(id, impl_->in_output)) return {};
  if (impl_->pieces) {
    const auto* token = parts.added.find(id);
    return token ? impl_->pieces->push_text(token->content) : impl_->pieces->push(id);
  }
  if (parts.decoder.is_bytes()) return impl_->push_bytes(parts.raw_bytes(id).value_or(""));
  if (!impl_->streams) return impl_->push_window(id);
  const auto token = parts.written(id);
  return token ? impl_->push_stream(*token, parts.decoder) : std::string();
}

std::string Detokenizer::flush() {
  const Tokenizer::Impl& parts = *impl_->tokenizer.impl_;
  if (impl_->pieces) return impl_->pieces->flush();
  if (parts.decoder.is_bytes()) return utf8::sanitize(std::exchange(impl_->pending, {}));
  if (impl_->streams) return impl_->strip(impl_->flush_bytes());
  return impl_->window.size() > impl_->read ? impl_->take_fresh() : std::string();
}

}  // namespace octavo
