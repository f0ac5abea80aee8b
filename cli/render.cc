#include "cli/render.h"

#include <CLI/CLI.hpp>
#include <ctime>
#include <iostream>
#include <memory>

#include "base/file.h"
#include "base/json.h"
#include "cli/command.h"
#include "model/companions.h"
#include "octavo/error.h"
#include "text/template/model_template.h"

namespace octavo::cli {
namespace {

constexpr uint64_t kMaxTemplateBytes = uint64_t{4} << 20;

std::tm parse_time(const std::string& text) {
  std::tm time{};
  const char* end = strptime(text.c_str(), "%Y-%m-%dT%H:%M:%S", &time);
  if (!end || *end != '\0') {
    throw Error("bad time '" + text + "'", "--now", "write it as 2025-01-31T12:34:56");
  }
  time.tm_isdst = 0;
  return time;
}

// Where the templates come from: a file alone, or a model with its tokens.
struct Source {
  std::optional<ChatTemplate> file;
  std::optional<ModelTemplates> model;
  std::string broken;  // why there is no template; every line gets it as its error

  const ChatTemplate* pick(const Json& context) const {
    if (file) return &*file;
    const bool tools = context.contains("tools") && !context["tools"].is_null();
    return model ? model->pick(tools) : nullptr;
  }
};

Source open_source(const RenderCommand& options) {
  Source source;
  if (options.template_file.empty()) {
    if (options.model.empty()) {
      throw Error("no template", "render", "name a model directory or give --template FILE");
    }
    source.model = read_templates(options.model);
    return source;
  }
  if (!options.model.empty()) source.model = read_templates(options.model);
  const std::string text = read_file(options.template_file, kMaxTemplateBytes);
  try {
    source.file = ChatTemplate::compile(text, options.template_file);
  } catch (const Error& error) {
    source.broken = error.what();
  }
  return source;
}

Json answer(const Source& source, Json context, const TemplateOptions& options) {
  if (!source.broken.empty()) return {{"error", source.broken}};
  const ChatTemplate* chosen = source.pick(context);
  if (!chosen) return {{"error", "the model has no chat template"}};
  if (source.model) source.model->add_tokens(context);
  try {
    return {{"text", chosen->render(context, options)}};
  } catch (const TemplateError& error) {
    return {{"error", error.message()}};
  }
}

}  // namespace

int render_command(const RenderCommand& options, std::istream& in, std::ostream& out) {
  TemplateOptions rendering;
  if (!options.now.empty()) rendering.now = parse_time(options.now);
  const Source source = open_source(options);
  int64_t number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = "stdin line " + std::to_string(number);
    Json context = parse_json(line, where);
    if (!context.is_object()) throw Error("not a JSON object", where, "give template variables");
    out << to_line(answer(source, std::move(context), rendering)) << "\n" << std::flush;
  }
  return 0;
}

std::function<int()> add_render(CLI::App& app) {
  const auto options = std::make_shared<RenderCommand>();
  app.add_option("MODEL", options->model, "directory whose chat template is used");
  app.add_option("--template", options->template_file, "a Jinja file instead");
  app.add_option("--now", options->now, "what strftime_now sees: 2025-01-31T12:34:56");
  return [options] { return render_command(*options, std::cin, std::cout); };
}

}  // namespace octavo::cli
