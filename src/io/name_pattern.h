#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace octavo {

// A regular expression over the names of matrices, as quantization sections hold them (Python's, as
// far as PCRE2 has the same syntax). Copies share what is compiled. Any thread.
class NamePattern {
 public:
  // Throws Error naming `where` for what is none.
  NamePattern(const std::string& pattern, const std::string& where);

  // Whether it matches from the beginning of `name`, not necessarily to its end (Python's
  // re.match). Throws Error when that takes more steps than a sane pattern does.
  bool matches(std::string_view name) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
};

}  // namespace octavo
