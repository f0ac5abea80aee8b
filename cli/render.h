#pragma once

#include <iosfwd>
#include <string>

namespace octavo::cli {

struct RenderCommand {
  std::string model;          // a model directory, or empty
  std::string template_file;  // a Jinja file, or empty
  std::string now;            // ISO time for strftime_now, or empty
};

// Renders each line of `in`, a JSON object of template variables, to a line {"text"} or {"error"}.
// Returns 0. Throws Error for a request that names no template, or a line that is no object.
int render_command(const RenderCommand& options, std::istream& in, std::ostream& out);

}  // namespace octavo::cli
