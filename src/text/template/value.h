#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

namespace octavo::jinja {

class Object;
class Runtime;
struct Dict;
struct Sequence;
struct Text;

// A name or attribute that is not there. Printing it gives nothing, using it fails with `why`.
struct Undefined {
  std::shared_ptr<const std::string> why;
};
struct None {};

using TextRef = std::shared_ptr<const Text>;
using SequenceRef = std::shared_ptr<const Sequence>;
using DictRef = std::shared_ptr<const Dict>;
using ObjectRef = std::shared_ptr<Object>;

// A Python value as templates see it. Strings and containers are immutable and shared; only the
// objects of a rendering (namespaces, loops) change. Integers are 64 bits wide.
class Value {
 public:
  using Data = std::variant<Undefined, None, bool, int64_t, double, TextRef, SequenceRef, DictRef,
                            ObjectRef>;

  Value() = default;  // undefined
  template <typename T>
  requires std::is_constructible_v<Data, T&&> &&
      (!std::is_same_v<std::decay_t<T>, Value>)Value(T&& data)
      : data_(std::forward<T>(data)) {}  // NOLINT: implicit on purpose

  template <typename T>
  const T* get() const {
    return std::get_if<T>(&data_);
  }
  template <typename T>
  bool is() const {
    return std::holds_alternative<T>(data_);
  }
  bool is_undefined() const { return is<Undefined>(); }
  bool is_none() const { return is<None>(); }
  bool is_text() const { return is<TextRef>(); }
  bool is_number() const { return is<bool>() || is<int64_t>() || is<double>(); }
  // Null unless it is of that type.
  const Text* text() const;
  const Sequence* sequence() const;
  const Dict* dict() const;
  Object* object() const;
  // The integer of a bool or int.
  bool integer(int64_t& out) const;
  // The double of any number. REQUIRES: is_number().
  double number() const;
  // How deep its containers nest, 0 for a scalar.
  int depth() const;
  const Data& data() const { return data_; }

 private:
  Data data_;
};

struct Text {
  std::string bytes;    // UTF-8
  bool markup = false;  // marked by `safe`: + escapes what is added to it
};

struct Sequence {
  enum class Kind { list, tuple, group };  // group: what groupby yields, (grouper, list)
  Kind kind = Kind::list;
  std::vector<Value> items;
  int depth = 1;
};

// Keeps the order of insertion; keys are compared as Python does (1 == 1.0 == True).
struct Dict {
  std::vector<std::pair<Value, Value>> entries;
  std::unordered_multimap<size_t, uint32_t> index;  // hash of a key to its entry
  int depth = 1;

  // Null when absent. Both throw TemplateError for a key that has no hash (a list, a dict).
  const Value* find(Runtime& runtime, const Value& key) const;
  const Value* find(std::string_view key) const;
  void set(Runtime& runtime, Value key, Value value);
};

struct Args {
  std::vector<Value> positional;
  std::vector<std::pair<std::string, Value>> named;

  bool empty() const { return positional.empty() && named.empty(); }
};

// Python's name of its type: "str", "NoneType", "dict".
std::string_view type_name(const Value& value);
// Undefined whose use fails with this message.
Value undefined(std::string why);
// Throws the error that the use of an undefined value is.
[[noreturn]] void fail_undefined(const Value& value);
[[noreturn]] void fail(std::string message);
bool truthy(const Value& value);
size_t hash_text(std::string_view text);

}  // namespace octavo::jinja
