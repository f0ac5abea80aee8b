#pragma once

#include <span>
#include <string_view>

#include "serve/http.h"

namespace octavo::serve {

// A file of src/serve/web/, built into the program (cmake/embed_web_files.cmake writes the table).
struct WebFile {
  std::string_view name, content;
};
std::span<const WebFile> web_files();

// What a browser gets of the page, file by file; 404 for other names. Every answer forbids the
// browser to load, send or embed anything from elsewhere.
HttpResponse web_page(std::string_view name);

}  // namespace octavo::serve
