#include "measure/load/trace.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <optional>
#include <string>

#include "base/json.h"
#include "octavo/error.h"

namespace octavo::measure {
namespace {

constexpr int64_t kMostTokens = int64_t{1} << 24;
constexpr size_t kMostBlocks = 1 << 16;
constexpr double kLongestSeconds = 1e12;
constexpr std::string_view kSpaces = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

// Lines one after another, empty ones passed over.
class Lines {
 public:
  Lines(std::string_view text, std::string_view where) : text_(text), where_(where) {}

  std::optional<std::string_view> next() {
    while (!text_.empty()) {
      const size_t end = std::min(text_.find('\n'), text_.size());
      const std::string_view line = trimmed(text_.substr(0, end));
      text_.remove_prefix(std::min(end + 1, text_.size()));
      ++number_;
      if (!line.empty()) return line;
    }
    return std::nullopt;
  }
  std::string place() const { return std::string(where_) + ", line " + std::to_string(number_); }
  [[noreturn]] void fail(const std::string& what, const std::string& mend) const {
    throw Error(what, place(), mend);
  }

 private:
  std::string_view text_, where_;
  int64_t number_ = 0;
};

template <class T>
std::optional<T> number(std::string_view text) {
  T value{};
  const auto [rest, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc() || rest != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_count(int64_t tokens) { return tokens >= 0 && tokens <= kMostTokens; }

// ---- Azure

// Seconds since 1970 of "2023-11-16 18:17:03.9799600" (also with T between, or a zone at the end,
// which is left out: all rows have the same).
std::optional<double> seconds_of(std::string_view text) {
  constexpr size_t kSecondsAt = 17;
  if (text.size() < kSecondsAt + 2 || text[4] != '-' || text[7] != '-' || text[13] != ':' ||
      text[16] != ':')
    return std::nullopt;
  const auto year = number<int>(text.substr(0, 4));
  const auto month = number<unsigned>(text.substr(5, 2)), day = number<unsigned>(text.substr(8, 2));
  const auto hour = number<int>(text.substr(11, 2)), minute = number<int>(text.substr(14, 2));
  std::string_view rest = text.substr(kSecondsAt);
  rest = rest.substr(0, rest.find_first_not_of("0123456789."));
  const auto second = number<double>(rest);
  if (!year || !month || !day || !hour || !minute || !second) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year(*year), std::chrono::month(*month),
                                         std::chrono::day(*day)};
  if (!date.ok()) return std::nullopt;
  const auto days = std::chrono::sys_days(date).time_since_epoch().count();
  return static_cast<double>(days) * 86400 + *hour * 3600.0 + *minute * 60.0 + *second;
}

constexpr std::array<std::string_view, 3> kColumns{"TIMESTAMP", "ContextTokens", "GeneratedTokens"};
using Fields = std::vector<std::string_view>;

Fields split(std::string_view line) {
  Fields fields;
  for (size_t comma = 0; comma != std::string_view::npos;) {
    comma = line.find(',');
    fields.push_back(trimmed(line.substr(0, comma)));
    if (comma != std::string_view::npos) line.remove_prefix(comma + 1);
  }
  return fields;
}

std::vector<TraceRow> parse_azure(Lines lines, size_t limit) {
  const auto head = lines.next();
  const Fields names = split(*head);
  std::array<size_t, 3> columns{};
  for (size_t c = 0; c < columns.size(); ++c) {
    const auto found = std::ranges::find(names, kColumns[c]);
    if (found == names.end())
      lines.fail("no column " + std::string(kColumns[c]), "give a trace in Azure's CSV format");
    columns[c] = static_cast<size_t>(found - names.begin());
  }
  std::vector<TraceRow> rows;
  while (rows.size() < limit) {
    const auto line = lines.next();
    if (!line) break;
    const Fields fields = split(*line);
    if (fields.size() != names.size())
      lines.fail("not as many fields as the header has", "repair the line");
    const auto at = seconds_of(fields[columns[0]]);
    const auto input = number<int64_t>(fields[columns[1]]),
               output = number<int64_t>(fields[columns[2]]);
    if (!at || !input || !output || !is_count(*input) || !is_count(*output))
      lines.fail("not a time and two numbers of tokens", "repair the line");
    rows.push_back({.at_s = *at, .input_tokens = *input, .output_tokens = *output});
  }
  return rows;
}

// ---- Mooncake

int64_t count_of(const Json& row, const char* key, const Lines& lines) {
  const auto found = row.find(key);
  if (found == row.end() || !found->is_number_integer() || !is_count(found->get<int64_t>()))
    lines.fail(std::string("no number of tokens in ") + key, "repair the line");
  return found->get<int64_t>();
}

std::vector<TraceRow> parse_mooncake(Lines lines, size_t limit) {
  std::vector<TraceRow> rows;
  while (rows.size() < limit) {
    const auto line = lines.next();
    if (!line) break;
    const Json row = parse_json(*line, lines.place());
    if (!row.is_object()) lines.fail("not a JSON object", "give a trace in Mooncake's format");
    const auto at = row.find("timestamp");
    if (at == row.end() || !at->is_number() || std::abs(at->get<double>() / 1000) > kLongestSeconds)
      lines.fail("no timestamp", "repair the line");
    TraceRow one{.at_s = at->get<double>() / 1000,
                 .input_tokens = count_of(row, "input_length", lines),
                 .output_tokens = count_of(row, "output_length", lines)};
    const auto ids = row.find("hash_ids");
    if (ids != row.end()) {
      if (!ids->is_array() || ids->size() > kMostBlocks)
        lines.fail("hash_ids is no list of ids", "repair the line");
      for (const Json& id : *ids) {
        if (!id.is_number_integer()) lines.fail("hash_ids is no list of ids", "repair the line");
        one.blocks.push_back(id.get<int64_t>());
      }
    }
    rows.push_back(std::move(one));
  }
  return rows;
}

}  // namespace

std::vector<TraceRow> parse_trace(std::string_view text, std::string_view where, int64_t limit) {
  const std::string_view content = trimmed(text);
  if (content.empty()) throw Error("the trace is empty", std::string(where), "give a trace");
  const size_t most = limit > 0 ? static_cast<size_t>(limit) : content.size();
  const Lines lines(text, where);
  std::vector<TraceRow> rows =
      content.front() == '{' ? parse_mooncake(lines, most) : parse_azure(lines, most);
  if (rows.empty()) throw Error("the trace has no rows", std::string(where), "give a trace");
  // In the order of time: recorders write when a request ends.
  std::ranges::stable_sort(rows, {}, &TraceRow::at_s);
  const double first = rows.front().at_s;
  for (TraceRow& row : rows) row.at_s -= first;
  return rows;
}

}  // namespace octavo::measure
