#pragma once

#include <ctime>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "text/template/budget.h"
#include "text/template/value.h"

namespace octavo::jinja {

// What operators, filters and methods need of a rendering: its budget, its clock, and the makers
// of values, which pay for what they make. Belongs to one rendering in one thread.
class Runtime {
 public:
  static constexpr int kMaxValueDepth = 150;  // of nested containers: bounds recursion over values

  Runtime(const TemplateLimits& limits, std::optional<std::tm> now) : budget(limits), now_(now) {}
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  Value text(std::string bytes, bool markup = false);
  // A text that is markup where `like` is.
  Value text_like(const Value& like, std::string bytes);
  Value list(std::vector<Value> items);
  Value tuple(std::vector<Value> items);
  Value group(Value key, Value members);
  Value dict(Dict entries);
  Value iterator(std::string_view type, std::vector<Value> items);
  // Keeps `object` until the end of the rendering and then clears it.
  template <typename T>
  std::shared_ptr<T> keep(std::shared_ptr<T> object) {
    keep_object(object);
    return object;
  }
  // Called by value makers and dicts: refuses containers nested too deep.
  static int deeper(int depth);
  // The elements of anything that Python can iterate. Throws TemplateError otherwise.
  SequenceRef iterate(const Value& value);
  // Python's str() and repr().
  std::string str(const Value& value);
  std::string repr(const Value& value);
  // len(). Throws TemplateError for what has none.
  int64_t length(const Value& value);
  std::tm now() const;

  Budget budget;

 private:
  void keep_object(ObjectRef object);
  Value sequence(Sequence::Kind kind, std::vector<Value> items);

  std::optional<std::tm> now_;
  std::vector<ObjectRef> kept_;
};

}  // namespace octavo::jinja
