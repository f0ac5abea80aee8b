#pragma once

#include <exception>
#include <string>
#include <utility>

namespace octavo {

// The world was not as we need it: a broken file, an unsupported option, a full disk. Thrown only
// at the edges (loading, quantizing, parsing arguments), never from a step of the engine. Printed
// as one line "PROBLEM (WHERE): MEND"; `where` names a file, tensor or field, `mend` says what the
// user can do.
class Error : public std::exception {
 public:
  // What the caller did wrong (exit status 2) or what failed although the request was right (1).
  enum class Kind { request, failure };

  Error(std::string problem, std::string where, std::string mend, Kind kind = Kind::request)
      : problem_(std::move(problem)),
        where_(std::move(where)),
        mend_(std::move(mend)),
        kind_(kind) {
    line_ = problem_ + " (" + where_ + "): " + mend_;
    for (char& c : line_) {  // One line whatever a file's name or a tensor's name holds.
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    }
  }

  const char* what() const noexcept override { return line_.c_str(); }
  const std::string& problem() const { return problem_; }
  const std::string& where() const { return where_; }
  const std::string& mend() const { return mend_; }
  Kind kind() const { return kind_; }

 private:
  std::string problem_, where_, mend_, line_;
  Kind kind_;
};

}  // namespace octavo
