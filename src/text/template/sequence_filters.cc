#include <algorithm>
#include <list>
#include <optional>

#include "text/template/access.h"
#include "text/template/arguments.h"
#include "text/template/characters.h"
#include "text/template/filters.h"
#include "text/template/object.h"
#include "text/template/operators.h"
#include "text/template/runtime.h"
#include "text/template/tests.h"

namespace octavo::jinja {
namespace {

using Items = std::vector<Value>;

Value ignore_case(Runtime& runtime, const Value& value) {
  return value.text() ? runtime.text(lower(value.text()->bytes)) : value;
}

// The keys that `attribute` and `case_sensitive` ask for, of every item.
Items sort_keys(Runtime& runtime, const Items& items, const Value& attribute, bool case_sensitive) {
  Items keys;
  for (const Value& item : items) {
    const Value key = get_path(runtime, item, attribute);
    keys.push_back(case_sensitive ? key : ignore_case(runtime, key));
  }
  return keys;
}

// A stable order of the indices of `keys`. `reverse` keeps the order of equal ones. A list, as its
// sort stays within bounds for keys without an order (NaN).
std::list<size_t> sorted_order(Runtime& runtime, const Items& keys, bool reverse) {
  std::list<size_t> order;
  for (size_t i = 0; i < keys.size(); ++i) order.push_back(i);
  order.sort([&](size_t a, size_t b) {
    return reverse ? less(runtime, keys[b], keys[a]) : less(runtime, keys[a], keys[b]);
  });
  return order;
}

Value length(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "len", {});
  return runtime.length(self);
}

Value to_list(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "list", {});
  return runtime.list(runtime.iterate(self)->items);
}

Value first(Runtime& runtime, const Value& self, const Args&) {
  if (auto* iterator = dynamic_cast<Iterator*>(self.object())) {
    const auto next = iterator->next();
    return next ? *next : undefined("No first item, sequence was empty.");
  }
  if (self.text() && !self.text()->bytes.empty()) {
    const std::string& text = self.text()->bytes;
    return runtime.text_like(self, text.substr(0, character_bytes(text, 0)));
  }
  const SequenceRef items = runtime.iterate(self);
  return items->items.empty() ? undefined("No first item, sequence was empty.") : items->items[0];
}

Value last(Runtime& runtime, const Value& self, const Args&) {
  if (self.is_undefined()) fail("'Undefined' object is not reversible");
  if (dynamic_cast<Iterator*>(self.object())) fail("an iterator is not reversible");
  const SequenceRef items = runtime.iterate(self);
  return items->items.empty() ? undefined("No last item, sequence was empty.")
                              : items->items.back();
}

Value join(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "join", {"d", "attribute"});
  const std::string separator = p.given(0) ? runtime.str(p[0]) : "";
  std::string out;
  bool start = true;
  for (const SequenceRef all = runtime.iterate(self); const Value& item : all->items) {
    if (!std::exchange(start, false)) out += separator;
    out += p.none(1) ? runtime.str(item) : runtime.str(get_path(runtime, item, p[1]));
    runtime.budget.spend_bytes(separator.size() + Budget::kBytesPerUnit);
    if (static_cast<int64_t>(out.size()) > runtime.budget.limits().max_output_bytes) {
      fail("the template made a text longer than the limit allows");
    }
  }
  return runtime.text(std::move(out));
}

Value or_default(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "default", {"default_value", "boolean"});
  const bool missing = self.is_undefined() || (p.flag(1) && !truthy(self));
  if (!missing) return self;
  return p.given(0) ? p[0] : runtime.text("");
}

Value items(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "items", {});
  if (self.is_undefined()) return runtime.iterator("generator", {});
  if (!self.dict()) fail("Can only get item pairs from a mapping.");
  DictView view(DictView::Kind::items, *self.get<DictRef>());
  return runtime.iterator("generator", view.iterate(runtime)->items);
}

Value dictsort(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "dictsort", {"case_sensitive", "by", "reverse"});
  const std::string by = p.text(1, "key");
  if (by != "key" && by != "value") fail("You can only sort by either \"key\" or \"value\"");
  if (self.is_undefined()) fail_undefined(self);
  if (!self.dict()) fail("'" + std::string(type_name(self)) + "' object has no attribute 'items'");
  Items keys, pairs;
  for (const auto& [key, value] : self.dict()->entries) {
    pairs.push_back(runtime.tuple({key, value}));
    const Value& sort_by = by == "key" ? key : value;
    keys.push_back(p.flag(0) ? sort_by : ignore_case(runtime, sort_by));
  }
  Items out;
  for (const size_t i : sorted_order(runtime, keys, p.flag(2))) out.push_back(pairs[i]);
  return runtime.list(std::move(out));
}

// One key an item, or a list of keys for "a,b".
Items multi_keys(Runtime& runtime, const Items& all, const Parameters& p) {
  const Value attribute = p.given(2) ? p[2] : Value(None{});
  const bool several = attribute.text() && attribute.text()->bytes.find(',') != std::string::npos;
  if (!several) return sort_keys(runtime, all, attribute, p.flag(1));
  std::vector<Items> columns;
  std::string_view rest = attribute.text()->bytes;
  while (true) {
    const size_t comma = rest.find(',');
    const Value part = runtime.text(std::string(rest.substr(0, comma)));
    columns.push_back(sort_keys(runtime, all, part, p.flag(1)));
    if (comma == std::string_view::npos) break;
    rest.remove_prefix(comma + 1);
  }
  Items keys;
  for (size_t i = 0; i < all.size(); ++i) {
    Items key;
    for (const Items& column : columns) key.push_back(column[i]);
    keys.push_back(runtime.list(std::move(key)));
  }
  return keys;
}

Value sort(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "sort", {"reverse", "case_sensitive", "attribute"});
  const SequenceRef all = runtime.iterate(self);
  const Items keys = multi_keys(runtime, all->items, p);
  Items out;
  for (const size_t i : sorted_order(runtime, keys, p.flag(0))) out.push_back(all->items[i]);
  return runtime.list(std::move(out));
}

Value unique(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "unique", {"case_sensitive", "attribute"});
  const SequenceRef all = runtime.iterate(self);
  const Items keys = sort_keys(runtime, all->items, p.given(1) ? p[1] : Value(None{}), p.flag(0));
  Dict seen;
  Items out;
  for (size_t i = 0; i < keys.size(); ++i) {
    if (seen.find(runtime, keys[i])) continue;
    seen.set(runtime, keys[i], true);
    out.push_back(all->items[i]);
  }
  return runtime.iterator("generator", std::move(out));
}

template <bool kMax>
Value extreme(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, kMax ? "max" : "min", {"case_sensitive", "attribute"});
  const SequenceRef all = runtime.iterate(self);
  if (all->items.empty()) return undefined("No aggregated item, sequence was empty.");
  const Items keys = sort_keys(runtime, all->items, p.given(1) ? p[1] : Value(None{}), p.flag(0));
  size_t best = 0;
  for (size_t i = 1; i < keys.size(); ++i) {
    const bool better =
        kMax ? less(runtime, keys[best], keys[i]) : less(runtime, keys[i], keys[best]);
    if (better) best = i;
  }
  return all->items[best];
}

Value sum(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "sum", {"attribute", "start"});
  Value total = p.given(1) ? p[1] : Value(int64_t{0});
  if (total.is_text()) fail("sum() can't sum strings");
  for (const SequenceRef all = runtime.iterate(self); const Value& item : all->items) {
    runtime.budget.spend(Budget::kStep / 2);
    total = binary(runtime, BinaryOp::add, total, p.none(0) ? item : get_path(runtime, item, p[0]));
  }
  return total;
}

Value reverse(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "reverse", {});
  Items out = runtime.iterate(self)->items;
  std::reverse(out.begin(), out.end());
  if (!self.text()) {
    if (dynamic_cast<Iterator*>(self.object())) return runtime.list(std::move(out));
    return runtime.iterator("reversed", std::move(out));
  }
  std::string text;
  for (const Value& c : out) text += c.text()->bytes;
  return runtime.text_like(self, std::move(text));
}

Value attr(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "attr", {"name"}, 1);
  const std::string name = p.text(0);
  if (self.dict() && self.dict()->find(name)) {
    return undefined("'dict object' has no attribute '" + name + "'");
  }
  return get_attribute(runtime, self, name);
}

Filter need_filter(const Value& name) {
  const Filter found = name.text() ? find_filter(name.text()->bytes) : nullptr;
  if (!found) fail("no filter of that name");
  return found;
}

Value map(Runtime& runtime, const Value& self, const Args& args) {
  Items out;
  if (!truthy(self)) return runtime.iterator("generator", {});
  const SequenceRef all = runtime.iterate(self);
  if (args.positional.empty()) {
    const Parameters p(args, "map", {"attribute", "default"});
    if (!p.given(0)) fail("map requires a filter argument");
    const Value* fallback = p.none(1) ? nullptr : &p[1];
    for (const Value& item : all->items) out.push_back(get_path(runtime, item, p[0], fallback));
    return runtime.iterator("generator", std::move(out));
  }
  const Filter filter = need_filter(args.positional[0]);
  const Args inner{{args.positional.begin() + 1, args.positional.end()}, args.named};
  const Budget::Level level(runtime.budget);
  for (const Value& item : all->items) {
    runtime.budget.spend(Budget::kStep / 2);
    out.push_back(filter(runtime, item, inner));
  }
  return runtime.iterator("generator", std::move(out));
}

template <bool kKeep, bool kAttribute>
Value pick(Runtime& runtime, const Value& self, const Args& args) {
  Items out;
  if (!truthy(self)) return runtime.iterator("generator", {});
  constexpr size_t kName = kAttribute ? 1 : 0;
  if (args.positional.size() < kName) fail("Missing parameter for attribute name");
  Test test = nullptr;
  Args inner{{}, args.named};
  if (args.positional.size() > kName) {
    const Text* name = args.positional[kName].text();
    test = name ? find_test(name->bytes) : nullptr;
    if (!test) fail("no test of that name");
    inner.positional.assign(args.positional.begin() + kName + 1, args.positional.end());
  }
  for (const SequenceRef all = runtime.iterate(self); const Value& item : all->items) {
    runtime.budget.spend(Budget::kStep / 2);
    const Value value = kAttribute ? get_path(runtime, item, args.positional[0]) : item;
    if ((test ? test(runtime, value, inner) : truthy(value)) == kKeep) out.push_back(item);
  }
  return runtime.iterator("generator", std::move(out));
}

Value groupby(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "groupby", {"attribute", "default", "case_sensitive"}, 1);
  const SequenceRef all = runtime.iterate(self);
  const Value* fallback = p.none(1) ? nullptr : &p[1];
  Items shown, keys;
  for (const Value& item : all->items) {
    shown.push_back(get_path(runtime, item, p[0], fallback));
    keys.push_back(p.flag(2) ? shown.back() : ignore_case(runtime, shown.back()));
  }
  const auto sorted = sorted_order(runtime, keys, false);
  const std::vector<size_t> order(sorted.begin(), sorted.end());
  Items groups;
  for (size_t i = 0; i < order.size();) {
    Items members;
    const size_t start = i;
    while (i < order.size() && equal(runtime, keys[order[i]], keys[order[start]])) {
      members.push_back(all->items[order[i++]]);
    }
    groups.push_back(runtime.group(shown[order[start]], runtime.list(std::move(members))));
  }
  return runtime.list(std::move(groups));
}

Value batch(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "batch", {"linecount", "fill_with"}, 1);
  const int64_t count = p.integer(0, 1);
  if (count < 1) fail("batch needs a positive count");
  Items out, row;
  const auto flush = [&] { out.push_back(runtime.list(std::exchange(row, {}))); };
  for (const SequenceRef all = runtime.iterate(self); const Value& item : all->items) {
    if (static_cast<int64_t>(row.size()) == count) flush();
    row.push_back(item);
  }
  if (!row.empty()) {
    if (!p.none(1)) {
      runtime.budget.take_items(static_cast<size_t>(count));
      row.resize(static_cast<size_t>(count), p[1]);
    }
    flush();
  }
  return runtime.iterator("generator", std::move(out));
}

Value slice(Runtime& runtime, const Value& self, const Args& args) {
  const Parameters p(args, "slice", {"slices", "fill_with"}, 1);
  const SequenceRef all = runtime.iterate(self);
  const int64_t slices = p.integer(0, 1);
  if (slices < 1) fail("slice needs a positive count");
  runtime.budget.take_items(static_cast<size_t>(slices));
  const auto size = static_cast<int64_t>(all->items.size());
  const int64_t each = size / slices, extra = size % slices;
  Items out;
  int64_t at = 0;
  for (int64_t i = 0; i < slices; ++i) {
    const int64_t n = each + (i < extra ? 1 : 0);
    Items part(all->items.begin() + at, all->items.begin() + at + n);
    if (!p.none(1) && i >= extra) part.push_back(p[1]);
    out.push_back(runtime.list(std::move(part)));
    at += n;
  }
  return runtime.iterator("generator", std::move(out));
}

constexpr FilterEntry kFilters[] = {
    {"length", length},
    {"count", length},
    {"list", to_list},
    {"first", first},
    {"last", last},
    {"join", join},
    {"default", or_default},
    {"d", or_default},
    {"items", items},
    {"dictsort", dictsort},
    {"sort", sort},
    {"unique", unique},
    {"min", extreme<false>},
    {"max", extreme<true>},
    {"sum", sum},
    {"reverse", reverse},
    {"attr", attr},
    {"map", map},
    {"select", pick<true, false>},
    {"reject", pick<false, false>},
    {"selectattr", pick<true, true>},
    {"rejectattr", pick<false, true>},
    {"groupby", groupby},
    {"batch", batch},
    {"slice", slice},
};

}  // namespace

Filter find_sequence_filter(std::string_view name) {
  const auto* it = std::find_if(std::begin(kFilters), std::end(kFilters),
                                [&](const FilterEntry& e) { return e.name == name; });
  return it == std::end(kFilters) ? nullptr : it->filter;
}

Filter find_filter(std::string_view name) {
  const Filter found = find_sequence_filter(name);
  return found ? found : find_text_filter(name);
}

}  // namespace octavo::jinja
