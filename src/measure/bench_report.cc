#include "measure/bench_report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

#include "base/check.h"

namespace octavo::measure {
namespace {

using Rows = std::vector<std::vector<std::string>>;

// Characters, not bytes, of UTF-8.
size_t width_of(const std::string& text) {
  return static_cast<size_t>(
      std::ranges::count_if(text, [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

bool is_number(const std::string& cell) {
  return cell.empty() || cell == "-" ||
         (cell.find_first_of("0123456789") <= 1 && cell.find_first_of("+-.0123456789") == 0);
}

}  // namespace

void BenchReport::heading(std::string_view text) {
  text_ += "\n" + std::string(text) + "\n";
  page_.heading(text);
}

void BenchReport::line(std::string_view text) {
  text_ += std::string(text) + "\n";
  page_.paragraph(text);
}

void BenchReport::table(const std::vector<std::string>& header, const Rows& rows) {
  std::vector<size_t> widths(header.size());
  std::vector<bool> right(header.size(), true);
  for (size_t c = 0; c < header.size(); ++c) {
    widths[c] = width_of(header[c]);
    for (const auto& row : rows) {
      OCTAVO_CHECK(row.size() == header.size());
      widths[c] = std::max(widths[c], width_of(row[c]));
      right[c] = right[c] && is_number(row[c]);
    }
  }
  const auto print = [&](const std::vector<std::string>& row) {
    std::string out;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string space(widths[c] - width_of(row[c]), ' ');
      out += (c == 0 ? "" : "  ") + (right[c] ? space + row[c] : row[c] + space);
    }
    text_ += out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
  };
  print(header);
  for (const auto& row : rows) print(row);
  page_.table(header, rows);
}

std::string fixed(const char* format, double value) {
  if (!std::isfinite(value)) return "-";
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

std::string percent(double share) { return fixed("%.1f %%", 100 * share); }

std::string duration(double seconds) {
  if (seconds < 1e-3) return fixed("%.1f us", 1e6 * seconds);
  if (seconds < 1) return fixed("%.2f ms", 1e3 * seconds);
  return fixed("%.2f s", seconds);
}

std::string megabytes(double bytes) { return fixed("%.2f MB", bytes / 1e6); }

}  // namespace octavo::measure
