#include <algorithm>

#include "io/gguf_pre_tokenizers.h"

// The patterns are those of the models' published tokenizer.json files.

namespace octavo {
namespace {

#define OCTAVO_SPLIT(regex) \
  R"({"type":"Split","pattern":{"Regex":")" regex R"("},"behavior":"Isolated","invert":false},)"
#define OCTAVO_BYTES \
  R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":false})"
#define OCTAVO_GPT2 \
  R"({"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true,"use_regex":true})"
#define OCTAVO_DIGITS R"({"type":"Digits","individual_digits":true},)"

// Endings that follow the words of a language, in the families after GPT-4.
#define OCTAVO_ENDINGS R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
#define OCTAVO_SPACES R"(\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+)"
// Words in the manner of o200k: upper-case letters, then lower-case ones.
#define OCTAVO_UPPER R"([\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}])"
#define OCTAVO_LOWER R"([\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}])"
#define OCTAVO_BEFORE R"([^\\r\\n\\p{L}\\p{N}]?)"

constexpr std::string_view kGpt2 = OCTAVO_GPT2;
constexpr std::string_view kSingleDigits = OCTAVO_DIGITS OCTAVO_GPT2;
constexpr std::string_view kLlama3 = OCTAVO_SPLIT(
    OCTAVO_ENDINGS "|" OCTAVO_BEFORE
                   R"(\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|)" OCTAVO_SPACES)
    OCTAVO_BYTES;
constexpr std::string_view kQwen2 = OCTAVO_SPLIT(
    OCTAVO_ENDINGS "|" OCTAVO_BEFORE
                   R"(\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|)" OCTAVO_SPACES) OCTAVO_BYTES;
constexpr std::string_view kO200k =
    OCTAVO_SPLIT(OCTAVO_BEFORE OCTAVO_UPPER
                 "*" OCTAVO_LOWER "+" OCTAVO_ENDINGS "?|" OCTAVO_BEFORE OCTAVO_UPPER
                 "+" OCTAVO_LOWER "*" OCTAVO_ENDINGS
                 R"(?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|)" OCTAVO_SPACES) OCTAVO_BYTES;
constexpr std::string_view kTekken =
    OCTAVO_SPLIT(OCTAVO_BEFORE OCTAVO_UPPER
                 "*" OCTAVO_LOWER "+|" OCTAVO_BEFORE OCTAVO_UPPER "+" OCTAVO_LOWER
                 R"(*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|)" OCTAVO_SPACES) OCTAVO_BYTES;
constexpr std::string_view kDeepSeek3 =
    OCTAVO_SPLIT(R"(\\p{N}{1,3})") OCTAVO_SPLIT("[一-龥぀-ゟ゠-ヿ]+") OCTAVO_SPLIT(
        R"([!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?)"
        R"([\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+)") OCTAVO_BYTES;
constexpr std::string_view kDeepSeekCoder =
    OCTAVO_SPLIT(R"([\\r\\n])") OCTAVO_SPLIT(R"(\\s?\\p{L}+)") OCTAVO_SPLIT(R"(\\s?\\p{P}+)")
        OCTAVO_SPLIT("[一-龥ࠀ-一가-퟿]+") OCTAVO_DIGITS OCTAVO_BYTES;
constexpr std::string_view kFalcon =
    R"({"type":"Punctuation","behavior":"Contiguous"},)" OCTAVO_GPT2
    R"(,{"type":"Digits","individual_digits":false},)"
    R"({"type":"Split","pattern":{"Regex":"[0-9][0-9][0-9]"},"behavior":"Isolated","invert":false})";
constexpr std::string_view kBloom = OCTAVO_SPLIT(R"( ?[^(\\s|[.,!?…。，、।۔،])]+)") OCTAVO_BYTES;
constexpr std::string_view kSeedCoder = OCTAVO_SPLIT(
    OCTAVO_ENDINGS
    R"(|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\r\n]+|)" OCTAVO_SPACES)
    OCTAVO_BYTES;

#undef OCTAVO_SPLIT
#undef OCTAVO_BYTES
#undef OCTAVO_GPT2
#undef OCTAVO_DIGITS
#undef OCTAVO_ENDINGS
#undef OCTAVO_SPACES
#undef OCTAVO_UPPER
#undef OCTAVO_LOWER
#undef OCTAVO_BEFORE

constexpr std::string_view kNfc = R"({"type":"NFC"})";

constexpr GgufPreTokenizer kPreTokenizers[] = {
    {.names = {"gpt-2", "gpt2", "phi-2", "jais", "trillion", "granite-docling", "roberta-bpe"},
     .steps = kGpt2},
    {.names = {"olmo", "mpt"}, .steps = kGpt2, .normalizer = kNfc},
    {.names = {"starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b"},
     .steps = kSingleDigits},
    {.names = {"llama3", "llama-v3", "llama-bpe", "falcon3", "pixtral"},
     .steps = kLlama3,
     .ignore_merges = true,
     .begins = true},
    {.names = {"dbrx", "smaug-bpe", "chatglm-bpe", "glm4"}, .steps = kLlama3},
    {.names = {"qwen2", "deepseek-r1-qwen"}, .steps = kQwen2, .normalizer = kNfc},
    {.names = {"stablelm2", "hunyuan", "megrez", "grok-2"}, .steps = kQwen2},
    {.names = {"gpt-4o", "llama4"}, .steps = kO200k, .ignore_merges = true},
    {.names = {"tekken"}, .steps = kTekken, .ignore_merges = true, .begins = true},
    {.names = {"deepseek-v3"}, .steps = kDeepSeek3},
    {.names = {"deepseek-coder"}, .steps = kDeepSeekCoder},
    {.names = {"falcon"}, .steps = kFalcon},
    {.names = {"bloom", "poro-chat", "gpt3-finnish"}, .steps = kBloom},
    {.names = {"seed-coder"}, .steps = kSeedCoder},
};

}  // namespace

const GgufPreTokenizer* find_pre_tokenizer(std::string_view name) {
  if (name.empty()) return nullptr;
  for (const GgufPreTokenizer& row : kPreTokenizers) {
    if (std::ranges::find(row.names, name) != row.names.end()) return &row;
  }
  return nullptr;
}

}  // namespace octavo
