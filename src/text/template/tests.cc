#include "text/template/tests.h"

#include <algorithm>

#include "text/template/arguments.h"
#include "text/template/characters.h"
#include "text/template/filters.h"
#include "text/template/object.h"
#include "text/template/operators.h"
#include "text/template/runtime.h"

namespace octavo::jinja {
namespace {

template <bool (*kHolds)(const Value&)>
bool unary(Runtime&, const Value& self, const Args& args) {
  const Parameters p(args, "test", {});
  return kHolds(self);
}

bool is_defined(const Value& v) { return !v.is_undefined(); }
bool is_undefined(const Value& v) { return v.is_undefined(); }
bool is_none(const Value& v) { return v.is_none(); }
bool is_boolean(const Value& v) { return v.is<bool>(); }
bool is_true(const Value& v) { return v.is<bool>() && *v.get<bool>(); }
bool is_false(const Value& v) { return v.is<bool>() && !*v.get<bool>(); }
bool is_integer(const Value& v) { return v.is<int64_t>(); }
bool is_float(const Value& v) { return v.is<double>(); }
bool is_number(const Value& v) { return v.is_number(); }
bool is_string(const Value& v) { return v.is_text(); }
bool is_mapping(const Value& v) { return v.dict() != nullptr; }
bool is_callable(const Value& v) {
  return v.is_undefined() || (v.object() && v.object()->callable());
}
bool is_escaped(const Value& v) { return v.text() && v.text()->markup; }
bool is_iterable(const Value& v) {
  return v.is_undefined() || v.text() || v.sequence() || v.dict() ||
         (v.object() && v.object()->iterable());
}
bool is_sequence(const Value& v) {
  return v.is_undefined() || v.text() || v.sequence() || v.dict() ||
         dynamic_cast<Range*>(v.object());
}

template <CompareOp kOp>
bool comparison(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "test", {"other"}, 1);
  return compare(runtime, kOp, self, p[0]);
}

int64_t remainder(Runtime& runtime, const Value& self, const Value& by) {
  return static_cast<int64_t>(binary(runtime, BinaryOp::mod, self, by).number());
}
bool odd(Runtime& runtime, const Value& self, const Args&) {
  return remainder(runtime, self, int64_t{2}) == 1;
}
bool even(Runtime& runtime, const Value& self, const Args&) {
  return remainder(runtime, self, int64_t{2}) == 0;
}
bool divisible_by(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "divisibleby", {"num"}, 1);
  return binary(runtime, BinaryOp::mod, self, p[0]).number() == 0;
}

bool same_as(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "sameas", {"other"}, 1);
  const Value& other = p[0];
  if (self.data().index() != other.data().index()) return false;
  if (self.sequence() || self.dict()) {
    return self.sequence() == other.sequence() && self.dict() == other.dict();
  }
  return equal(runtime, self, other);
}

template <bool (*kWanted)(char32_t), bool (*kOther)(char32_t)>
bool letters(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "test", {});
  const std::string text = runtime.str(self);
  const std::string same = kWanted('a') ? lower(text) : upper(text);
  return same == text && lower(text) != upper(text);
}

bool filter_exists(Runtime&, const Value& self, const Args&) {
  return self.text() && find_filter(self.text()->bytes);
}
bool test_exists(Runtime&, const Value& self, const Args&) {
  return self.text() && find_test(self.text()->bytes);
}

struct Entry {
  std::string_view name;
  Test test;
};
constexpr Entry kTests[] = {
    {"defined", unary<is_defined>},
    {"undefined", unary<is_undefined>},
    {"none", unary<is_none>},
    {"boolean", unary<is_boolean>},
    {"true", unary<is_true>},
    {"false", unary<is_false>},
    {"integer", unary<is_integer>},
    {"float", unary<is_float>},
    {"number", unary<is_number>},
    {"string", unary<is_string>},
    {"mapping", unary<is_mapping>},
    {"callable", unary<is_callable>},
    {"escaped", unary<is_escaped>},
    {"iterable", unary<is_iterable>},
    {"sequence", unary<is_sequence>},
    {"lower", letters<is_lower, is_upper>},
    {"upper", letters<is_upper, is_lower>},
    {"odd", odd},
    {"even", even},
    {"divisibleby", divisible_by},
    {"sameas", same_as},
    {"filter", filter_exists},
    {"test", test_exists},
    {"in", comparison<CompareOp::in>},
    {"==", comparison<CompareOp::eq>},
    {"eq", comparison<CompareOp::eq>},
    {"equalto", comparison<CompareOp::eq>},
    {"!=", comparison<CompareOp::ne>},
    {"ne", comparison<CompareOp::ne>},
    {">", comparison<CompareOp::gt>},
    {"gt", comparison<CompareOp::gt>},
    {"greaterthan", comparison<CompareOp::gt>},
    {">=", comparison<CompareOp::ge>},
    {"ge", comparison<CompareOp::ge>},
    {"<", comparison<CompareOp::lt>},
    {"lt", comparison<CompareOp::lt>},
    {"lessthan", comparison<CompareOp::lt>},
    {"<=", comparison<CompareOp::le>},
    {"le", comparison<CompareOp::le>},
};

}  // namespace

Test find_test(std::string_view name) {
  const auto* it = std::find_if(std::begin(kTests), std::end(kTests),
                                [&](const Entry& e) { return e.name == name; });
  return it == std::end(kTests) ? nullptr : it->test;
}

}  // namespace octavo::jinja
