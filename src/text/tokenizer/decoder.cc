#include "text/tokenizer/decoder.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxSteps = 64;
constexpr size_t kMaxContentBytes = 1024;

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out;
  size_t done = 0;
  while (!from.empty()) {
    const size_t at = text.find(from, done);
    if (at == text.npos) break;
    out.append(text, done, at - done).append(to);
    done = at + from.size();
  }
  return out.append(text, done);
}

// English punctuation and contractions without the space before them.
std::string cleaned(std::string text) {
  constexpr std::pair<std::string_view, std::string_view> kRules[] = {
      {" .", "."},   {" ?", "?"},     {" !", "!"},     {" ,", ","},
      {" ' ", "'"},  {" n't", "n't"}, {" 'm", "'m"},   {" do not", " don't"},
      {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
  };
  for (const auto& [from, to] : kRules) text = replaced(text, from, to);
  return text;
}

// The byte that "<0x41>" stands for.
std::optional<char> fallback_byte(std::string_view token) {
  if (token.size() != 6 || !token.starts_with("<0x") || token[5] != '>') return std::nullopt;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
  };
  const int high = token[3] == '+' ? 0 : digit(token[3]);
  const int low = digit(token[4]);
  if (high < 0 || low < 0) return std::nullopt;
  return static_cast<char>(high * 16 + low);
}

std::string bounded(const Field& field) {
  if (field.text().size() > kMaxContentBytes) field.fail("text of more than 1 KiB");
  return std::string(field.text());
}

}  // namespace

Decoder Decoder::load(const Field& field) {
  Decoder decoder;
  decoder.load_step(field, 0);
  if (decoder.steps_.empty()) decoder.steps_.emplace_back(Fuse{});
  return decoder;
}

void Decoder::load_step(const Field& field, int depth) {
  const std::string_view type = field.type();
  if (type == "Sequence") {
    if (depth >= kMaxDepth) field.fail("sequences are nested too deep");
    const Field list = field.at("decoders");
    size_t index = 0;
    for (const auto entry : list.array()) load_step(list.element(entry, index++), depth + 1);
    if (steps_.size() > kMaxSteps) field.fail("more than 64 decoders");
  } else if (type == "ByteLevel") {
    steps_.emplace_back(Bytes{});
  } else if (type == "ByteFallback") {
    steps_.emplace_back(ByteFallback{});
  } else if (type == "Fuse") {
    steps_.emplace_back(Fuse{});
  } else if (type == "Replace") {
    steps_.emplace_back(Replace{Matcher::load(field.at("pattern")), bounded(field.at("content"))});
  } else if (type == "Strip") {
    steps_.emplace_back(Strip{field.at("content").character(),
                              field.at("start").integer(0, INT64_MAX),
                              field.at("stop").integer(0, INT64_MAX)});
  } else if (type == "Metaspace") {
    const bool prepended = field.flag_or("add_prefix_space", true) &&
                           field.text_or("prepend_scheme", "always") != "never";
    steps_.emplace_back(Metaspace{field.at("replacement").character(), prepended});
  } else if (type == "WordPiece") {
    steps_.emplace_back(WordPiece{field.text_or("prefix", "##"), field.flag_or("cleanup", true)});
  } else if (type == "BPEDecoder") {
    steps_.emplace_back(EndOfWord{field.text_or("suffix", "</w>")});
  } else if (type == "CTC") {
    steps_.emplace_back(Ctc{field.text_or("pad_token", "<pad>"),
                            field.text_or("word_delimiter_token", "|"),
                            field.flag_or("cleanup", true)});
  } else {
    field.fail("decoder '" + std::string(type) + "' is not supported");
  }
}

std::string Decoder::apply(std::vector<std::string> tokens) const {
  std::string text;
  if (steps_.empty()) {
    for (size_t i = 0; i < tokens.size(); ++i) text.append(i > 0 ? " " : "").append(tokens[i]);
    return text;
  }
  for (const Step& step : steps_) {
    tokens = std::visit([&](const auto& one) { return run(one, std::move(tokens)); }, step);
  }
  for (const std::string& token : tokens) text += token;
  return text;
}

std::string Decoder::bytes_of(std::string_view token, Place place) const {
  const size_t index = place == Place::first ? 0 : 1;
  const auto at_place = [&](const auto& step, std::string text) {
    Tokens tokens(index + 1);
    tokens[index] = std::move(text);
    return std::move(run(step, std::move(tokens))[index]);
  };
  std::string text(token);
  for (const Step& step : steps_) {
    if (const auto* bytes = std::get_if<Bytes>(&step)) {
      if (auto raw = bytes->alphabet.unmapped(text)) return *std::move(raw);
    } else if (std::holds_alternative<ByteFallback>(step)) {
      if (const auto byte = fallback_byte(text)) return std::string(1, *byte);
    } else if (std::holds_alternative<Fuse>(step)) {
      break;  // what follows sees the whole text
    } else if (const auto* replace = std::get_if<Replace>(&step)) {
      text = std::move(run(*replace, Tokens{text})[0]);
    } else if (const auto* space = std::get_if<Metaspace>(&step)) {
      text = at_place(*space, std::move(text));
    } else if (const auto* piece = std::get_if<WordPiece>(&step)) {
      text = at_place(*piece, std::move(text));
    } else if (const auto* word = std::get_if<EndOfWord>(&step)) {
      text = replaced(text, word->suffix, " ");
    }
  }
  return text;
}

std::optional<Decoder::Stream> Decoder::stream() const {
  Stream stream;
  if (steps_.empty()) return std::nullopt;
  bool fused = false;
  for (const Step& step : steps_) {
    if (const auto* strip = std::get_if<Strip>(&step); strip && fused && stream.count == 0) {
      if (strip->stop > 0) return std::nullopt;
      stream = {strip->content, strip->start};
    } else if (std::holds_alternative<Fuse>(step) && !fused) {
      fused = true;
    } else if (fused || std::holds_alternative<Strip>(step) || std::holds_alternative<Ctc>(step) ||
               std::holds_alternative<EndOfWord>(step) ||
               (std::holds_alternative<Bytes>(step) && !is_bytes())) {
      return std::nullopt;
    }
  }
  return stream;
}

bool Decoder::is_fallback_byte(std::string_view token) const {
  const auto falls_back = [](const Step& s) { return std::holds_alternative<ByteFallback>(s); };
  return fallback_byte(token) && std::any_of(steps_.begin(), steps_.end(), falls_back);
}

Decoder::Tokens Decoder::run(const Bytes& step, Tokens tokens) {
  std::string bytes;
  for (const std::string& token : tokens) {
    if (!step.alphabet.append_unmapped(bytes, token)) bytes += token;
  }
  return {utf8::sanitize(bytes)};
}

Decoder::Tokens Decoder::run(const ByteFallback&, Tokens tokens) {
  Tokens out;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (utf8::is_valid(bytes)) {
      out.push_back(bytes);
    } else {  // one replacement a byte
      for (size_t i = 0; i < bytes.size(); ++i) out.emplace_back("\uFFFD");
    }
    bytes.clear();
  };
  for (std::string& token : tokens) {
    if (const auto byte = fallback_byte(token)) {
      bytes.push_back(*byte);
      continue;
    }
    flush();
    out.push_back(std::move(token));
  }
  flush();
  return out;
}

Decoder::Tokens Decoder::run(const Fuse&, Tokens tokens) {
  std::string text;
  for (const std::string& token : tokens) text += token;
  return {text};
}

Decoder::Tokens Decoder::run(const Replace& step, Tokens tokens) {
  Matcher::Cursor cursor(step.matcher);
  std::vector<Match> cuts;
  for (std::string& token : tokens) {
    cursor.cut(token, cuts);
    std::string out;
    for (const Match& cut : cuts) {
      if (cut.matched) {
        out += step.content;
      } else {
        out.append(token, cut.span.begin, cut.span.end - cut.span.begin);
      }
    }
    token = std::move(out);
  }
  return tokens;
}

Decoder::Tokens Decoder::run(const Strip& step, Tokens tokens) {
  for (std::string& token : tokens) {
    size_t begin = 0, end = token.size();
    for (int64_t i = 0; i < step.start && begin < end; ++i) {
      const auto c = unicode::char_at(token, begin);
      if (c.code != step.content) break;
      begin += c.bytes;
    }
    for (int64_t i = 0; i < step.stop && end > begin; ++i) {
      const auto c = unicode::char_before(token, end);
      if (c.code != step.content) break;
      end -= c.bytes;
    }
    token = token.substr(begin, end - begin);
  }
  return tokens;
}

Decoder::Tokens Decoder::run(const Metaspace& step, Tokens tokens) {
  std::string replacement;
  utf8::append(replacement, step.replacement);
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = replaced(tokens[i], replacement, i == 0 && step.prepended ? "" : " ");
  }
  return tokens;
}

Decoder::Tokens Decoder::run(const WordPiece& step, Tokens tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    std::string& token = tokens[i];
    if (i > 0 && token.starts_with(step.prefix)) {
      token.erase(0, step.prefix.size());
    } else if (i > 0) {
      token.insert(0, " ");
    }
    if (step.cleanup) token = cleaned(std::move(token));
  }
  return tokens;
}

Decoder::Tokens Decoder::run(const EndOfWord& step, Tokens tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = replaced(tokens[i], step.suffix, i + 1 == tokens.size() ? "" : " ");
  }
  return tokens;
}

Decoder::Tokens Decoder::run(const Ctc& step, Tokens tokens) {
  tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
  Tokens out;
  for (const std::string& token : tokens) {
    std::string text = replaced(token, step.pad, "");
    if (step.cleanup) text = replaced(cleaned(std::move(text)), step.delimiter, " ");
    if (!text.empty()) out.push_back(std::move(text));
  }
  return out;
}

}  // namespace octavo::tokenizer
