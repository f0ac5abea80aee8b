#pragma once

#include <optional>
#include <string>

#include "text/template/value.h"

namespace octavo::jinja {

struct JsonStyle {
  std::optional<std::string> indent;  // of one level; absent: everything on one line
  std::string item_separator, key_separator;
  bool ensure_ascii = false;
  bool sort_keys = false;
};

// Python's json.dumps. Throws TemplateError for what JSON cannot hold.
std::string write_json(Runtime& runtime, const Value& value, const JsonStyle& style);

}  // namespace octavo::jinja
