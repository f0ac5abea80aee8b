#include "text/template/arguments.h"

#include <algorithm>

#include "text/template/operators.h"

namespace octavo::jinja {

Parameters::Parameters(const Args& args, std::string_view function,
                       std::initializer_list<std::string_view> names, size_t required)
    : function_(function), values_(names.size(), nullptr) {
  if (args.positional.size() > names.size()) {
    fail(function_ + "() takes at most " + std::to_string(names.size()) + " arguments (" +
         std::to_string(args.positional.size()) + " given)");
  }
  for (size_t i = 0; i < args.positional.size(); ++i) values_[i] = &args.positional[i];
  for (const auto& [name, value] : args.named) {
    const auto it = std::find(names.begin(), names.end(), name);
    if (it == names.end()) fail(function_ + "() got an unexpected keyword argument '" + name + "'");
    const Value*& slot = values_[static_cast<size_t>(it - names.begin())];
    if (slot) fail(function_ + "() got multiple values for argument '" + name + "'");
    slot = &value;
  }
  for (size_t i = 0; i < required; ++i) {
    if (!values_[i]) {
      fail(function_ + "() missing required argument: '" + std::string(names.begin()[i]) + "'");
    }
  }
}

int64_t Parameters::integer(size_t i, int64_t fallback) const {
  return values_[i] ? to_integer(*values_[i], "argument of " + function_ + "()") : fallback;
}

std::string Parameters::text(size_t i, std::string_view fallback) const {
  if (!values_[i]) return std::string(fallback);
  if (const Text* text = values_[i]->text()) return text->bytes;
  if (values_[i]->is_undefined()) fail_undefined(*values_[i]);
  fail("argument of " + function_ + "() must be str, not " + std::string(type_name(*values_[i])));
}

}  // namespace octavo::jinja
