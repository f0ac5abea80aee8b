#include "text/tokenizer/old_forms.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/file.h"
#include "octavo/error.h"
#include "text/tokenizer/base64.h"
#include "text/tokenizer/byte_level.h"

namespace octavo::tokenizer {

namespace {

using Path = std::filesystem::path;

constexpr uint64_t kMaxFileBytes = uint64_t{128} << 20;
constexpr size_t kMaxTokenBytes = 1024;
constexpr std::string_view kCl100kSplit =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwenSplit =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|)"
    R"( ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kO200kSplit =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kClipSplit =
    R"('s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+)";
constexpr size_t kO200kRanks = 199998;

std::string json_text(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) {
      constexpr char kDigits[] = "0123456789abcdef";
      out += "\\u00";
      out += kDigits[static_cast<unsigned char>(c) >> 4];
      out += kDigits[c & 15];
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out += '"';
}

// Takes the first line off `text`, without its end.
std::string_view take_line(std::string_view& text) {
  const size_t end = std::min(text.find('\n'), text.size());
  std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

[[noreturn]] void refuse(std::string problem, const std::string& where) {
  throw Error(std::move(problem), where, "take the file again from where the model was published");
}

// Classes whose vocabulary looks like another's but that cut text in a way of their own.
void refuse_special_classes(const Companions& companions, const Path& file) {
  constexpr std::string_view kOwnWays[] = {
      "OpenAIGPTTokenizer", "XLMTokenizer",       "FSMTTokenizer",         "BioGptTokenizer",
      "CTRLTokenizer",      "PhobertTokenizer",   "BertweetTokenizer",     "HerbertTokenizer",
      "EsmTokenizer",       "TransfoXLTokenizer", "BertJapaneseTokenizer", "TikTokenTokenizer"};
  const std::string& kind = companions.tokenizer_class();
  if (std::find(std::begin(kOwnWays), std::end(kOwnWays), kind) == std::end(kOwnWays)) return;
  throw Error("tokenizer class " + kind + " is not supported without tokenizer.json", file.string(),
              "convert it: AutoTokenizer.from_pretrained(...).save_pretrained(...)");
}

std::string split(std::string_view regex, const char* behavior, const char* invert) {
  return R"({"type": "Split", "pattern": {"Regex": )" + json_text(regex) + R"(}, "behavior": ")" +
         behavior + R"(", "invert": )" + invert + "}";
}

std::string split_then_bytes(const std::string& split_step) {
  return R"({"type": "Sequence", "pretokenizers": [)" + split_step +
         R"(, {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})";
}

std::string document(const std::string& model, const std::string& front,
                     const std::string& decoder) {
  return "{\"model\": {" + model + "}, " + front + ", \"decoder\": " + decoder + "}";
}

const std::string kBytesDecoder = R"({"type": "ByteLevel"})";

// Normalizer and pre-tokenizer of a byte-level vocabulary.
std::string front_of_merges(const Companions& companions) {
  const std::string& kind = companions.tokenizer_class();
  if (kind == "Qwen2Tokenizer") {
    return R"("normalizer": {"type": "NFC"}, "pre_tokenizer": )" +
           split_then_bytes(split(kQwenSplit, "Isolated", "false"));
  }
  if (kind == "CLIPTokenizer") {
    return R"("normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Replace",
        "pattern": {"Regex": "\\s+"}, "content": " "}, {"type": "Lowercase"}]}, "pre_tokenizer": )" +
           split_then_bytes(split(kClipSplit, "Removed", "true"));
  }
  const bool space = companions.flag_or("add_prefix_space", false);
  return std::string(R"("pre_tokenizer": {"type": "ByteLevel", "use_regex": true,)") +
         R"( "add_prefix_space": )" + (space ? "true}" : "false}");
}

struct Ranked {
  std::string token;
  int64_t rank = 0;
};

Ranked read_rank(std::string_view line, const std::string& where) {
  const size_t space = line.find(' ');
  const auto token = decoded_base64(line.substr(0, space));
  Ranked out;
  const std::string_view digits = space == line.npos ? "" : line.substr(space + 1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), out.rank);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  if (!token || token->empty() || token->size() > kMaxTokenBytes || !whole || out.rank < 0) {
    refuse("not a token in base64 with its rank", where);
  }
  out.token = *token;
  return out;
}

}  // namespace

std::string document_of_merges(const Path& vocab, const Companions& companions) {
  refuse_special_classes(companions, vocab);
  const Path merges_file = vocab.parent_path() / "merges.txt";
  const std::string entries = read_file(vocab, kMaxFileBytes);
  const std::string merges = read_file(merges_file, kMaxFileBytes);
  std::string model = R"("type": "BPE", "vocab": )" + entries + ", \"merges\": [";
  std::string_view rest = merges;
  bool any = false;
  while (!rest.empty()) {
    const std::string_view line = take_line(rest);
    if (line.empty() || line.starts_with("#version")) continue;
    model.append(any ? "," : "").append(json_text(line));
    any = true;
  }
  model += "]";
  if (companions.tokenizer_class() == "CLIPTokenizer") {
    model += R"(, "end_of_word_suffix": "</w>", "unk_token": "<|endoftext|>")";
  }
  return document(model, front_of_merges(companions), kBytesDecoder);
}

std::string document_of_pieces(const Path& vocab, const Companions& companions) {
  refuse_special_classes(companions, vocab);
  const std::string lines = read_file(vocab, kMaxFileBytes);
  std::string model = R"("type": "WordPiece", "continuing_subword_prefix": "##", "vocab": {)";
  std::string_view rest = lines;
  for (int64_t id = 0; !rest.empty(); ++id) {
    const std::string_view line = take_line(rest);
    model.append(id > 0 ? "," : "").append(json_text(line)).append(":").append(std::to_string(id));
  }
  const std::string unk = companions.token("unk_token");
  model += R"(}, "max_input_chars_per_word": 100, "unk_token": )" +
           json_text(unk.empty() ? "[UNK]" : unk);
  const auto flag = [&](const char* key, bool fallback) {
    return companions.flag_or(key, fallback) ? "true" : "false";
  };
  const bool lower = companions.flag_or("do_lower_case", true);
  const std::string front =
      R"("normalizer": {"type": "BertNormalizer", "clean_text": true, "lowercase": )" +
      std::string(lower ? "true" : "false") + R"(, "handle_chinese_chars": )" +
      flag("tokenize_chinese_chars", true) + R"(, "strip_accents": )" +
      flag("strip_accents", lower) + R"(}, "pre_tokenizer": {"type": "BertPreTokenizer"})";
  return document(model, front, R"({"type": "WordPiece", "prefix": "##", "cleanup": true})");
}

bool looks_like_ranks(std::string_view bytes) {
  const std::string_view line = take_line(bytes);
  const size_t space = line.find(' ');
  if (space == line.npos || space == 0 || line.size() > 2 * kMaxTokenBytes) return false;
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const std::string_view digits = line.substr(space + 1);
  return !digits.empty() && std::all_of(digits.begin(), digits.end(), is_digit) &&
         decoded_base64(line.substr(0, space)).has_value();
}

std::string document_of_ranks(std::string_view bytes, const std::string& name,
                              const Companions& companions) {
  refuse_special_classes(companions, name);
  const ByteLevel alphabet;
  // A pair merges when it is a token, at that token's rank.
  std::string model =
      R"("type": "BPE", "ignore_merges": true, "merges_of_ranks": true, "vocab": {)";
  size_t count = 0, number = 0;
  while (!bytes.empty()) {
    const std::string_view line = take_line(bytes);
    ++number;
    if (line.empty()) continue;
    const Ranked entry = read_rank(line, name + ", line " + std::to_string(number));
    std::string written;
    alphabet.append_mapped(written, entry.token);
    model.append(count++ > 0 ? "," : "").append(json_text(written));
    model.append(":").append(std::to_string(entry.rank));
  }
  model += "}";
  const bool qwen = companions.tokenizer_class() == "QWenTokenizer";
  const std::string_view regex = qwen                   ? kQwenSplit
                                 : count == kO200kRanks ? kO200kSplit
                                                        : kCl100kSplit;
  const std::string front =
      std::string(qwen ? R"("normalizer": {"type": "NFC"}, )" : "") +
      "\"pre_tokenizer\": " + split_then_bytes(split(regex, "Isolated", "false"));
  return document(model, front, kBytesDecoder);
}

}  // namespace octavo::tokenizer
