#include "quant/rules.h"

namespace octavo::quant {

Rules::Rules(std::vector<Recipe::Rule> rules, const std::string& where) : rules_(std::move(rules)) {
  for (const Recipe::Rule& rule : rules_) patterns_.emplace_back(rule.pattern, where);
}

const Recipe::Rule* Rules::find(std::string_view name) const {
  for (size_t i = 0; i < rules_.size(); ++i) {
    if (patterns_[i].matches(name)) return &rules_[i];
  }
  return nullptr;
}

}  // namespace octavo::quant
