#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "text/template/value.h"

namespace octavo::jinja {

// Anything that is not plain data: functions, macros, loops, namespaces, iterators, ranges.
class Object {
 public:
  Object() = default;
  virtual ~Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;

  virtual std::string_view type_name() const = 0;
  virtual std::string repr(Runtime& runtime) const;
  virtual std::optional<Value> attribute(Runtime& runtime, std::string_view name);
  virtual bool callable() const { return false; }
  virtual Value call(Runtime& runtime, Args& args);
  virtual std::optional<int64_t> length() const { return std::nullopt; }
  // Its elements; null when it cannot be iterated.
  virtual SequenceRef iterate(Runtime&) { return nullptr; }
  virtual bool iterable() const { return false; }
  // Drops what it refers to, at the end of a rendering, so that cycles are freed.
  virtual void clear() {}

  int depth = 1;
};

// The result of `map`, `select`, `reverse`, `items`: can be walked once.
class Iterator final : public Object {
 public:
  Iterator(std::string_view type, SequenceRef items);
  std::string_view type_name() const override { return type_; }
  SequenceRef iterate(Runtime& runtime) override;
  bool iterable() const override { return true; }
  // The next element alone; empty at the end.
  std::optional<Value> next();

 private:
  std::string_view type_;
  SequenceRef items_;
  size_t at_ = 0;
};

// dict.items(), dict.keys(), dict.values().
class DictView final : public Object {
 public:
  enum class Kind { keys, values, items };
  DictView(Kind kind, DictRef dict);
  std::string_view type_name() const override;
  std::string repr(Runtime& runtime) const override;
  std::optional<int64_t> length() const override;
  SequenceRef iterate(Runtime& runtime) override;
  bool iterable() const override { return true; }

 private:
  Kind kind_;
  DictRef dict_;
};

class Range final : public Object {
 public:
  // REQUIRES: step != 0 and a length that fits the sandbox's 100000.
  Range(int64_t start, int64_t stop, int64_t step) : start_(start), stop_(stop), step_(step) {}
  static int64_t count(int64_t start, int64_t stop, int64_t step);
  std::string_view type_name() const override { return "range"; }
  std::string repr(Runtime& runtime) const override;
  std::optional<int64_t> length() const override { return count(start_, stop_, step_); }
  SequenceRef iterate(Runtime& runtime) override;
  bool iterable() const override { return true; }
  int64_t at(int64_t i) const { return start_ + i * step_; }

 private:
  int64_t start_, stop_, step_;
};

// The only thing that a template may change.
class Namespace final : public Object {
 public:
  std::string_view type_name() const override { return "Namespace"; }
  std::string repr(Runtime& runtime) const override;
  std::optional<Value> attribute(Runtime& runtime, std::string_view name) override;
  // Throws TemplateError for a name with a leading underscore.
  void set(std::string_view name, Value value);
  void clear() override { attributes_.clear(); }

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
};

// A method read but not called: `x.strip`.
class BoundMethod final : public Object {
 public:
  BoundMethod(Value self, std::string name);
  std::string_view type_name() const override { return "builtin_function_or_method"; }
  bool callable() const override { return true; }
  Value call(Runtime& runtime, Args& args) override;

 private:
  Value self_;
  std::string name_;
};

}  // namespace octavo::jinja
