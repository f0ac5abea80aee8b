#pragma once

#include <cstddef>
#include <ctime>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/json_fwd.h"
#include "text/template/limits.h"
#include "text/template/template_error.h"

namespace octavo {

struct TemplateOptions {
  std::optional<std::tm> now;  // what strftime_now sees; the local time when absent
  TemplateLimits limits;
};

// A chat template: the Jinja of Hugging Face models, under the rules of transformers' immutable
// sandbox, with bounds on time and memory. Immutable; any thread with a stack of kStackBytes may
// compile and render.
class ChatTemplate {
 public:
  static constexpr size_t kStackBytes = size_t{1} << 20;

  // Throws Error naming `where` for text that is no template.
  static ChatTemplate compile(std::string_view source, std::string_view where);

  // The text of a conversation. `context` is an object of variables: messages, tools,
  // add_generation_prompt, bos_token, ... Throws TemplateError.
  std::string render(const Json& context, const TemplateOptions& options = {}) const;

 private:
  struct Parsed;
  explicit ChatTemplate(std::shared_ptr<const Parsed> parsed) : parsed_(std::move(parsed)) {}

  std::shared_ptr<const Parsed> parsed_;
};

}  // namespace octavo
