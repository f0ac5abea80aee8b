#include "text/template/methods.h"

#include <algorithm>

#include "text/template/arguments.h"
#include "text/template/object.h"
#include "text/template/operators.h"
#include "text/template/runtime.h"

namespace octavo::jinja {
namespace {

const DictRef& dict_of(const Value& self) { return *self.get<DictRef>(); }

Value get(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "get", {"key", "default"}, 1);
  const Value* found = dict_of(self)->find(runtime, p[0]);
  if (found) return *found;
  return p.given(1) ? p[1] : Value(None{});
}

template <DictView::Kind kKind>
Value view(Runtime&, const Value& self, const Args& args) {
  const Parameters p(args, "items", {});
  return ObjectRef(std::make_shared<DictView>(kKind, dict_of(self)));
}

Value copy(Runtime&, const Value& self, const Args& args) {
  const Parameters p(args, "copy", {});
  return self;
}

Value fromkeys(Runtime& runtime, const Value&, const Args& args) {
  const Parameters p(args, "fromkeys", {"iterable", "value"}, 1);
  Dict out;
  for (const SequenceRef all = runtime.iterate(p[0]); const Value& key : all->items) {
    out.set(runtime, key, p.given(1) ? p[1] : Value(None{}));
  }
  return runtime.dict(std::move(out));
}

Value count(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "count", {"value"}, 1);
  const auto& items = self.sequence()->items;
  return static_cast<int64_t>(std::count_if(
      items.begin(), items.end(), [&](const Value& v) { return equal(runtime, v, p[0]); }));
}

Value index(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "index", {"value", "start", "stop"}, 1);
  const auto& items = self.sequence()->items;
  const auto size = static_cast<int64_t>(items.size());
  const auto clamp = [&](size_t i, int64_t fallback) {
    const int64_t at = p.integer(i, fallback);
    return std::clamp<int64_t>(at < -size ? 0 : at < 0 ? at + size : at, 0, size);
  };
  const int64_t stop = clamp(2, size);
  for (int64_t i = clamp(1, 0); i < stop; ++i) {
    if (equal(runtime, items[static_cast<size_t>(i)], p[0])) return i;
  }
  fail(runtime.repr(p[0]) + " is not in list");
}

struct Entry {
  std::string_view name;
  Method method;
};
constexpr Entry kDictMethods[] = {{"get", get},
                                  {"items", view<DictView::Kind::items>},
                                  {"keys", view<DictView::Kind::keys>},
                                  {"values", view<DictView::Kind::values>},
                                  {"copy", copy},
                                  {"fromkeys", fromkeys}};
constexpr Entry kListMethods[] = {{"count", count}, {"index", index}, {"copy", copy}};
constexpr std::string_view kDictMutators[] = {"clear", "pop", "popitem", "setdefault", "update"};
constexpr std::string_view kListMutators[] = {"append", "clear", "pop",    "reverse",
                                              "insert", "sort",  "extend", "remove"};
// str attributes that we do not offer; refused rather than taken for missing ones.
constexpr std::string_view kTextRefused[] = {"encode", "format_map", "maketrans", "translate"};

template <typename Table>
Method lookup(const Table& table, std::string_view name) {
  for (const Entry& entry : table) {
    if (entry.name == name) return entry.method;
  }
  return nullptr;
}

template <typename Table>
bool listed(const Table& table, std::string_view name) {
  return std::find(std::begin(table), std::end(table), name) != std::end(table);
}

bool is_list(const Value& self) {
  return self.sequence() && self.sequence()->kind == Sequence::Kind::list;
}

Method find_method(const Value& self, std::string_view name) {
  return self.text() ? find_text_method(name) : find_container_method(self, name);
}

}  // namespace

Method find_container_method(const Value& self, std::string_view name) {
  if (self.dict()) return lookup(kDictMethods, name);
  if (!self.sequence() || (name == "copy" && !is_list(self))) return nullptr;
  return lookup(kListMethods, name);
}

MethodAccess method_access(const Value& self, std::string_view name) {
  if (name.starts_with("__") && name.ends_with("__") && name.size() > 4) {
    // A dict's own key of that shape stays readable; everything else is Python's inside.
    return self.dict() && self.dict()->find(name) ? MethodAccess::none : MethodAccess::refused;
  }
  if (find_method(self, name)) return MethodAccess::allowed;
  const bool refused = (self.dict() && listed(kDictMutators, name)) ||
                       (is_list(self) && listed(kListMutators, name)) ||
                       (self.text() && listed(kTextRefused, name));
  return refused ? MethodAccess::refused : MethodAccess::none;
}

Value call_method(Runtime& runtime, const Value& self, std::string_view name, const Args& args) {
  runtime.budget.spend(Budget::kStep / 2);
  return find_method(self, name)(runtime, self, args);
}

}  // namespace octavo::jinja
