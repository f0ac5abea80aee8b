#include "text/tokenizer/matcher.h"

#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

Matcher Matcher::load(const Field& pattern) {
  if (pattern.is_string()) return Matcher(std::string(pattern.text()));
  if (const auto text = pattern.find("String")) return Matcher(std::string(text->text()));
  const Field regex = pattern.at("Regex");
  if (const auto known = known_pattern(regex.text())) return Matcher(*known);
  return Matcher(Regex(regex));
}

Matcher::Cursor::Cursor(const Matcher& matcher) : matcher_(matcher) {
  if (const auto* regex = std::get_if<Regex>(&matcher.what_)) {
    matches_ = std::make_unique<Regex::Matches>(*regex, "");
  }
}

void Matcher::Cursor::cut(std::string_view text, std::vector<Match>& out) {
  out.clear();
  if (text.empty()) {
    out.push_back({{0, 0}, false});
  } else if (const auto* mask = std::get_if<uint32_t>(&matcher_.what_)) {
    cut_class(text, *mask, out);
  } else if (const auto* needle = std::get_if<std::string>(&matcher_.what_)) {
    cut_text(text, *needle, out);
  } else if (const KnownPattern* known = matcher_.known()) {
    for (size_t at = 0; at < text.size();) {
      const size_t end = piece_end(*known, text, at);
      out.push_back({{at, end}, true});
      at = end;
    }
  } else {
    cut_regex(text, out);
  }
}

void Matcher::Cursor::cut_class(std::string_view text, uint32_t mask,
                                std::vector<Match>& out) const {
  size_t done = 0;
  for (size_t at = 0; at < text.size();) {
    const auto c = unicode::char_at(text, at);
    const size_t end = at + c.bytes;
    if (unicode::is(c.code, mask)) {
      if (done < at) out.push_back({{done, at}, false});
      out.push_back({{at, end}, true});
      done = end;
    }
    at = end;
  }
  if (done < text.size()) out.push_back({{done, text.size()}, false});
}

void Matcher::Cursor::cut_text(std::string_view text, std::string_view needle,
                               std::vector<Match>& out) const {
  size_t done = 0;
  while (!needle.empty()) {
    const size_t at = text.find(needle, done);
    if (at == text.npos) break;
    if (done < at) out.push_back({{done, at}, false});
    out.push_back({{at, at + needle.size()}, true});
    done = at + needle.size();
  }
  if (done < text.size()) out.push_back({{done, text.size()}, false});
}

void Matcher::Cursor::cut_regex(std::string_view text, std::vector<Match>& out) {
  matches_->reset(text);
  size_t done = 0;
  while (const auto match = matches_->next()) {
    if (done < match->begin) out.push_back({{done, match->begin}, false});
    out.push_back({*match, true});
    done = match->end;
  }
  if (done < text.size()) out.push_back({{done, text.size()}, false});
}

}  // namespace octavo::tokenizer
