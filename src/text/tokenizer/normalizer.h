#pragma once

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/tokenizer/byte_level.h"
#include "text/tokenizer/charsmap.h"
#include "text/tokenizer/matcher.h"
#include "text/tokenizer/normal_form.h"

namespace octavo::tokenizer {

// Text that is being normalized. `at_origin`: its first character is still the first of the input.
struct NormalText {
  std::string text;
  bool at_origin = true;
};

// The `normalizer` of a tokenizer.json, its sequences flattened into one list of steps.
class Normalizer {
 public:
  Normalizer() = default;  // does nothing
  // Throws Error for a type that is not known.
  static Normalizer load(const Field& field);

  bool empty() const { return steps_.empty(); }
  void apply(NormalText& text) const;

 private:
  struct Lowercase {};
  struct Prepend {
    std::string text;
  };
  struct Replace {
    Matcher matcher;
    std::string content;
  };
  struct Strip {
    bool left, right;
  };
  struct StripAccents {};
  struct Bert {
    bool clean_text, chinese_chars, strip_accents, lowercase;
  };
  struct Nmt {};
  struct Bytes {
    ByteLevel alphabet;
  };
  using Step = std::variant<NormalForm, Lowercase, Prepend, Replace, Strip, StripAccents, Bert, Nmt,
                            Charsmap, Bytes>;

  void load_step(const Field& field, int depth);

  static void run(NormalForm form, NormalText& text);
  static void run(const Lowercase&, NormalText& text);
  static void run(const Prepend& step, NormalText& text);
  static void run(const Replace& step, NormalText& text);
  static void run(const Strip& step, NormalText& text);
  static void run(const StripAccents&, NormalText& text);
  static void run(const Bert& step, NormalText& text);
  static void run(const Nmt&, NormalText& text);
  static void run(const Charsmap& step, NormalText& text);
  static void run(const Bytes& step, NormalText& text);

  std::vector<Step> steps_;
};

}  // namespace octavo::tokenizer
