#include "text/template/json_writer.h"

#include <cmath>
#include <cstdio>
#include <list>

#include "base/utf8.h"
#include "text/template/operators.h"
#include "text/template/python_repr.h"
#include "text/template/runtime.h"

namespace octavo::jinja {
namespace {

std::string float_json(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  return float_repr(value);
}

class Writer {
 public:
  Writer(Runtime& runtime, const JsonStyle& style) : runtime_(runtime), style_(style) {}

  std::string run(const Value& value) {
    write(value);
    return std::move(out_);
  }

 private:
  void write(const Value& value) {
    const Budget::Level level(runtime_.budget);
    runtime_.budget.spend(Budget::kNode);
    if (const Text* text = value.text()) {
      quoted(text->bytes);
    } else if (const Sequence* sequence = value.sequence()) {
      array(*sequence);
    } else if (const Dict* dict = value.dict()) {
      object(*dict);
    } else if (value.is_undefined() || value.object()) {
      fail("Object of type " + std::string(type_name(value)) + " is not JSON serializable");
    } else {
      out_ += scalar(value);
    }
    if (static_cast<int64_t>(out_.size()) > runtime_.budget.limits().max_output_bytes) {
      fail("the template made a text longer than the limit allows");
    }
  }

  static std::string scalar(const Value& value) {
    if (const auto* b = value.get<bool>()) return *b ? "true" : "false";
    if (const auto* i = value.get<int64_t>()) return std::to_string(*i);
    if (const auto* d = value.get<double>()) return float_json(*d);
    return "null";
  }

  void escape(char32_t c) {
    char text[16];
    if (c >= 0x10000) {
      c -= 0x10000;
      std::snprintf(text, sizeof text, "\\u%04x\\u%04x", static_cast<unsigned>(0xD800 + (c >> 10)),
                    static_cast<unsigned>(0xDC00 + (c & 0x3FF)));
    } else {
      std::snprintf(text, sizeof text, "\\u%04x", static_cast<unsigned>(c));
    }
    out_ += text;
  }

  void quoted(std::string_view text) {
    runtime_.budget.spend_bytes(text.size());
    out_ += '"';
    for (size_t at = 0; at < text.size();) {
      const utf8::Decoded d = utf8::decode(text, at);
      const std::string_view bytes = text.substr(at, static_cast<size_t>(d.bytes));
      at += bytes.size();
      character(d.code_point, bytes);
    }
    out_ += '"';
  }

  void character(char32_t c, std::string_view bytes) {
    constexpr std::string_view kNamed = "\"\\\n\r\t\b\f";
    constexpr std::string_view kEscape = "\"\\nrtbf";
    const size_t named = c < 0x80 ? kNamed.find(static_cast<char>(c)) : std::string_view::npos;
    if (named != std::string_view::npos) {
      out_ += '\\';
      out_ += kEscape[named];
    } else if (c < 0x20 || (style_.ensure_ascii && c >= 0x7F)) {
      if (c == 0x7F) {
        out_ += bytes;
      } else {
        escape(c);
      }
    } else {
      out_ += bytes;
    }
  }

  void new_line() {
    if (!style_.indent) return;
    out_ += '\n';
    runtime_.budget.spend_bytes(style_.indent->size() * static_cast<size_t>(level_));
    for (int i = 0; i < level_; ++i) out_ += *style_.indent;
  }

  void array(const Sequence& sequence) {
    if (sequence.items.empty()) {
      out_ += "[]";
      return;
    }
    out_ += '[';
    ++level_;
    for (size_t i = 0; i < sequence.items.size(); ++i) {
      if (i > 0) out_ += style_.item_separator;
      new_line();
      write(sequence.items[i]);
    }
    --level_;
    new_line();
    out_ += ']';
  }

  void key(const Value& key) {
    if (const Text* text = key.text()) {
      quoted(text->bytes);
    } else if (key.is_none() || key.is_number()) {
      out_ += '"' + scalar(key) + '"';
    } else {
      fail("keys must be str, int, float, bool or None, not " + std::string(type_name(key)));
    }
  }

  void object(const Dict& dict) {
    if (dict.entries.empty()) {
      out_ += "{}";
      return;
    }
    std::list<const std::pair<Value, Value>*> entries;  // std::list sorts safely under any order
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (style_.sort_keys) {
      entries.sort(
          [&](const auto* a, const auto* b) { return less(runtime_, a->first, b->first); });
    }
    out_ += '{';
    ++level_;
    for (const auto* entry : entries) {
      if (entry != entries.front()) out_ += style_.item_separator;
      new_line();
      key(entry->first);
      out_ += style_.key_separator;
      write(entry->second);
    }
    --level_;
    new_line();
    out_ += '}';
  }

  Runtime& runtime_;
  const JsonStyle& style_;
  std::string out_;
  int level_ = 0;
};

}  // namespace

std::string write_json(Runtime& runtime, const Value& value, const JsonStyle& style) {
  return Writer(runtime, style).run(value);
}

}  // namespace octavo::jinja
