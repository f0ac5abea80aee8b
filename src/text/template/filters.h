#pragma once

#include <string_view>

#include "text/template/value.h"

namespace octavo::jinja {

using Filter = Value (*)(Runtime& runtime, const Value& self, const Args& args);

// Jinja's filter of that name, `tojson` as chat templates have it; null when there is none.
Filter find_filter(std::string_view name);

struct FilterEntry {
  std::string_view name;
  Filter filter;
};
// The tables by subject: text, numbers, sequences.
Filter find_text_filter(std::string_view name);
Filter find_sequence_filter(std::string_view name);

}  // namespace octavo::jinja
