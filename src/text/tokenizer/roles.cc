#include "text/tokenizer/roles.h"

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "octavo/error.h"

namespace octavo::tokenizer {

namespace {

// What stands around a text: roles ("bos_token") or tokens by their text.
struct Ends {
  std::vector<std::string_view> before, after;
};

// What a tokenizer class does where the files leave it open.
struct Conventions {
  std::string_view name;
  std::string_view bos, eos, pad;
  bool adds_bos, adds_eos;  // unless add_bos_token and add_eos_token say otherwise
  std::string_view others;  // further special tokens, with spaces between
};

constexpr Conventions kConventions[] = {
    {"GPT2Tokenizer", "<|endoftext|>", "<|endoftext|>", "", false, false, ""},
    {"CodeGenTokenizer", "<|endoftext|>", "<|endoftext|>", "", false, false, ""},
    {"GPTNeoXTokenizer", "<|endoftext|>", "<|endoftext|>", "", false, false, ""},
    {"Qwen2Tokenizer", "", "<|endoftext|>", "<|endoftext|>", false, false, ""},
    {"QWenTokenizer", "", "<|endoftext|>", "", false, false, ""},
    {"Llama3", "<|begin_of_text|>", "<|end_of_text|>", "", true, false, ""},
    {"RobertaTokenizer", "<s>", "</s>", "<pad>", true, true, "<unk> <mask> [UNK]"},
    {"BartTokenizer", "<s>", "</s>", "<pad>", true, true, "<unk> <mask> [UNK]"},
    {"CLIPTokenizer", "<|startoftext|>", "<|endoftext|>", "<|endoftext|>", true, true, ""},
    {"BertTokenizer", "[CLS]", "[SEP]", "[PAD]", true, true, "[UNK] [MASK]"},
    {"DistilBertTokenizer", "[CLS]", "[SEP]", "[PAD]", true, true, "[UNK] [MASK]"},
    {"ElectraTokenizer", "[CLS]", "[SEP]", "[PAD]", true, true, "[UNK] [MASK]"},
    {"MPNetTokenizer", "<s>", "</s>", "<pad>", true, true, "<unk> <mask> [UNK]"},
    {"AlbertTokenizer", "[CLS]", "[SEP]", "<pad>", true, true, ""},
    {"BigBirdTokenizer", "[CLS]", "[SEP]", "<pad>", true, true, ""},
    {"DebertaV2Tokenizer", "[CLS]", "[SEP]", "[PAD]", true, true, ""},
    {"RemBertTokenizer", "[CLS]", "[SEP]", "<pad>", true, true, ""},
    {"T5Tokenizer", "", "</s>", "<pad>", false, true, ""},
    {"MT5Tokenizer", "", "</s>", "<pad>", false, true, ""},
    {"PegasusTokenizer", "", "</s>", "<pad>", false, true, ""},
};
constexpr Conventions kLlama = {"LlamaTokenizer", "", "", "", true, false, ""};

const Conventions& conventions_of(const std::string& kind, bool has_bos) {
  for (const Conventions& row : kConventions) {
    if (row.name == kind || (kind.empty() && !has_bos && row.name == "T5Tokenizer")) return row;
  }
  return kLlama;
}

constexpr std::string_view kChatGlm = "ChatGLMTokenizer";
constexpr size_t kLlama3Ranks = 128000;

bool is_one_of(std::string_view name, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Ends ends_of(const Companions& companions, const Conventions& conventions) {
  const std::string& kind = companions.tokenizer_class();
  if (kind == "ChatGLM4Tokenizer") return {{"[gMASK]", "<sop>"}, {}};
  if (kind == kChatGlm) return {{"[gMASK]", "sop"}, {}};
  if (kind == "XLNetTokenizer") return {{}, {"sep_token", "cls_token"}};
  if (conventions.bos == "[CLS]") return {{"cls_token"}, {"sep_token"}};
  Ends ends;
  if (companions.flag_or("add_bos_token", conventions.adds_bos)) ends.before = {"bos_token"};
  if (companions.flag_or("add_eos_token", conventions.adds_eos)) ends.after = {"eos_token"};
  return ends;
}

// Sentencepiece models of fairseq, whose ids are shifted by a table in the class.
bool shifts_ids(std::string_view kind) {
  return is_one_of(kind, {"XLMRobertaTokenizer", "XGLMTokenizer", "CamembertTokenizer",
                          "BarthezTokenizer", "MBartTokenizer", "MBart50Tokenizer", "NllbTokenizer",
                          "PLBartTokenizer", "XLMProphetNetTokenizer"});
}

// Tokens that are written in the code of a tokenizer class and stand behind its vocabulary.
std::vector<std::string> tokens_of_class(std::string_view kind) {
  std::vector<std::string> texts;
  if (kind == kChatGlm) {
    texts = {"[MASK]",   "[gMASK]",       "[sMASK]",        "sop", "eop", "<|system|>",
             "<|user|>", "<|assistant|>", "<|observation|>"};
  } else if (kind == "QWenTokenizer") {
    texts = {"<|endoftext|>", "<|im_start|>", "<|im_end|>"};
    for (int i = 0; i < 205; ++i) texts.push_back("<|extra_" + std::to_string(i) + "|>");
  } else if (kind == "Llama3") {
    texts = {"<|begin_of_text|>",
             "<|end_of_text|>",
             "<|reserved_special_token_0|>",
             "<|reserved_special_token_1|>",
             "<|finetune_right_pad_id|>",
             "<|step_id|>",
             "<|start_header_id|>",
             "<|end_header_id|>",
             "<|eom_id|>",
             "<|eot_id|>",
             "<|python_tag|>"};
    for (int i = 2; texts.size() < 256; ++i) {
      texts.push_back("<|reserved_special_token_" + std::to_string(i) + "|>");
    }
  }
  return texts;
}

// The class, or what the vocabulary itself tells where no file names one.
std::string class_of(const Companions& companions, const Tokenizer::Impl& impl) {
  const bool llama3 = companions.tokenizer_class().empty() && !impl.pieces() &&
                      lexicon_of(impl.model).count() == kLlama3Ranks;
  return llama3 ? "Llama3" : companions.tokenizer_class();
}

AddedToken special_token(std::string content, TokenId id) {
  AddedToken token;
  token.content = std::move(content);
  token.id = id;
  token.special = true;
  return token;
}

// Control pieces have no text of their own, and no text gives them.
void add_control_pieces(const SentencePiece& pieces, std::vector<AddedToken>& tokens) {
  for (TokenId id = 0; id < pieces.lexicon().end_id(); ++id) {
    if (pieces.kind(id) != PieceModel::Kind::control) continue;
    tokens.push_back(special_token(pieces.lexicon().written(id), id));
    tokens.back().in_text = false;
  }
}

// The special tokens that a class has in its vocabulary without a file that says so.
void add_conventional(const Conventions& conventions, const Lexicon& lexicon,
                      std::vector<AddedToken>& tokens) {
  std::vector<std::string_view> texts = {conventions.bos, conventions.eos, conventions.pad};
  for (std::string_view rest = conventions.others; !rest.empty();) {
    const size_t end = std::min(rest.find(' '), rest.size());
    texts.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  for (const std::string_view text : texts) {
    const TokenId id = text.empty() ? kNoToken : lexicon.find_written(text);
    if (id != kNoToken) tokens.push_back(special_token(std::string(text), id));
  }
}

std::vector<AddedToken> tokens_of(const Companions& companions, const Conventions& conventions,
                                  const std::filesystem::path& file, const Tokenizer::Impl& impl) {
  const Lexicon& lexicon = lexicon_of(impl.model);
  const std::string kind = class_of(companions, impl);
  std::vector<AddedToken> tokens;
  if (const SentencePiece* pieces = impl.pieces()) {
    add_control_pieces(*pieces, tokens);
  } else {
    add_conventional(conventions, lexicon, tokens);
  }
  auto next = static_cast<TokenId>(lexicon.end_id());
  for (std::string& text : tokens_of_class(kind)) {
    const bool in_text = text.size() > 3;  // "sop" and "eop" are parts of words
    tokens.push_back(special_token(std::move(text), next++));
    tokens.back().in_text = in_text;
  }
  const int64_t limit = id_limit(lexicon.count());
  const bool strips_mask = kind == "RobertaTokenizer" || kind == "BartTokenizer";
  const std::string mask = strips_mask ? companions.token("mask_token") : "";
  for (AddedToken token : companions.added()) {
    if (token.id >= limit) {
      throw Error("added token '" + token.content.substr(0, 64) + "' has an absurd id",
                  file.parent_path().string(), "take the tokenizer's files again");
    }
    if (token.id == kNoToken) token.id = lexicon.find_written(token.content);
    if (!mask.empty() && token.content == mask) token.left_strip = true;
    tokens.push_back(std::move(token));
  }
  return tokens;
}

// Finds tokens by their roles.
class Roles {
 public:
  Roles(const Companions& companions, const Conventions& conventions, const Tokenizer::Impl& impl)
      : companions_(companions), conventions_(conventions), impl_(impl) {}

  // What tokenizer_config.json names, else the class, else the model itself.
  std::optional<Tokenizer::Named> named(const char* role, std::string_view usual,
                                        std::optional<TokenId> own) const {
    std::string text = companions_.token(role);
    if (text.empty() && own) text = lexicon_of(impl_.model).written(*own);
    if (text.empty() && id_of(usual) != kNoToken) text = usual;
    if (text.empty()) return std::nullopt;
    const TokenId id = id_of(text);
    return Tokenizer::Named{text, id == kNoToken ? std::nullopt : std::optional(id)};
  }

  std::vector<TokenId> ids(const std::vector<std::string_view>& names) const {
    std::vector<TokenId> found;
    for (const std::string_view name : names) {
      const TokenId id = id_of(name.ends_with("_token") ? text_of(name) : std::string(name));
      if (id != kNoToken) found.push_back(id);
    }
    return found;
  }

 private:
  TokenId id_of(std::string_view text) const {
    const AddedToken* token = impl_.added.find(text);
    return token ? token->id : lexicon_of(impl_.model).find_written(text);
  }

  std::string text_of(std::string_view role) const {
    if (role == "bos_token" && impl_.bos) return impl_.bos->text;
    if (role == "eos_token" && impl_.eos) return impl_.eos->text;
    const std::string text = companions_.token(std::string(role).c_str());
    if (!text.empty()) return text;
    return std::string(role == "cls_token" ? conventions_.bos : conventions_.eos);
  }

  const Companions& companions_;
  const Conventions& conventions_;
  const Tokenizer::Impl& impl_;
};

}  // namespace

void apply_roles(const Companions& companions, const std::filesystem::path& file,
                 Tokenizer::Impl& impl) {
  if (impl.pieces() && shifts_ids(companions.tokenizer_class())) {
    throw Error(companions.tokenizer_class() + " shifts the ids of its sentencepiece model",
                file.string(), "put the model's tokenizer.json there");
  }
  const SentencePiece* pieces = impl.pieces();
  const std::optional<TokenId> none;
  const Conventions& conventions =
      conventions_of(class_of(companions, impl), !pieces || pieces->bos());
  impl.added = AddedTokens::of(tokens_of(companions, conventions, file, impl),
                               lexicon_of(impl.model), impl.normalizer);
  const Roles roles(companions, conventions, impl);
  impl.bos = roles.named("bos_token", conventions.bos, pieces ? pieces->bos() : none);
  impl.eos = roles.named("eos_token", conventions.eos, pieces ? pieces->eos() : none);
  impl.pad = roles.named("pad_token", conventions.pad, pieces ? pieces->pad() : none);
  const bool legacy = companions.flag_or("legacy", true);
  const bool prefixed = legacy || companions.flag_or("add_prefix_space", true);
  using Prefixes = Tokenizer::Impl::Prefixes;
  impl.prefixes = legacy ? Prefixes::every : prefixed ? Prefixes::first : Prefixes::none;
  const Ends ends = ends_of(companions, conventions);
  impl.post_processor = PostProcessor::around(roles.ids(ends.before), roles.ids(ends.after));
}

}  // namespace octavo::tokenizer
