#include "base/html_report.h"

#include <algorithm>
#include <cstdio>

namespace octavo {
namespace {

// Colors of series in both themes differ in lightness and lines in dashes too. On narrow screens
// drawings shrink, so their letters grow in the drawing's own units.
constexpr std::string_view kStyle = R"css(
:root{color-scheme:light dark;--ink:#1b1f24;--page:#fff;--rule:#d8dee4;
--s0:#2f6f9f;--s1:#b3541e;--s2:#3d8b57;--s3:#7a4fa3}
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:var(--ink);background:var(--page);overflow-wrap:anywhere}
.wide{overflow-x:auto;margin:1rem 0}
table{border-collapse:collapse;overflow-wrap:normal}
th,td{padding:.25rem .75rem;border-bottom:1px solid var(--rule);text-align:left}
td.n,th.n{text-align:right}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
svg{display:block;width:100%;max-width:45rem;height:auto;overflow:visible}
figcaption{font-weight:600}figure{margin:1.5rem 0}.legend{font-size:.9rem}
text{fill:var(--ink);font:14px system-ui,sans-serif}
line.axis{stroke:var(--rule)}path.line{fill:none;stroke-width:2}
path.s1{stroke-dasharray:8 4}path.s2{stroke-dasharray:3 3}path.s3{stroke-dasharray:12 3 3 3}
.s0{fill:var(--s0);stroke:var(--s0)}.s1{fill:var(--s1);stroke:var(--s1)}
.s2{fill:var(--s2);stroke:var(--s2)}.s3{fill:var(--s3);stroke:var(--s3)}
path.line{fill:none}rect{stroke:none!important}
.key::before{content:"";display:inline-block;width:.8em;height:.8em;margin-right:.35em}
.key{margin-right:1em}.k0::before{background:var(--s0)}.k1::before{background:var(--s1)}
.k2::before{background:var(--s2)}.k3::before{background:var(--s3)}
summary{cursor:pointer;font-weight:600}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--page:#14181d;--rule:#30363d;
--s0:#6cb0e0;--s1:#f0a36b;--s2:#7fd09a;--s3:#c09be6}}
@media(max-width:640px){text{font-size:21px}th,td{padding:.25rem .4rem;font-size:.9rem}}
@media print{body{max-width:none}}
)css";

bool is_number(std::string_view text) {
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  return !text.empty() && text[0] >= '0' && text[0] <= '9';
}

// Columns that hold numbers alone.
std::vector<bool> number_columns(size_t columns,
                                 const std::vector<std::vector<std::string>>& rows) {
  std::vector<bool> numbers(columns, !rows.empty());
  for (const auto& row : rows) {
    for (size_t i = 0; i < std::min(columns, row.size()); ++i)
      numbers[i] = numbers[i] && (row[i].empty() || is_number(row[i]));
  }
  return numbers;
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
  const std::vector<bool> numbers = number_columns(header.size(), rows);
  const auto open = [&](const char* tag, size_t column) {
    return "<" + std::string(tag) + (numbers[column] ? " class=\"n\">" : ">");
  };
  body_ += "<div class=\"wide\"><table><thead><tr>";
  for (size_t i = 0; i < header.size(); ++i)
    body_ += open("th scope=\"col\"", i) + escape_html(header[i]) + "</th>";
  body_ += "</tr></thead><tbody>\n";
  for (const auto& row : rows) {
    body_ += "<tr>";
    for (size_t i = 0; i < row.size(); ++i) body_ += open("td", i) + escape_html(row[i]) + "</td>";
    body_ += "</tr>\n";
  }
  body_ += "</tbody></table></div>\n";
}

void HtmlReport::folded(std::string_view summary, const std::function<void()>& fill) {
  body_ += "<details><summary>" + escape_html(summary) + "</summary>\n";
  fill();
  body_ += "</details>\n";
}

void HtmlReport::figure(std::string_view caption, std::string_view legend, int height,
                        const std::string& content) {
  body_ += "<figure><figcaption>" + escape_html(caption) + "</figcaption>";
  if (!legend.empty()) body_ += "<div class=\"legend\">" + std::string(legend) + "</div>";
  body_ += "<svg viewBox=\"0 0 640 " + std::to_string(height) + "\" role=\"img\" aria-label=\"" +
           escape_html(caption) + "\">\n" + content + "</svg></figure>\n";
}

void HtmlReport::bars(std::string_view caption, const std::vector<Bar>& bars) {
  constexpr int kLabel = 280, kWidth = 260, kRow = 26;
  double top = 0;
  for (const Bar& bar : bars) top = std::max(top, bar.value);
  std::string content;
  for (size_t i = 0; i < bars.size(); ++i) {
    const int y = static_cast<int>(i) * kRow;
    const int length = top > 0 ? static_cast<int>(bars[i].value / top * kWidth) : 0;
    const std::string base = std::to_string(y + 18), label = escape_html(bars[i].label);
    content += "<text x=\"" + std::to_string(kLabel - 8) + "\" y=\"" + base +
               "\" text-anchor=\"end\">" + label + "</text><rect class=\"s0\" x=\"" +
               std::to_string(kLabel) + "\" y=\"" + std::to_string(y + 4) + "\" width=\"" +
               std::to_string(std::max(1, length)) + "\" height=\"18\"><title>" + label + ": " +
               number(bars[i].value) + "</title></rect><text x=\"" +
               std::to_string(kLabel + length + 6) + "\" y=\"" + base + "\">" +
               number(bars[i].value) + "</text>\n";
  }
  figure(caption, "", static_cast<int>(bars.size()) * kRow, content);
}

std::string HtmlReport::text() const {
  return "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
         "content=\"width=device-width\"><title>" +
         escape_html(title_) + "</title><style>" + std::string(kStyle) +
         "</style></head><body>\n<h1>" + escape_html(title_) + "</h1>\n" + body_ +
         "</body></html>\n";
}

}  // namespace octavo
