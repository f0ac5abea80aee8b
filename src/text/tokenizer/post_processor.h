#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "octavo/tokenizer.h"
#include "text/tokenizer/document.h"

namespace octavo::tokenizer {

// The `post_processor` of a tokenizer.json for one text: what stands before and behind it.
// (Offsets, which some processors trim, do not exist here.)
class PostProcessor {
 public:
  PostProcessor() = default;  // adds nothing
  // Throws Error for a type that is not known.
  static PostProcessor load(const Field& field);
  // These ids before and behind the text.
  static PostProcessor around(std::vector<TokenId> before, std::vector<TokenId> after);

  std::vector<TokenId> apply(std::vector<TokenId> ids, bool add_specials) const;

 private:
  using SpecialIds = std::map<std::string, std::vector<TokenId>, std::less<>>;
  // One processor: the parts in order; an empty part is the text.
  struct Part {
    bool is_text = false;
    std::vector<TokenId> ids;
  };
  using Parts = std::vector<Part>;

  void load_step(const Field& field, int depth);
  static Parts load_template(const Field& field);
  static SpecialIds load_special_ids(const Field& field);
  static Parts load_pair(const Field& field);

  std::vector<Parts> steps_;
};

}  // namespace octavo::tokenizer
