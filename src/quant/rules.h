#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "io/name_pattern.h"
#include "octavo/recipe.h"

namespace octavo::quant {

// The rules of a recipe, compiled. Any thread.
class Rules {
 public:
  // Throws Error naming the pattern where it is no regular expression. `where` names the file or
  // option.
  Rules(std::vector<Recipe::Rule> rules, const std::string& where);

  // The first rule whose pattern matches from the beginning of `name` (Python's re.match), null
  // where none does. Throws Error for a pattern that takes unreasonably many steps.
  const Recipe::Rule* find(std::string_view name) const;
  const std::vector<Recipe::Rule>& all() const { return rules_; }

 private:
  std::vector<Recipe::Rule> rules_;
  std::vector<NamePattern> patterns_;
};

}  // namespace octavo::quant
