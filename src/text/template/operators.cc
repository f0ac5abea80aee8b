#include "text/template/operators.h"

#include <algorithm>
#include <cmath>

#include "base/checked.h"
#include "text/template/object.h"
#include "text/template/python_format.h"
#include "text/template/runtime.h"

namespace octavo::jinja {
namespace {

constexpr std::string_view kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};

[[noreturn]] void unsupported(BinaryOp op, const Value& a, const Value& b) {
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  if (op == BinaryOp::add && (a.is_text() || a.sequence())) {
    const std::string type(type_name(a));
    fail("can only concatenate " + type + " (not \"" + std::string(type_name(b)) + "\") to " +
         type);
  }
  fail("unsupported operand type(s) for " + std::string(kSymbols[static_cast<int>(op)]) + ": '" +
       std::string(type_name(a)) + "' and '" + std::string(type_name(b)) + "'");
}

Value checked(std::optional<int64_t> value) {
  if (!value) fail("an integer does not fit 64 bits");
  return *value;
}

// Floor division and its remainder, which takes the divisor's sign.
Value integer_division(BinaryOp op, int64_t a, int64_t b) {
  if (b == 0) fail("integer division or modulo by zero");
  if (b == -1) {
    if (op == BinaryOp::mod) return int64_t{0};
    if (a == INT64_MIN) return checked(std::nullopt);
    return -a;
  }
  int64_t quotient = a / b;
  int64_t rest = a % b;
  if (rest != 0 && (rest < 0) != (b < 0)) {
    --quotient;
    rest += b;
  }
  return op == BinaryOp::mod ? rest : quotient;
}

Value integer_power(int64_t base, int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) fail("0.0 cannot be raised to a negative power");
    return std::pow(static_cast<double>(base), static_cast<double>(exponent));
  }
  std::optional<int64_t> result = 1;
  // Bases of one digit or less never overflow, others stop within 63 rounds.
  if (base == 0 || base == 1) return exponent == 0 ? int64_t{1} : base;
  if (base == -1) return exponent % 2 == 0 ? int64_t{1} : int64_t{-1};
  for (; exponent > 0 && result; --exponent) result = checked_mul(*result, base);
  return checked(result);
}

Value integer_binary(BinaryOp op, int64_t a, int64_t b) {
  int64_t result = 0;
  switch (op) {
    case BinaryOp::add:
      return checked(checked_add(a, b));
    case BinaryOp::sub:
      return checked(__builtin_sub_overflow(a, b, &result) ? std::nullopt
                                                           : std::optional<int64_t>(result));
    case BinaryOp::mul:
      return checked(checked_mul(a, b));
    case BinaryOp::div:
      if (b == 0) fail("division by zero");
      return static_cast<double>(a) / static_cast<double>(b);
    case BinaryOp::floor_div:
    case BinaryOp::mod:
      return integer_division(op, a, b);
    case BinaryOp::pow:
      return integer_power(a, b);
  }
  return {};
}

Value float_binary(BinaryOp op, double a, double b) {
  if (b == 0 && (op == BinaryOp::div || op == BinaryOp::floor_div || op == BinaryOp::mod)) {
    fail("float division by zero");
  }
  switch (op) {
    case BinaryOp::add:
      return a + b;
    case BinaryOp::sub:
      return a - b;
    case BinaryOp::mul:
      return a * b;
    case BinaryOp::div:
      return a / b;
    case BinaryOp::floor_div:
      return std::floor(a / b);
    case BinaryOp::mod: {
      const double rest = std::fmod(a, b);
      return rest != 0 && (rest < 0) != (b < 0) ? rest + b : std::copysign(rest, b);
    }
    case BinaryOp::pow: {
      const double result = std::pow(a, b);
      if (a == 0 && b < 0) fail("0.0 cannot be raised to a negative power");
      if (std::isnan(result) && !std::isnan(a) && !std::isnan(b)) fail("complex numbers");
      if (std::isinf(result) && !std::isinf(a) && !std::isinf(b))
        fail("numerical result too large");
      return result;
    }
  }
  return {};
}

Value add_texts(Runtime& runtime, const Text& a, const Text& b) {
  runtime.budget.take_text(a.bytes.size() + b.bytes.size());
  if (a.markup == b.markup) return runtime.text(a.bytes + b.bytes, a.markup);
  return runtime.text(
      (a.markup ? a.bytes : escape_markup(a.bytes)) + (b.markup ? b.bytes : escape_markup(b.bytes)),
      true);
}

Value add_sequences(Runtime& runtime, const Sequence& a, const Sequence& b) {
  runtime.budget.take_items(a.items.size() + b.items.size());
  std::vector<Value> items = a.items;
  items.insert(items.end(), b.items.begin(), b.items.end());
  return a.kind == Sequence::Kind::list ? runtime.list(std::move(items))
                                        : runtime.tuple(std::move(items));
}

Value repeat(Runtime& runtime, const Value& what, int64_t count) {
  count = std::max<int64_t>(count, 0);
  if (const Text* text = what.text()) {
    const auto total = checked_mul(static_cast<int64_t>(text->bytes.size()), count);
    if (!total) fail("the template made a text longer than the limit allows");
    runtime.budget.take_text(static_cast<size_t>(*total));
    std::string out;
    out.reserve(static_cast<size_t>(*total));
    for (int64_t i = 0; i < count && !text->bytes.empty(); ++i) out += text->bytes;
    return runtime.text_like(what, std::move(out));
  }
  const auto& items = what.sequence()->items;
  const auto total = checked_mul(static_cast<int64_t>(items.size()), count);
  if (!total) fail("the template made a list longer than the limit allows");
  runtime.budget.take_items(static_cast<size_t>(*total));
  std::vector<Value> out;
  for (int64_t i = 0; i < count && !items.empty(); ++i) {
    out.insert(out.end(), items.begin(), items.end());
  }
  return what.sequence()->kind == Sequence::Kind::list ? runtime.list(std::move(out))
                                                       : runtime.tuple(std::move(out));
}

bool is_tuple(const Sequence& s) { return s.kind != Sequence::Kind::list; }

bool equal_dicts(Runtime& runtime, const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(runtime, key);
    if (!other || !equal(runtime, value, *other)) return false;
  }
  return true;
}

}  // namespace

std::string escape_markup(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

bool equal(Runtime& runtime, const Value& a, const Value& b) {
  runtime.budget.spend(Budget::kItem);
  if (a.is_number() && b.is_number()) {
    int64_t x = 0, y = 0;
    if (a.integer(x) && b.integer(y)) return x == y;
    return a.number() == b.number();
  }
  if (a.data().index() != b.data().index()) return false;
  if (const Text* text = a.text()) {
    if (text->bytes.size() != b.text()->bytes.size()) return false;
    runtime.budget.spend_bytes(text->bytes.size() / 8);
    return text->bytes == b.text()->bytes;
  }
  if (const Sequence* x = a.sequence()) {
    const Sequence* y = b.sequence();
    if (x == y) return true;
    if (is_tuple(*x) != is_tuple(*y) || x->items.size() != y->items.size()) return false;
    for (size_t i = 0; i < x->items.size(); ++i) {
      if (!equal(runtime, x->items[i], y->items[i])) return false;
    }
    return true;
  }
  if (const Dict* x = a.dict()) return x == b.dict() || equal_dicts(runtime, *x, *b.dict());
  return a.object() == b.object();  // also None and undefined, where both are null
}

bool less(Runtime& runtime, const Value& a, const Value& b) {
  return compare(runtime, CompareOp::lt, a, b);
}

namespace {

// <, <=, >, >= from the first difference, as Python compares sequences.
bool ordered(CompareOp op, int order) {
  switch (op) {
    case CompareOp::lt:
      return order < 0;
    case CompareOp::le:
      return order <= 0;
    case CompareOp::gt:
      return order > 0;
    default:
      return order >= 0;
  }
}

bool compare_sequences(Runtime& runtime, CompareOp op, const Sequence& a, const Sequence& b) {
  const size_t common = std::min(a.items.size(), b.items.size());
  for (size_t i = 0; i < common; ++i) {
    if (!equal(runtime, a.items[i], b.items[i])) {
      return compare(runtime, op, a.items[i], b.items[i]);
    }
  }
  return ordered(op, a.items.size() < b.items.size() ? -1 : a.items.size() > b.items.size());
}

bool compare_order(Runtime& runtime, CompareOp op, const Value& a, const Value& b) {
  int64_t x = 0, y = 0;
  if (a.integer(x) && b.integer(y)) return ordered(op, x < y ? -1 : x > y);
  if (a.is_number() && b.is_number()) {
    const double p = a.number(), q = b.number();
    if (std::isnan(p) || std::isnan(q)) return false;
    return ordered(op, p < q ? -1 : p > q);
  }
  if (a.is_text() && b.is_text()) {
    runtime.budget.spend_bytes(std::min(a.text()->bytes.size(), b.text()->bytes.size()) / 8);
    return ordered(op, a.text()->bytes.compare(b.text()->bytes));
  }
  const Sequence* s = a.sequence();
  const Sequence* t = b.sequence();
  if (s && t && is_tuple(*s) == is_tuple(*t)) return compare_sequences(runtime, op, *s, *t);
  if (a.is_undefined()) fail_undefined(a);
  if (b.is_undefined()) fail_undefined(b);
  constexpr std::string_view kNames[] = {"==", "!=", "<", "<=", ">", ">="};
  fail("'" + std::string(kNames[static_cast<int>(op)]) + "' not supported between instances of '" +
       std::string(type_name(a)) + "' and '" + std::string(type_name(b)) + "'");
}

}  // namespace

bool compare(Runtime& runtime, CompareOp op, const Value& a, const Value& b) {
  switch (op) {
    case CompareOp::eq:
      return equal(runtime, a, b);
    case CompareOp::ne:
      return !equal(runtime, a, b);
    case CompareOp::in:
      return contains(runtime, b, a);
    case CompareOp::not_in:
      return !contains(runtime, b, a);
    default:
      return compare_order(runtime, op, a, b);
  }
}

bool contains(Runtime& runtime, const Value& container, const Value& item) {
  if (const Text* text = container.text()) {
    const Text* part = item.text();
    if (!part) {
      fail("'in <string>' requires string as left operand, not " + std::string(type_name(item)));
    }
    runtime.budget.spend_bytes(text->bytes.size());
    return text->bytes.find(part->bytes) != std::string::npos;
  }
  if (const Dict* dict = container.dict()) return dict->find(runtime, item) != nullptr;
  if (container.is_undefined()) return false;
  if (!container.sequence() && !(container.object() && container.object()->iterable())) {
    fail("argument of type '" + std::string(type_name(container)) + "' is not iterable");
  }
  const SequenceRef items = runtime.iterate(container);
  return std::any_of(items->items.begin(), items->items.end(),
                     [&](const Value& v) { return equal(runtime, v, item); });
}

Value binary(Runtime& runtime, BinaryOp op, const Value& a, const Value& b) {
  int64_t x = 0, y = 0;
  if (op == BinaryOp::mod && a.is_text()) {
    if (b.is_undefined()) fail_undefined(b);
    return format_percent(runtime, a, b);
  }
  if (a.integer(x) && b.integer(y)) return integer_binary(op, x, y);
  if (a.is_number() && b.is_number()) return float_binary(op, a.number(), b.number());
  const Sequence* s = a.sequence();
  const Sequence* t = b.sequence();
  if (op == BinaryOp::add) {
    if (a.is_text() && b.is_text()) return add_texts(runtime, *a.text(), *b.text());
    if (s && t && is_tuple(*s) == is_tuple(*t)) return add_sequences(runtime, *s, *t);
  }
  if (op == BinaryOp::mul) {
    if ((a.is_text() || s) && b.integer(y)) return repeat(runtime, a, y);
    if ((b.is_text() || t) && a.integer(x)) return repeat(runtime, b, x);
  }
  unsupported(op, a, b);
}

Value signed_value(const Value& operand, bool negative) {
  if (const auto* d = operand.get<double>()) return negative ? -*d : *d;
  int64_t i = 0;
  if (operand.integer(i)) {
    if (!negative) return i;
    if (i == INT64_MIN) return checked(std::nullopt);
    return -i;
  }
  if (operand.is_undefined()) fail_undefined(operand);
  fail(std::string("bad operand type for unary ") + (negative ? "-" : "+") + ": '" +
       std::string(type_name(operand)) + "'");
}

int64_t to_integer(const Value& value, std::string_view what) {
  int64_t out = 0;
  if (value.integer(out)) return out;
  if (value.is_undefined()) fail_undefined(value);
  fail(std::string(what) + " must be an integer, not '" + std::string(type_name(value)) + "'");
}

}  // namespace octavo::jinja
