#include "text/template/text_search.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/template/characters.h"

namespace octavo::jinja {
namespace {

size_t character_before(std::string_view text, size_t end) {
  size_t at = end - 1;
  while (at > 0 && end - at < 4 && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) --at;
  return at;
}

// Occurrences of `old`, at most `limit`; an empty one is found around every character.
int64_t count_occurrences(std::string_view text, std::string_view old, int64_t limit) {
  if (old.empty()) {
    const int64_t all = character_count(text) + 1;
    return limit < 0 ? all : std::min(limit, all);
  }
  int64_t n = 0;
  for (size_t at = text.find(old); at != std::string_view::npos && n != limit;
       at = text.find(old, at + old.size())) {
    ++n;
  }
  return n;
}

bool is_line_end(char32_t c) {
  return (c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

}  // namespace

std::string_view strip(std::string_view text, const std::string* characters, StripEnds ends) {
  const auto in_set = [&](size_t at) {
    return characters->find(text.substr(at, character_bytes(text, at))) != std::string::npos;
  };
  if (ends.left) {
    size_t at = characters ? 0 : space_after(text, 0);
    while (characters && at < text.size() && in_set(at)) at += character_bytes(text, at);
    text.remove_prefix(at);
  }
  if (ends.right) {
    size_t end = characters ? text.size() : text.size() - space_before(text, text.size());
    while (characters && end > 0 && in_set(character_before(text, end))) {
      end = character_before(text, end);
    }
    text = text.substr(0, end);
  }
  return text;
}

std::vector<std::string_view> split_space(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  size_t at = space_after(text, 0);
  while (at < text.size()) {
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      parts.push_back(text.substr(at, text.size() - space_before(text, text.size()) - at));
      break;
    }
    size_t end = at;
    while (end < text.size() &&
           space_after(text.substr(0, end + character_bytes(text, end)), end) == 0) {
      end += character_bytes(text, end);
    }
    parts.push_back(text.substr(at, end - at));
    at = end + space_after(text, end);
  }
  return parts;
}

std::vector<std::string_view> split_space_right(std::string_view text, int64_t limit) {
  std::vector<std::string_view> parts;
  size_t end = text.size() - space_before(text, text.size());
  while (end > 0) {
    if (limit >= 0 && static_cast<int64_t>(parts.size()) == limit) {
      const size_t start = space_after(text, 0);
      parts.push_back(text.substr(start, end - start));
      break;
    }
    size_t at = end;
    while (at > 0 && !is_space(utf8::decode(text, character_before(text, at)).code_point)) {
      at = character_before(text, at);
    }
    parts.push_back(text.substr(at, end - at));
    end = at - space_before(text, at);
  }
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_at(std::string_view text, std::string_view separator,
                                       int64_t limit) {
  std::vector<std::string_view> parts;
  size_t from = 0;
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const size_t at = text.find(separator, from);
    if (at == std::string_view::npos) break;
    parts.push_back(text.substr(from, at - from));
    from = at + separator.size();
  }
  parts.push_back(text.substr(from));
  return parts;
}

std::vector<std::string_view> split_at_right(std::string_view text, std::string_view separator,
                                             int64_t limit) {
  std::vector<std::string_view> parts;
  size_t end = text.size();
  while (limit < 0 || static_cast<int64_t>(parts.size()) < limit) {
    const std::string_view head = text.substr(0, end);
    const size_t at = head.rfind(separator);
    if (at == std::string_view::npos) break;
    parts.push_back(head.substr(at + separator.size()));
    end = at;
  }
  parts.push_back(text.substr(0, end));
  std::reverse(parts.begin(), parts.end());
  return parts;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  size_t start = 0;
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode(text, at);
    const size_t end = at;
    at += static_cast<size_t>(d.bytes);
    if (!is_line_end(d.code_point)) continue;
    if (d.code_point == '\r' && at < text.size() && text[at] == '\n') ++at;
    lines.push_back(text.substr(start, (keep_ends ? at : end) - start));
    start = at;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

size_t replaced_bytes(std::string_view text, std::string_view old, std::string_view by,
                      int64_t limit) {
  const auto n = static_cast<size_t>(count_occurrences(text, old, limit));
  return text.size() + n * by.size() - n * old.size();
}

std::string replace_all(std::string_view text, std::string_view old, std::string_view by,
                        int64_t limit) {
  int64_t left = count_occurrences(text, old, limit);
  std::string out;
  size_t at = 0;
  while (left-- > 0) {
    if (old.empty()) {
      out += by;
      if (at < text.size()) {
        const size_t bytes = character_bytes(text, at);
        out += text.substr(at, bytes);
        at += bytes;
      }
      continue;
    }
    const size_t found = text.find(old, at);
    out += text.substr(at, found - at);
    out += by;
    at = found + old.size();
  }
  return out.append(text.substr(std::min(at, text.size())));
}

}  // namespace octavo::jinja
