#include "text/tokenizer/normalizer.h"

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

constexpr int kMaxDepth = 8;
// Insertions grow a text; a file must not make it explode.
constexpr size_t kMaxInsertBytes = 1024;

std::string lowercase(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const auto c = unicode::char_at(text, at);
    at += c.bytes;
    if (c.code == 0x130) {
      out += "i\u0307";
    } else {
      utf8::append(out, unicode::lowercase(c.code));
    }
  }
  return out;
}

// The characters outside `mask`.
std::string without(std::string_view text, uint32_t mask) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const auto c = unicode::char_at(text, at);
    if (!unicode::is(c.code, mask)) out += text.substr(at, c.bytes);
    at += c.bytes;
  }
  return out;
}

bool is_chinese(char32_t c) {
  return (c >= 0x4E00 && c <= 0x9FFF) || (c >= 0x3400 && c <= 0x4DBF) ||
         (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B73F) ||
         (c >= 0x2B740 && c <= 0x2B81F) || (c >= 0x2B920 && c <= 0x2CEAF) ||
         (c >= 0xF900 && c <= 0xFAFF) || (c >= 0x2F800 && c <= 0x2FA1F);
}

// Control characters go and every space becomes U+0020; Chinese characters stand alone.
std::string bert_clean(std::string_view text, bool clean, bool chinese) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const auto c = unicode::char_at(text, at);
    const std::string_view same = text.substr(at, c.bytes);
    at += c.bytes;
    if (clean && unicode::is(c.code, unicode::kBertControl)) continue;
    if (clean && unicode::is(c.code, unicode::kSpace)) {
      out += ' ';
    } else if (chinese && is_chinese(c.code)) {
      out.append(" ").append(same).append(" ");
    } else {
      out += same;
    }
  }
  return out;
}

bool nmt_dropped(char32_t c) {
  return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
         c == 0x9F;
}

bool nmt_space(char32_t c) {
  return c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
         (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 || c == 0x2581 || c == 0xFEFF ||
         c == 0xFFFD;
}

std::string inserted(const Field& field) {
  if (field.text().size() > kMaxInsertBytes) field.fail("text of more than 1 KiB");
  return std::string(field.text());
}

}  // namespace

Normalizer Normalizer::load(const Field& field) {
  Normalizer normalizer;
  normalizer.load_step(field, 0);
  return normalizer;
}

void Normalizer::load_step(const Field& field, int depth) {
  const std::string_view type = field.type();
  if (type == "Sequence") {
    if (depth >= kMaxDepth) field.fail("sequences are nested too deep");
    const Field list = field.at("normalizers");
    size_t index = 0;
    for (const auto entry : list.array()) load_step(list.element(entry, index++), depth + 1);
    if (steps_.size() > 64) field.fail("more than 64 normalizers");
  } else if (type == "NFC" || type == "NFD") {
    steps_.emplace_back(type == "NFC" ? NormalForm::nfc : NormalForm::nfd);
  } else if (type == "NFKC" || type == "NFKD") {
    steps_.emplace_back(type == "NFKC" ? NormalForm::nfkc : NormalForm::nfkd);
  } else if (type == "Lowercase") {
    steps_.emplace_back(Lowercase{});
  } else if (type == "Prepend") {
    steps_.emplace_back(Prepend{inserted(field.at("prepend"))});
  } else if (type == "Replace") {
    steps_.emplace_back(Replace{Matcher::load(field.at("pattern")), inserted(field.at("content"))});
  } else if (type == "Strip") {
    steps_.emplace_back(
        Strip{field.flag_or("strip_left", true), field.flag_or("strip_right", true)});
  } else if (type == "StripAccents") {
    steps_.emplace_back(StripAccents{});
  } else if (type == "BertNormalizer") {
    const bool lower = field.flag_or("lowercase", true);
    steps_.emplace_back(Bert{field.flag_or("clean_text", true),
                             field.flag_or("handle_chinese_chars", true),
                             field.flag_or("strip_accents", lower), lower});
  } else if (type == "Nmt") {
    steps_.emplace_back(Nmt{});
  } else if (type == "Precompiled") {
    steps_.emplace_back(Charsmap(field.at("precompiled_charsmap")));
  } else if (type == "ByteLevel") {
    steps_.emplace_back(Bytes{});
  } else {
    field.fail("normalizer '" + std::string(type) + "' is not supported");
  }
}

void Normalizer::apply(NormalText& text) const {
  for (const Step& step : steps_) {
    std::visit([&](const auto& one) { run(one, text); }, step);
  }
}

void Normalizer::run(NormalForm form, NormalText& text) {
  text.text = normal_form(text.text, form);
}

void Normalizer::run(const Lowercase&, NormalText& text) { text.text = lowercase(text.text); }

void Normalizer::run(const Prepend& step, NormalText& text) {
  if (!text.text.empty()) text.text.insert(0, step.text);
}

void Normalizer::run(const Replace& step, NormalText& text) {
  if (text.text.empty()) return;
  std::vector<Match> cuts;
  Matcher::Cursor(step.matcher).cut(text.text, cuts);
  std::string out;
  out.reserve(text.text.size());
  for (const Match& cut : cuts) {
    if (cut.matched) {
      out += step.content;
    } else {
      out += std::string_view(text.text).substr(cut.span.begin, cut.span.end - cut.span.begin);
    }
  }
  const bool removed = step.content.empty() && cuts.front().matched && cuts.front().span.end > 0;
  text.at_origin = text.at_origin && !removed;
  text.text = std::move(out);
}

void Normalizer::run(const Strip& step, NormalText& text) {
  const std::string_view all = text.text;
  size_t begin = 0, end = all.size();
  while (step.left && begin < end) {
    const auto c = unicode::char_at(all, begin);
    if (!unicode::is(c.code, unicode::kSpace)) break;
    begin += c.bytes;
  }
  while (step.right && end > begin) {
    const auto c = unicode::char_before(all, end);
    if (!unicode::is(c.code, unicode::kSpace)) break;
    end -= c.bytes;
  }
  text.at_origin = text.at_origin && begin == 0;
  text.text = text.text.substr(begin, end - begin);
}

void Normalizer::run(const StripAccents&, NormalText& text) {
  text.text = without(text.text, unicode::kAccent);
}

void Normalizer::run(const Bert& step, NormalText& text) {
  if (step.clean_text || step.chinese_chars) {
    text.text = bert_clean(text.text, step.clean_text, step.chinese_chars);
  }
  if (step.strip_accents) {
    text.text = without(normal_form(text.text, NormalForm::nfd), unicode::kNonSpacing);
  }
  if (step.lowercase) text.text = lowercase(text.text);
}

void Normalizer::run(const Nmt&, NormalText& text) {
  std::string out;
  out.reserve(text.text.size());
  for (size_t at = 0; at < text.text.size();) {
    const auto c = unicode::char_at(text.text, at);
    if (nmt_space(c.code)) {
      out += ' ';
    } else if (!nmt_dropped(c.code)) {
      out.append(text.text, at, c.bytes);
    }
    at += c.bytes;
  }
  text.text = std::move(out);
}

void Normalizer::run(const Charsmap& step, NormalText& text) { text.text = step.apply(text.text); }

void Normalizer::run(const Bytes& step, NormalText& text) {
  std::string out;
  step.alphabet.append_mapped(out, text.text);
  text.text = std::move(out);
}

}  // namespace octavo::tokenizer
