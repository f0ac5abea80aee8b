#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "text/template/value.h"

namespace octavo::jinja {

// The arguments of a call under the parameter names of a function.
class Parameters {
 public:
  // Throws TemplateError for too many arguments, unknown names, or fewer than `required`.
  Parameters(const Args& args, std::string_view function,
             std::initializer_list<std::string_view> names, size_t required = 0);

  bool given(size_t i) const { return values_[i] != nullptr; }
  // REQUIRES: given(i).
  const Value& operator[](size_t i) const { return *values_[i]; }
  bool flag(size_t i, bool fallback = false) const {
    return values_[i] ? truthy(*values_[i]) : fallback;
  }
  int64_t integer(size_t i, int64_t fallback) const;
  // The text of a parameter; throws when it is of another type.
  std::string text(size_t i, std::string_view fallback = {}) const;
  bool none(size_t i) const { return !values_[i] || values_[i]->is_none(); }

 private:
  std::string function_;
  std::vector<const Value*> values_;
};

}  // namespace octavo::jinja
