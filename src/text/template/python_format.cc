#include "text/template/python_format.h"

#include <cmath>
#include <cstdio>
#include <optional>

#include "base/utf8.h"
#include "text/template/access.h"
#include "text/template/characters.h"
#include "text/template/format_spec.h"
#include "text/template/operators.h"
#include "text/template/python_repr.h"
#include "text/template/runtime.h"

namespace octavo::jinja {
namespace {

constexpr int64_t kMaxWidth = 1 << 20;
constexpr int64_t kMaxFloatPrecision = 400;

std::string ascii_only(const std::string& text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    const utf8::Decoded d = utf8::decode(text, at);
    at += static_cast<size_t>(d.bytes);
    char escaped[16];
    const char* format = d.code_point < 0x80      ? "%c"
                         : d.code_point < 0x100   ? "\\x%02x"
                         : d.code_point < 0x10000 ? "\\u%04x"
                                                  : "\\U%08x";
    std::snprintf(escaped, sizeof escaped, format, static_cast<unsigned>(d.code_point));
    out += escaped;
  }
  return out;
}

// The walk over a % format.
class Percent {
 public:
  Percent(Runtime& runtime, const Text& format, const Value& values)
      : runtime_(runtime), format_(format.bytes), markup_(format.markup), values_(values) {
    const Sequence* s = values.sequence();
    tuple_ = s && s->kind != Sequence::Kind::list ? s : nullptr;
  }

  std::string run() {
    while (at_ < format_.size()) {
      const size_t percent = std::min(format_.find('%', at_), format_.size());
      out_ += format_.substr(at_, percent - at_);
      at_ = percent;
      if (at_ < format_.size()) conversion();
      runtime_.budget.take_text(out_.size() / 16);
    }
    const size_t given = tuple_ ? tuple_->items.size() : values_.dict() ? next_ : 1;
    if (next_ < given && !used_mapping_) {
      fail("not all arguments converted during string formatting");
    }
    return std::move(out_);
  }

 private:
  char peek() const {
    if (at_ >= format_.size()) fail("incomplete format");
    return format_[at_];
  }

  const Value& next() {
    if (tuple_) {
      if (next_ >= tuple_->items.size()) fail("not enough arguments for format string");
      return tuple_->items[next_++];
    }
    if (next_++ > 0) fail("not enough arguments for format string");
    return values_;
  }

  int64_t count() {
    if (peek() == '*') {
      ++at_;
      const int64_t value = to_integer(next(), "* ");
      if (value > kMaxWidth || value < -kMaxWidth) fail("a format's width is too large");
      return value;
    }
    int64_t value = 0;
    while (peek() >= '0' && peek() <= '9') {
      value = value * 10 + (format_[at_++] - '0');
      if (value > kMaxWidth) fail("a format's width is too large");
    }
    return value;
  }

  Value mapped() {
    int open = 1;
    const size_t start = ++at_;
    for (; open > 0; ++at_) open += peek() == '(' ? 1 : peek() == ')' ? -1 : 0;
    const Dict* dict = values_.dict();
    if (!dict) fail("format requires a mapping");
    const std::string key = format_.substr(start, at_ - 1 - start);
    const Value* found = dict->find(key);
    if (!found) fail("KeyError: " + text_repr(key));
    used_mapping_ = true;
    return *found;
  }

  void conversion() {
    ++at_;
    FormatSpec spec;
    std::optional<Value> value;
    if (peek() == '(') value = mapped();
    bool left = false, zero = false;
    for (;; ++at_) {
      const char flag = peek();
      if (flag == '-') {
        left = true;
      } else if (flag == '0') {
        zero = true;
      } else if (flag == '+' || (flag == ' ' && spec.sign != '+')) {
        spec.sign = flag;
      } else if (flag == '#') {
        spec.alternate = true;
      } else if (flag != ' ') {
        break;
      }
    }
    spec.width = count();
    if (spec.width < 0) {
      left = true;
      spec.width = -spec.width;
    }
    if (peek() == '.') {
      ++at_;
      spec.precision = std::max<int64_t>(count(), 0);
    }
    while (peek() == 'l' || peek() == 'h' || peek() == 'L') ++at_;
    const char type = format_[at_++];
    if (type == '%') {
      out_ += '%';
      return;
    }
    spec.align = left ? '<' : '>';
    convert(value ? *value : next(), type, spec, zero && !left);
  }

  void convert(const Value& value, char type, FormatSpec spec, bool zero) {
    if (std::string_view("diouxXeEfFgG").find(type) != std::string_view::npos) {
      if (zero) {
        spec.fill = "0";
        spec.align = '=';
      }
      return number(value, type, spec);
    }
    std::string text;
    if (type == 's') {
      text = runtime_.str(value);
    } else if (type == 'r') {
      text = runtime_.repr(value);
    } else if (type == 'a') {
      text = ascii_only(runtime_.repr(value));
    } else if (type == 'c') {
      text = character(value);
    } else {
      fail(std::string("unsupported format character '") + type + "'");
    }
    if (markup_ && !(value.text() && value.text()->markup)) text = escape_markup(text);
    out_ += lay_out_text(runtime_, std::move(text), spec);
  }

  static std::string character(const Value& value) {
    if (const Text* text = value.text()) {
      if (character_count(text->bytes) != 1) fail("%c requires int or char");
      return text->bytes;
    }
    const int64_t code = to_integer(value, "%c argument");
    if (code < 0 || code > 0x10FFFF) fail("%c arg not in range(0x110000)");
    std::string out;
    utf8::append(out, static_cast<char32_t>(code));
    return out;
  }

  void number(const Value& value, char type, const FormatSpec& spec) {
    if (!value.is_number()) {
      fail(std::string("%") + type + " format: a number is required, not " +
           std::string(type_name(value)));
    }
    std::string digits;
    bool negative = false;
    if (std::string_view("eEfFgG").find(type) != std::string_view::npos) {
      if (spec.precision > kMaxFloatPrecision) fail("a format's precision is too large");
      negative = std::signbit(value.number());
      digits =
          format_float(std::fabs(value.number()), type,
                       spec.precision < 0 ? 6 : static_cast<int>(spec.precision), spec.alternate);
    } else {
      digits = integer(value, type, spec, negative);
    }
    out_ += lay_out_number(runtime_, std::move(digits), negative, spec);
  }

  static std::string integer(const Value& value, char type, const FormatSpec& spec,
                             bool& negative) {
    int64_t i = 0;
    if (const auto* d = value.get<double>()) {
      if (type != 'd' && type != 'i' && type != 'u') {
        fail(std::string("%") + type + " format: an integer is required, not float");
      }
      if (!(std::fabs(*d) < 9.2e18)) fail("cannot convert float to integer");
      i = static_cast<int64_t>(*d);
    } else {
      value.integer(i);
    }
    negative = i < 0;
    const auto magnitude = negative ? 0 - static_cast<uint64_t>(i) : static_cast<uint64_t>(i);
    std::string digits = integer_digits(magnitude, type, spec.alternate);
    const auto precision = static_cast<size_t>(std::max<int64_t>(spec.precision, 0));
    if (digits.size() < precision) digits.insert(0, precision - digits.size(), '0');
    return digits;
  }

  Runtime& runtime_;
  const std::string& format_;
  bool markup_;
  const Value& values_;
  const Sequence* tuple_;
  std::string out_;
  size_t at_ = 0;
  size_t next_ = 0;
  bool used_mapping_ = false;
};

// The walk over a str.format format.
class Braces {
 public:
  Braces(Runtime& runtime, const Args& args) : runtime_(runtime), args_(args) {}

  std::string run(std::string_view format, int depth) {
    if (depth > 1) fail("Max string recursion exceeded");
    std::string out;
    for (size_t at = 0; at < format.size();) {
      const char c = format[at];
      const bool doubled = at + 1 < format.size() && format[at + 1] == c;
      if ((c != '{' && c != '}') || doubled) {
        out += c;
        at += c == '{' || c == '}' ? 2 : 1;
        continue;
      }
      if (c == '}') fail("Single '}' encountered in format string");
      const size_t end = field_end(format, at + 1);
      out += field(format.substr(at + 1, end - at - 1), depth);
      runtime_.budget.take_text(out.size() / 16);
      at = end + 1;
    }
    return out;
  }

 private:
  static size_t field_end(std::string_view format, size_t at) {
    for (int open = 1; at < format.size(); ++at) {
      if (format[at] == '{') ++open;
      if (format[at] == '}' && --open == 0) return at;
    }
    fail("expected '}' before end of string");
  }

  std::string field(std::string_view text, int depth) {
    const size_t name_end = std::min(text.find_first_of("!:"), text.size());
    Value value = lookup(text.substr(0, name_end));
    size_t at = name_end;
    if (at < text.size() && text[at] == '!') {
      const char conversion = at + 1 < text.size() ? text[at + 1] : '\0';
      if (conversion == 'r') {
        value = runtime_.text(runtime_.repr(value));
      } else if (conversion == 's') {
        value = runtime_.text(runtime_.str(value));
      } else if (conversion == 'a') {
        value = runtime_.text(ascii_only(runtime_.repr(value)));
      } else {
        fail("unknown conversion specifier");
      }
      at += 2;
    }
    std::string spec;
    if (at < text.size()) {
      if (text[at] != ':') fail("expected ':' after conversion specifier");
      spec = run(text.substr(at + 1), depth + 1);
    }
    return apply_format(runtime_, value, parse_format_spec(spec));
  }

  Value first(std::string_view name) {
    const bool number =
        !name.empty() && name.find_first_not_of("0123456789") == std::string_view::npos;
    if (!name.empty() && !number) {
      for (const auto& [key, value] : args_.named) {
        if (key == name) return value;
      }
      fail("KeyError: " + text_repr(name));
    }
    if (name.size() > 6) fail("Too many decimal digits in format string");
    const size_t index = name.empty() ? next_++ : std::stoul(std::string(name));
    if (index >= args_.positional.size()) fail("Replacement index out of range");
    return args_.positional[index];
  }

  Value lookup(std::string_view path) {
    size_t at = std::min(path.find_first_of(".["), path.size());
    Value value = first(path.substr(0, at));
    while (at < path.size()) {
      if (path[at] == '.') {
        const size_t end = std::min(path.find_first_of(".[", at + 1), path.size());
        value = get_attribute(runtime_, value, path.substr(at + 1, end - at - 1));
        at = end;
      } else {
        const size_t end = path.find(']', at);
        if (path[at] != '[' || end == std::string_view::npos) fail("Missing ']' in format string");
        const std::string key(path.substr(at + 1, end - at - 1));
        const bool number = !key.empty() && key.size() < 9 &&
                            key.find_first_not_of("0123456789") == std::string::npos;
        value =
            get_item(runtime_, value, number ? Value(int64_t{std::stol(key)}) : runtime_.text(key));
        at = end + 1;
      }
    }
    return value;
  }

  Runtime& runtime_;
  const Args& args_;
  size_t next_ = 0;
};

}  // namespace

std::string format_float(double value, char type, int precision, bool alternate) {
  const bool upper = type == 'E' || type == 'F' || type == 'G';
  if (std::isnan(value)) return upper ? "NAN" : "nan";
  if (std::isinf(value)) return upper ? "INF" : "inf";
  const std::string format = std::string(alternate ? "%#.*" : "%.*") + type;
  const int bytes = std::snprintf(nullptr, 0, format.c_str(), precision, value);
  std::string out(static_cast<size_t>(bytes) + 1, '\0');
  std::snprintf(out.data(), out.size(), format.c_str(), precision, value);
  out.pop_back();
  return out;
}

Value format_percent(Runtime& runtime, const Value& format, const Value& values) {
  return runtime.text_like(format, Percent(runtime, *format.text(), values).run());
}

Value format_braces(Runtime& runtime, const Value& format, const Args& args) {
  return runtime.text_like(format, Braces(runtime, args).run(format.text()->bytes, 0));
}

}  // namespace octavo::jinja
