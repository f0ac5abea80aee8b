#include "io/gguf_tokenizer.h"

#include <algorithm>
#include <optional>
#include <unordered_map>
#include <unordered_set>

#include "base/json.h"
#include "io/gguf_pre_tokenizers.h"

namespace octavo {
namespace {

// Kinds of tokens, as tokenizer.ggml.token_type numbers them.
enum TokenKind : int64_t { kNormal = 1, kUnknown, kControl, kUserDefined, kUnused, kByte };

constexpr const char* kTokens = "tokenizer.ggml.tokens";
constexpr std::string_view kSpace = "▁";  // U+2581, sentencepiece's mark
constexpr size_t kMaxPieceBytes = 256;    // longer pieces get no merges of their own

std::string json_text(std::string_view text) { return to_line(Json(text)); }

// The vocabulary of a file with what else each token has.
class Vocabulary {
 public:
  explicit Vocabulary(const GgufMetadata& metadata)
      : metadata_(metadata), tokens_(metadata.texts(kTokens)) {
    if (metadata.has("tokenizer.ggml.token_type")) {
      kinds_ = metadata.integers("tokenizer.ggml.token_type");
      if (kinds_.size() != tokens_.size())
        metadata.fail("tokenizer.ggml.token_type", "not one entry a token");
    }
    std::unordered_set<std::string_view> seen;
    for (const std::string& token : tokens_) doubled_.push_back(!seen.insert(token).second);
  }

  size_t size() const { return tokens_.size(); }
  const std::string& token(size_t id) const { return tokens_[id]; }
  int64_t kind(size_t id) const { return kinds_.empty() ? int64_t{kNormal} : kinds_[id]; }

  // The "vocab" object. A text that occurs twice names its first id.
  std::string json() const {
    std::string text = "{";
    for (size_t id = 0; id < tokens_.size(); ++id) {
      const std::string name = doubled_[id] ? "<doubled " + std::to_string(id) + ">" : tokens_[id];
      text += (id > 0 ? "," : "") + json_text(name) + ":" + std::to_string(id);
    }
    return text + "}";
  }

  // Control tokens and those that users defined are found in text before all else.
  std::string added_json() const {
    std::string list;
    for (size_t id = 0; id < tokens_.size(); ++id) {
      const int64_t k = kind(id);
      const bool special = k == kControl || k == kUnknown;
      if ((!special && k != kUserDefined) || doubled_[id] || tokens_[id].empty()) continue;
      list += (list.empty() ? "" : ",") + std::string("{\"id\":") + std::to_string(id) +
              ",\"content\":" + json_text(tokens_[id]) +
              ",\"single_word\":false,\"lstrip\":false,\"rstrip\":false,\"normalized\":false," +
              "\"special\":" + (special ? "true" : "false") + "}";
    }
    return "[" + list + "]";
  }

  // The id under tokenizer.ggml.NAME_token_id.
  std::optional<size_t> named(const std::string& name) const {
    const std::string key = "tokenizer.ggml." + name + "_token_id";
    if (!metadata_.has(key)) return std::nullopt;
    const int64_t id = metadata_.integer(key, -1, INT32_MAX);
    if (id < 0) return std::nullopt;
    if (id >= static_cast<int64_t>(tokens_.size()))
      metadata_.fail(key, "token " + std::to_string(id) + " is not in the vocabulary");
    return static_cast<size_t>(id);
  }

 private:
  const GgufMetadata& metadata_;
  const std::vector<std::string>& tokens_;
  std::vector<int64_t> kinds_;
  std::vector<bool> doubled_;
};

// What stands before and behind each text.
std::string post_processor(const GgufMetadata& metadata, const Vocabulary& vocabulary,
                           bool begins) {
  const auto bos = vocabulary.named("bos"), eos = vocabulary.named("eos");
  const bool front = bos && metadata.flag_or("tokenizer.ggml.add_bos_token", begins);
  const bool back = eos && metadata.flag_or("tokenizer.ggml.add_eos_token", false);
  const auto item = [&](size_t id) {
    return R"({"SpecialToken":{"id":)" + json_text(vocabulary.token(id)) + R"(,"type_id":0}})";
  };
  const auto entry = [&](size_t id) {
    const std::string name = json_text(vocabulary.token(id));
    return name + ":{\"id\":" + name + ",\"ids\":[" + std::to_string(id) + "],\"tokens\":[" + name +
           "]}";
  };
  std::string single, tokens;
  if (front) single = item(*bos) + ",", tokens = entry(*bos);
  single += R"({"Sequence":{"id":"A","type_id":0}})";
  if (back) {
    single += "," + item(*eos);
    if (!front || *bos != *eos) tokens += (tokens.empty() ? "" : ",") + entry(*eos);
  }
  return R"({"type":"TemplateProcessing","single":[)" + single + R"(],"pair":[)" + single +
         R"(,{"Sequence":{"id":"B","type_id":1}}],"special_tokens":{)" + tokens + "}}";
}

std::string merges_json(const std::vector<std::string>& merges) {
  std::string text = "[";
  for (size_t i = 0; i < merges.size(); ++i) text += (i > 0 ? "," : "") + json_text(merges[i]);
  return text + "]";
}

std::string byte_level_json(const GgufMetadata& metadata) {
  const Vocabulary vocabulary(metadata);
  const std::string name = metadata.text_or("tokenizer.ggml.pre", "default");
  const GgufPreTokenizer* row = find_pre_tokenizer(name);
  if (row == nullptr) {
    metadata.fail("tokenizer.ggml.pre", "pre-tokenizer " + name + " is not known",
                  "use the model's tokenizer.json, or a file converted by a newer converter");
  }
  return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)" +
         vocabulary.added_json() + ",\"normalizer\":" + std::string(row->normalizer) +
         R"(,"pre_tokenizer":{"type":"Sequence","pretokenizers":[)" + std::string(row->steps) +
         "]},\"post_processor\":" + post_processor(metadata, vocabulary, row->begins) +
         R"(,"decoder":{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,)"
         R"("use_regex":true},"model":{"type":"BPE","dropout":null,"unk_token":null,)"
         R"("continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":false,)"
         R"("byte_fallback":false,"ignore_merges":)" +
         (row->ignore_merges ? "true" : "false") + ",\"vocab\":" + vocabulary.json() +
         ",\"merges\":" + merges_json(metadata.texts("tokenizer.ggml.merges")) + "}}";
}

// Every way to put a piece together from two, best score first: sentencepiece's BPE joins the pair
// whose piece scores highest.
struct ScoredMerge {
  std::string_view left, right;
  float score;
};

std::vector<ScoredMerge> scored_merges(const GgufMetadata& metadata, const Vocabulary& vocabulary) {
  const std::vector<float>& scores = metadata.numbers("tokenizer.ggml.scores");
  if (scores.size() != vocabulary.size())
    metadata.fail("tokenizer.ggml.scores", "not one score a token");
  std::unordered_map<std::string_view, size_t> pieces;
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    if (vocabulary.kind(id) == kNormal || vocabulary.kind(id) == kUserDefined)
      pieces.emplace(vocabulary.token(id), id);
  }
  std::vector<ScoredMerge> merges;
  std::vector<std::pair<size_t, size_t>> ids;  // of one piece's halves
  for (size_t id = 0; id < vocabulary.size(); ++id) {
    const std::string_view piece = vocabulary.token(id);
    if (vocabulary.kind(id) != kNormal || piece.size() > kMaxPieceBytes) continue;
    ids.clear();
    for (size_t cut = 1; cut < piece.size(); ++cut) {
      const auto left = pieces.find(piece.substr(0, cut));
      if (left == pieces.end()) continue;
      const auto right = pieces.find(piece.substr(cut));
      if (right != pieces.end()) ids.emplace_back(left->second, right->second);
    }
    std::ranges::sort(ids);
    for (const auto& [left, right] : ids)
      merges.push_back({vocabulary.token(left), vocabulary.token(right), scores[id]});
  }
  const auto characters = [](std::string_view text) {
    return std::ranges::count_if(text, [](char c) { return (c & 0xC0) != 0x80; });
  };
  std::ranges::stable_sort(merges, [&](const ScoredMerge& a, const ScoredMerge& b) {
    if (a.score != b.score) return a.score > b.score;
    const auto left_a = characters(a.left), left_b = characters(b.left);
    if (left_a != left_b) return left_a > left_b;
    return characters(a.right) > characters(b.right);
  });
  return merges;
}

std::string sentencepiece_merges(const GgufMetadata& metadata, const Vocabulary& vocabulary) {
  if (metadata.has("tokenizer.ggml.merges"))
    return merges_json(metadata.texts("tokenizer.ggml.merges"));
  std::string text = "[";
  for (const ScoredMerge& merge : scored_merges(metadata, vocabulary)) {
    text +=
        (text.size() > 1 ? ",[" : "[") + json_text(merge.left) + "," + json_text(merge.right) + "]";
  }
  return text + "]";
}

std::string sentencepiece_json(const GgufMetadata& metadata) {
  const Vocabulary vocabulary(metadata);
  const std::string mark = json_text(kSpace);
  const std::string replace =
      R"({"type":"Replace","pattern":{"String":" "},"content":)" + mark + "}";
  const bool prefix = metadata.flag_or("tokenizer.ggml.add_space_prefix", true);
  const std::string normalizer =
      prefix ? R"({"type":"Sequence","normalizers":[{"type":"Prepend","prepend":)" + mark + "}," +
                   replace + "]}"
             : replace;
  const auto unknown = vocabulary.named("unknown");
  return R"({"version":"1.0","truncation":null,"padding":null,"added_tokens":)" +
         vocabulary.added_json() + ",\"normalizer\":" + normalizer +
         ",\"pre_tokenizer\":null,\"post_processor\":" +
         post_processor(metadata, vocabulary, true) +
         R"(,"decoder":{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":)" +
         mark + R"(},"content":" "},{"type":"ByteFallback"},{"type":"Fuse"})" +
         (prefix ? R"(,{"type":"Strip","content":" ","start":1,"stop":0})" : "") +
         R"(]},"model":{"type":"BPE","dropout":null,"unk_token":)" +
         (unknown ? json_text(vocabulary.token(*unknown)) : "null") +
         R"(,"continuing_subword_prefix":null,"end_of_word_suffix":null,"fuse_unk":true,)"
         R"("byte_fallback":true,"ignore_merges":false,"vocab":)" +
         vocabulary.json() + ",\"merges\":" + sentencepiece_merges(metadata, vocabulary) + "}}";
}

}  // namespace

std::string gguf_tokenizer_json(const GgufMetadata& metadata) {
  if (metadata.has("tokenizer.huggingface.json"))
    return metadata.text("tokenizer.huggingface.json");
  const std::string& model = metadata.text("tokenizer.ggml.model");
  if (model == "gpt2") return byte_level_json(metadata);
  if (model == "llama") return sentencepiece_json(metadata);
  metadata.fail("tokenizer.ggml.model", "tokenizer " + model + " is not supported in GGUF files",
                "supported: gpt2, llama");
}

std::string gguf_tokenizer_config(const GgufMetadata& metadata) {
  Json config = Json::object();
  if (metadata.has(kTokens)) {
    const Vocabulary vocabulary(metadata);
    for (const auto& [key, name] : {std::pair{"bos", "bos_token"},
                                    {"eos", "eos_token"},
                                    {"unknown", "unk_token"},
                                    {"padding", "pad_token"}}) {
      if (const auto id = vocabulary.named(key)) config[name] = vocabulary.token(*id);
    }
  }
  constexpr std::string_view kTemplate = "tokenizer.chat_template";
  Json list = Json::array();
  for (const std::string& key : metadata.keys(kTemplate)) {
    if (key != kTemplate && key[kTemplate.size()] != '.') continue;
    const std::string name = key == kTemplate ? "default" : key.substr(kTemplate.size() + 1);
    list.push_back({{"name", name}, {"template", metadata.text(key)}});
  }
  if (!list.empty()) config["chat_template"] = std::move(list);
  return to_line(config);
}

}  // namespace octavo
