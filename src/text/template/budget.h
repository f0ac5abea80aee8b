#pragma once

#include <cstddef>
#include <cstdint>

#include "text/template/limits.h"
#include "text/template/template_error.h"

namespace octavo::jinja {

// What one rendering may still spend. Counted in fractions of a step, so that long strings and
// cheap expressions are paid for as well as loop iterations.
class Budget {
 public:
  static constexpr int64_t kStep = 16;     // a loop iteration, a call
  static constexpr int64_t kNode = 2;      // an expression or a statement
  static constexpr int64_t kItem = 1;      // an element copied, compared or printed
  static constexpr int64_t kObject = 128;  // something that lives until the end of the rendering
  static constexpr int64_t kBytesPerUnit = 4;
  static constexpr int kMaxLevels = 1500;  // nested evaluations: bounds the C++ stack

  explicit Budget(const TemplateLimits& limits)
      : limits_(limits),
        left_(limits.max_steps > INT64_MAX / kStep ? INT64_MAX : limits.max_steps * kStep) {}

  void spend(int64_t units) {
    left_ -= units;
    if (left_ < 0) throw TemplateError("the template ran more steps than the limit allows");
  }
  void spend_bytes(size_t bytes) { spend(static_cast<int64_t>(bytes) / kBytesPerUnit); }
  // Pays for a string of that size, and refuses one that is too long.
  void take_text(size_t bytes) {
    if (static_cast<int64_t>(bytes) > limits_.max_output_bytes) {
      throw TemplateError("the template made a text longer than the limit allows");
    }
    spend_bytes(bytes);
  }
  void take_items(size_t items) {
    if (static_cast<int64_t>(items) > limits_.max_items) {
      throw TemplateError("the template made a list longer than the limit allows");
    }
    spend(static_cast<int64_t>(items) * kItem);
  }
  const TemplateLimits& limits() const { return limits_; }

  // One level deeper for as long as it lives.
  class Level {
   public:
    explicit Level(Budget& budget) : budget_(budget) {
      if (++budget_.levels_ > kMaxLevels) {
        --budget_.levels_;
        throw TemplateError("the template nests deeper than the limit allows");
      }
    }
    ~Level() { --budget_.levels_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    Budget& budget_;
  };
  class MacroLevel {
   public:
    explicit MacroLevel(Budget& budget) : budget_(budget) {
      if (++budget_.macros_ > budget_.limits_.max_depth) {
        --budget_.macros_;
        throw TemplateError("the template's macros call each other deeper than the limit allows");
      }
    }
    ~MacroLevel() { --budget_.macros_; }
    MacroLevel(const MacroLevel&) = delete;
    MacroLevel& operator=(const MacroLevel&) = delete;

   private:
    Budget& budget_;
  };

 private:
  TemplateLimits limits_;
  int64_t left_;
  int levels_ = 0;
  int macros_ = 0;
};

}  // namespace octavo::jinja
