// A hostile chat template over a hostile conversation: it compiles or is refused with an Error, and
// what compiles ends within its limits in a text or a TemplateError. The input is the template,
// optionally followed by a zero byte and the variables as JSON.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/json.h"
#include "octavo/error.h"
#include "text/template/chat_template.h"

namespace {

constexpr std::string_view kVariables =
    R"({"messages": [{"role": "user", "content": "Hi  there\n"},
        {"role": "assistant", "content": null, "tool_calls": [{"id": 1, "arguments": {"x": 1.5}}]}],
        "tools": [], "add_generation_prompt": true, "bos_token": "<s>", "n": -3, "text": "\u00C4b c"})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  octavo::TemplateOptions options;
  options.now.emplace().tm_mday = 1;
  options.limits.max_steps = 20'000;
  options.limits.max_output_bytes = int64_t{1} << 20;
  options.limits.max_items = 20'000;
  try {
    const auto chat = octavo::ChatTemplate::compile(input.substr(0, zero), "fuzz");
    const auto variables = octavo::parse_json(
        zero == std::string_view::npos ? kVariables : input.substr(zero + 1), "fuzz");
    (void)chat.render(variables, options);
  } catch (const octavo::Error&) {
  } catch (const octavo::TemplateError&) {
  }
  return 0;
}
