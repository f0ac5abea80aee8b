#include "base/html_report.h"

#include <algorithm>
#include <cstdio>

namespace octavo {
namespace {

constexpr std::string_view kStyle =
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 "
    "1rem;color:#1b1f24;background:#fff}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{padding:.25rem .75rem;border-bottom:1px "
    "solid #d8dee4;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}"
    "figcaption{font-weight:600}figure{margin:1rem 0}"
    "rect{fill:#2f6f9f}text{fill:currentColor;font:12px system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){body{background:#14181d;color:#e6edf3}th,td{border-color:#"
    "30363d}rect{fill:#6cb0e0}}";

bool is_number(std::string_view text) {
  return !text.empty() && (text[0] == '-' || (text[0] >= '0' && text[0] <= '9'));
}

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value);
  return text;
}

}  // namespace

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

void HtmlReport::heading(std::string_view text) { body_ += "<h2>" + escape_html(text) + "</h2>\n"; }
void HtmlReport::paragraph(std::string_view text) { body_ += "<p>" + escape_html(text) + "</p>\n"; }

void HtmlReport::table(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows) {
  body_ += "<table><thead><tr>";
  for (const std::string& cell : header)
    body_ += "<th scope=\"col\">" + escape_html(cell) + "</th>";
  body_ += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    body_ += "<tr>";
    for (const std::string& cell : row)
      body_ += (is_number(cell) ? "<td class=\"n\">" : "<td>") + escape_html(cell) + "</td>";
    body_ += "</tr>\n";
  }
  body_ += "</tbody></table>\n";
}

void HtmlReport::bars(std::string_view caption, const std::vector<Bar>& bars) {
  constexpr int kLabel = 300, kWidth = 440, kRow = 18;
  double top = 0;
  for (const Bar& bar : bars) top = std::max(top, bar.value);
  const auto height = static_cast<int>(bars.size()) * kRow;
  body_ += "<figure><figcaption>" + escape_html(caption) + "</figcaption><svg viewBox=\"0 0 820 " +
           std::to_string(height) + "\" role=\"img\" aria-label=\"" + escape_html(caption) +
           "\">\n";
  for (size_t i = 0; i < bars.size(); ++i) {
    const std::string y = std::to_string(static_cast<int>(i) * kRow + 3),
                      base = std::to_string(static_cast<int>(i) * kRow + 14);
    const int length = top > 0 ? static_cast<int>(bars[i].value / top * kWidth) : 0;
    body_ += "<text x=\"" + std::to_string(kLabel - 8) + "\" y=\"" + base +
             "\" text-anchor=\"end\">" + escape_html(bars[i].label) + "</text><rect x=\"" +
             std::to_string(kLabel) + "\" y=\"" + y + "\" width=\"" +
             std::to_string(std::max(1, length)) + "\" height=\"12\"><title>" +
             escape_html(bars[i].label) + ": " + number(bars[i].value) +
             "</title></rect><text x=\"" + std::to_string(kLabel + length + 6) + "\" y=\"" + base +
             "\">" + number(bars[i].value) + "</text>\n";
  }
  body_ += "</svg></figure>\n";
}

std::string HtmlReport::text() const {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width\"><title>" +
         escape_html(title_) + "</title><style>" + std::string(kStyle) +
         "</style></head><body>\n<h1>" + escape_html(title_) + "</h1>\n" + body_ +
         "</body></html>\n";
}

}  // namespace octavo
