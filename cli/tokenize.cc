#include "cli/tokenize.h"

#include <CLI/CLI.hpp>
#include <iostream>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "cli/command.h"
#include "model/companions.h"
#include "octavo/error.h"
#include "octavo/tokenizer.h"

namespace octavo::cli {

namespace {

constexpr JsonLimits kLineLimits{.max_bytes = size_t{1} << 30};

const Json& field(const Json& line, const char* key, const std::string& where) {
  const auto found = line.is_object() ? line.find(key) : line.end();
  if (!line.is_object() || found == line.end()) {
    throw Error("no field '" + std::string(key) + "'", where, "give one JSON object a line");
  }
  return *found;
}

std::vector<TokenId> read_ids(const Json& line, const std::string& where) {
  const Json& list = field(line, "ids", where);
  if (!list.is_array()) throw Error("'ids' is not an array", where, "give a list of token ids");
  std::vector<TokenId> ids;
  ids.reserve(list.size());
  for (const Json& id : list) {
    const bool fits =
        id.is_number_integer() && id >= 0 && id <= std::numeric_limits<TokenId>::max();
    if (!fits) throw Error("'ids' holds something else than token ids", where, "give ids >= 0");
    ids.push_back(id.get<TokenId>());
  }
  return ids;
}

}  // namespace

int tokenize_command(const TokenizeOptions& options, std::istream& in, std::ostream& out) {
  const Tokenizer tokenizer = read_tokenizer(options.model);
  const auto specials = options.special ? Tokenizer::Specials::add : Tokenizer::Specials::none;
  const auto in_output =
      options.skip_special ? Tokenizer::InOutput::skip_special : Tokenizer::InOutput::keep_special;
  std::string text;
  for (int64_t number = 1; std::getline(in, text); ++number) {
    if (text.find_first_not_of(" \t\r") == text.npos) continue;
    const std::string where = "standard input, line " + std::to_string(number);
    const Json line = parse_json(text, where, kLineLimits);
    Json answer = Json::object();
    if (options.decode) {
      answer["text"] = tokenizer.decode(read_ids(line, where), in_output);
    } else {
      const Json& given = field(line, "text", where);
      if (!given.is_string()) throw Error("'text' is not a string", where, "give a string");
      answer["ids"] = tokenizer.encode(given.get_ref<const std::string&>(), specials);
    }
    out << to_line(answer) << '\n';
  }
  out.flush();
  if (!out) throw Error("cannot write", "standard output", "check the disk", Error::Kind::failure);
  return 0;
}

std::function<int()> add_tokenize(CLI::App& app) {
  const auto options = std::make_shared<TokenizeOptions>();
  app.add_option("MODEL", options->model,
                 "directory with tokenizer files, one such file, or a .gguf file")
      ->required();
  app.add_flag("--special", options->special, "add what the tokenizer's post-processor adds");
  app.add_flag("--decode", options->decode, "ids to text");
  app.add_flag("--skip-special", options->skip_special, "with --decode: leave special tokens out");
  return [options] { return tokenize_command(*options, std::cin, std::cout); };
}

}  // namespace octavo::cli
