#include "serve/web_page.h"

#include <algorithm>
#include <string>

namespace octavo::serve {
namespace {

std::string_view type_of(std::string_view name) {
  if (name.ends_with(".js")) return "text/javascript; charset=utf-8";
  if (name.ends_with(".css")) return "text/css; charset=utf-8";
  if (name.ends_with(".svg")) return "image/svg+xml";
  return "text/html; charset=utf-8";
}

}  // namespace

HttpResponse web_page(std::string_view name) {
  const auto files = web_files();
  const auto file = std::ranges::find(files, name, &WebFile::name);
  HttpResponse response{
      .headers = {
          {"Content-Security-Policy",
           "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "
           "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cache-Control", "no-cache"}}};
  if (file == files.end()) {
    response.status = 404;
    response.content_type = "text/plain; charset=utf-8";
    response.body = "there is no such file\n";
    return response;
  }
  response.content_type = type_of(name);
  response.body = file->content;
  return response;
}

}  // namespace octavo::serve
