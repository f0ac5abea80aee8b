#include "text/template/functions.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "text/template/arguments.h"
#include "text/template/object.h"
#include "text/template/operators.h"
#include "text/template/runtime.h"

namespace octavo::jinja {
namespace {

constexpr int64_t kMaxRange = 100'000;  // of Jinja's sandbox

using Body = Value (*)(Runtime& runtime, const Args& args);

class Function final : public Object {
 public:
  Function(std::string_view type, Body body) : type_(type), body_(body) {}
  std::string_view type_name() const override { return type_; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Args& args) override { return body_(runtime, args); }

 private:
  std::string_view type_;
  Body body_;
};

// cycler("a", "b"): next() walks round and round.
class Cycler final : public Object, public std::enable_shared_from_this<Cycler> {
 public:
  explicit Cycler(std::vector<Value> items) : items_(std::move(items)) {}
  std::string_view type_name() const override { return "Cycler"; }
  std::optional<Value> attribute(Runtime&, std::string_view name) override;
  Value next() {
    const size_t at = at_;
    at_ = (at_ + 1) % items_.size();
    return items_[at];
  }
  void reset() { at_ = 0; }
  void clear() override { items_.assign(1, None{}); }

 private:
  std::vector<Value> items_;
  size_t at_ = 0;
};

class CyclerMethod final : public Object {
 public:
  CyclerMethod(std::shared_ptr<Cycler> cycler, bool reset)
      : cycler_(std::move(cycler)), reset_(reset) {}
  std::string_view type_name() const override { return "method"; }
  bool callable() const override { return true; }
  Value call(Runtime&, Args&) override {
    if (!reset_) return cycler_->next();
    cycler_->reset();
    return None{};
  }

 private:
  std::shared_ptr<Cycler> cycler_;
  bool reset_;
};

std::optional<Value> Cycler::attribute(Runtime&, std::string_view name) {
  if (name == "current") return items_[at_];
  if (name != "next" && name != "reset") return std::nullopt;
  return ObjectRef(std::make_shared<CyclerMethod>(shared_from_this(), name == "reset"));
}

// joiner(", "): nothing at the first call, the separator from then on.
class Joiner final : public Object {
 public:
  explicit Joiner(Value separator) : separator_(std::move(separator)) {}
  std::string_view type_name() const override { return "Joiner"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Args&) override {
    if (std::exchange(used_, true)) return separator_;
    return runtime.text("");
  }
  // A joiner may hold a joiner, without end.
  void clear() override { separator_ = None{}; }

 private:
  Value separator_;
  bool used_ = false;
};

Value range(Runtime&, const Args& args) {
  const Parameters p(args, "range", {"start", "stop", "step"}, 1);
  const int64_t start = p.given(1) ? p.integer(0, 0) : 0;
  const int64_t stop = p.given(1) ? p.integer(1, 0) : p.integer(0, 0);
  const int64_t step = p.integer(2, 1);
  if (step == 0) fail("range() arg 3 must not be zero");
  if (Range::count(start, stop, step) > kMaxRange) {
    fail("Range too big. The sandbox blocks ranges larger than 100000.");
  }
  return ObjectRef(std::make_shared<Range>(start, stop, step));
}

// The entries of dict(...) and namespace(...): one mapping or list of pairs, then the named ones.
Dict entries(Runtime& runtime, const Args& args, std::string_view function) {
  if (args.positional.size() > 1) fail(std::string(function) + " expected at most 1 argument");
  Dict out;
  if (!args.positional.empty()) {
    const Value& from = args.positional[0];
    if (from.is_undefined()) fail_undefined(from);
    if (const Dict* dict = from.dict()) {
      out = *dict;
      runtime.budget.take_items(out.entries.size());
    } else {
      for (const SequenceRef all = runtime.iterate(from); const Value& pair : all->items) {
        const SequenceRef two = runtime.iterate(pair);
        if (two->items.size() != 2) fail("dictionary update sequence needs pairs");
        out.set(runtime, two->items[0], two->items[1]);
      }
    }
  }
  for (const auto& [name, value] : args.named) out.set(runtime, runtime.text(name), value);
  return out;
}

Value dict(Runtime& runtime, const Args& args) {
  return runtime.dict(entries(runtime, args, "dict"));
}

Value make_namespace(Runtime& runtime, const Args& args) {
  auto result = runtime.keep(std::make_shared<Namespace>());
  for (const auto& [key, value] : entries(runtime, args, "namespace").entries) {
    if (key.text()) result->set(key.text()->bytes, value);
  }
  return ObjectRef(result);
}

Value raise_exception(Runtime& runtime, const Args& args) {
  const Parameters p(args, "raise_exception", {"message"}, 1);
  throw TemplateError(runtime.str(p[0]), TemplateError::By::raise_exception);
}

// One conversion of strftime; `padding` is glibc's "-" or "_" or nothing.
std::string time_part(const std::tm& time, const std::string& padding, char conversion) {
  constexpr std::string_view kKnown = "aAbBcCdDeFgGhHIjklmMnprRsStTuUVwWxXyYzZ";
  if (conversion == '%') return "%";
  if (conversion == 'f') return "000000";
  if (kKnown.find(conversion) == std::string_view::npos) return "%" + padding + conversion;
  const std::string format = "%" + padding + conversion;
  std::array<char, 256> buffer;
  const size_t bytes = std::strftime(buffer.data(), buffer.size(), format.c_str(), &time);
  return std::string(buffer.data(), bytes);
}

Value strftime_now(Runtime& runtime, const Args& args) {
  const Parameters p(args, "strftime_now", {"format"}, 1);
  const std::string format = p.text(0);
  const std::tm time = runtime.now();
  runtime.budget.spend_bytes(format.size() * 8);
  std::string out;
  for (size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%' || i + 1 >= format.size()) {
      out += format[i];
      continue;
    }
    std::string padding;
    if ((format[i + 1] == '-' || format[i + 1] == '_' || format[i + 1] == '^') &&
        i + 2 < format.size()) {
      padding = format[++i];
    }
    out += time_part(time, padding, format[++i]);
  }
  return runtime.text(std::move(out));
}

Value cycler(Runtime& runtime, const Args& args) {
  if (args.positional.empty() || !args.named.empty()) fail("at least one item has to be provided");
  return ObjectRef(runtime.keep(std::make_shared<Cycler>(args.positional)));
}

Value joiner(Runtime& runtime, const Args& args) {
  const Parameters p(args, "joiner", {"sep"});
  return ObjectRef(runtime.keep(std::make_shared<Joiner>(p.given(0) ? p[0] : runtime.text(", "))));
}

struct Entry {
  std::string_view name, type;
  Body body;
};
constexpr Entry kFunctions[] = {{"range", "function", range},
                                {"dict", "TemplateDict", dict},
                                {"namespace", "type", make_namespace},
                                {"raise_exception", "function", raise_exception},
                                {"strftime_now", "function", strftime_now},
                                {"cycler", "type", cycler},
                                {"joiner", "type", joiner}};

}  // namespace

std::optional<Value> find_function(std::string_view name) {
  for (const Entry& entry : kFunctions) {
    if (entry.name == name) return ObjectRef(std::make_shared<Function>(entry.type, entry.body));
  }
  return std::nullopt;
}

}  // namespace octavo::jinja
