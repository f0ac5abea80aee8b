#pragma once

#include <exception>
#include <string>
#include <utility>

namespace octavo {

// A rendering that ended without a text: the template refused the conversation, or the engine
// refused the template's step. An answer for one request, never a failure of the process.
class TemplateError final : public std::exception {
 public:
  enum class By { engine, raise_exception };

  explicit TemplateError(std::string message, By by = By::engine)
      : message_(std::move(message)), by_(by) {}

  const char* what() const noexcept override { return message_.c_str(); }
  const std::string& message() const { return message_; }
  By by() const { return by_; }

 private:
  std::string message_;
  By by_;
};

}  // namespace octavo
