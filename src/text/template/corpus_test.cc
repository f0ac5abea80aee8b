// Replays the seeds and the findings of the fuzz target.
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/json.h"
#include "octavo/error.h"
#include "text/template/chat_template.h"

namespace octavo {
namespace {

TEST(TemplateCorpus, EndsWithinTheLimits) {
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator("tests/corpus/template")) {
    SCOPED_TRACE(entry.path().string());
    std::ifstream in(entry.path(), std::ios::binary);
    const std::string bytes(std::istreambuf_iterator<char>(in), {});
    const size_t zero = bytes.find('\0');
    TemplateOptions options;
    options.limits = {.max_steps = 20'000, .max_output_bytes = 1 << 20, .max_items = 20'000};
    try {
      const auto chat = ChatTemplate::compile(bytes.substr(0, zero), "corpus");
      const Json variables = zero == std::string::npos
                                 ? Json{{"messages", {{{"role", "user"}, {"content", "x"}}}}}
                                 : parse_json(bytes.substr(zero + 1), "corpus");
      EXPECT_LE(chat.render(variables, options).size(), size_t{1} << 20);
    } catch (const Error& error) {
      EXPECT_FALSE(error.problem().empty());
    } catch (const TemplateError& error) {
      EXPECT_FALSE(error.message().empty());
    }
    ++files;
  }
  EXPECT_GE(files, 18);
}

}  // namespace
}  // namespace octavo
