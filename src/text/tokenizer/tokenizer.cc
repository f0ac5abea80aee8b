#include "octavo/tokenizer.h"

#include <utility>

#include "base/file.h"
#include "base/json.h"
#include "base/utf8.h"
#include "octavo/error.h"
#include "text/tokenizer/document.h"
#include "text/tokenizer/tokenizer_impl.h"

namespace octavo {

namespace {

using namespace tokenizer;  // NOLINT: the parts of this class

constexpr size_t kLongText = 2048;  // bytes from which words are remembered
constexpr uint64_t kMaxConfigBytes = uint64_t{32} << 20;

// The token that `config` names: a string or {"content": string}.
std::optional<std::string> named_token(const Json& config, const char* key) {
  const auto found = config.find(key);
  if (found == config.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (found->is_object() && found->contains("content") && found->at("content").is_string()) {
    return found->at("content").get<std::string>();
  }
  return std::nullopt;
}

Json read_config(std::string_view bytes, std::string_view name) {
  return parse_json(bytes, name, {.max_keys = 1 << 16});
}

}  // namespace

struct Tokenizer::Impl::Front {
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  ModelType type;
  Alphabet alphabet = Alphabet::characters;

  explicit Front(const Field& root) : type(model_type(root.at("model"))) {
    if (const auto field = root.find("normalizer")) normalizer = Normalizer::load(*field);
    if (const auto field = root.find("pre_tokenizer")) pre_tokenizer = PreTokenizer::load(*field);
    if (type == ModelType::bpe && pre_tokenizer.take_bytes_step()) alphabet = Alphabet::bytes;
  }
};

Tokenizer::Impl::Impl(const Field& root) : Impl(root, Front(root)) {}

Tokenizer::Impl::Impl(const Field& root, Front front)
    : normalizer(std::move(front.normalizer)),
      pre_tokenizer(std::move(front.pre_tokenizer)),
      model(load_model(root.at("model"), front.type, front.alphabet)),
      added(AddedTokens::load(root, lexicon_of(model), normalizer)) {
  if (const auto field = root.find("post_processor")) post_processor = PostProcessor::load(*field);
  if (const auto field = root.find("decoder")) decoder = Decoder::load(*field);
}

void Tokenizer::Impl::encode_text(std::string_view text, bool at_origin, bool as_text,
                                  PreTokenizer::Session& session, BpeWorkspace& work,
                                  std::vector<TokenId>& out) const {
  NormalText normal{std::string(text), at_origin};
  normalizer.apply(normal);
  std::vector<Stretch> stretches;
  added.cut(normal.text, true, as_text, stretches);
  Pieces pieces;
  for (const Stretch& stretch : stretches) {
    if (stretch.id != kNoToken) {
      out.push_back(stretch.id);
      continue;
    }
    const auto [begin, end] = stretch.span;
    pieces.at_origin = normal.at_origin && begin == 0;
    if (begin == 0 && end == normal.text.size()) {
      pieces.text = std::move(normal.text);
    } else {
      pieces.text.assign(normal.text, begin, end - begin);
    }
    pieces.spans.assign(1, Span{0, pieces.text.size()});
    session.apply(pieces);
    for (const Span& span : pieces.spans) encode_word(model, pieces.piece(span), work, out);
  }
}

void Tokenizer::Impl::name_tokens(const Json& config) {
  const auto named = [&](const char* key) -> std::optional<Named> {
    auto text = config.is_object() ? named_token(config, key) : std::nullopt;
    if (!text) return std::nullopt;
    const AddedToken* token = added.find(*text);
    const TokenId id = token ? token->id : lexicon_of(model).find_written(*text);
    return Named{*std::move(text), id == kNoToken ? std::nullopt : std::optional(id)};
  };
  bos = named("bos_token");
  eos = named("eos_token");
  pad = named("pad_token");
}

std::optional<std::string> Tokenizer::Impl::written(TokenId id) const {
  if (const AddedToken* token = added.find(id)) return token->content;
  if (!lexicon_of(model).has(id)) return std::nullopt;
  return lexicon_of(model).written(id);
}

std::optional<std::string> Tokenizer::Impl::raw_bytes(TokenId id) const {
  const Lexicon& lexicon = lexicon_of(model);
  const bool direct = lexicon.alphabet() == Alphabet::bytes && lexicon.keys().has(id);
  if (direct && !added.find(id)) return std::string(lexicon.key(id));
  auto token = written(id);
  if (token) token = decoder.bytes_of(*token, Decoder::Place::later);
  return token;
}

bool Tokenizer::Impl::shown(TokenId id, InOutput in_output) const {
  if (in_output == InOutput::keep_special) return true;
  const auto token = written(id);
  return token && !added.is_special(*token);
}

Tokenizer::Tokenizer(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view name) {
  const Document document(json, std::string(name));
  return Tokenizer(std::make_shared<const Impl>(document.root()));
}

Tokenizer Tokenizer::from_json(std::string_view json, std::string_view config,
                               std::string_view name) {
  const Document document(json, std::string(name));
  auto impl = std::make_shared<Impl>(document.root());
  impl->name_tokens(read_config(config, name));
  return Tokenizer(std::move(impl));
}

Tokenizer Tokenizer::load(const std::filesystem::path& dir_or_file) {
  const bool is_dir = std::filesystem::is_directory(dir_or_file);
  const auto dir = is_dir ? dir_or_file : dir_or_file.parent_path();
  const auto file = is_dir ? dir / "tokenizer.json" : dir_or_file;
  if (is_dir && !std::filesystem::exists(file)) {
    const bool sentencepiece = std::filesystem::exists(dir / "tokenizer.model");
    throw Error(sentencepiece ? "tokenizer.model alone is not supported yet" : "no tokenizer.json",
                dir.string(), "put the model's tokenizer.json there");
  }
  if (file.extension() == ".model") {
    throw Error("tokenizer.model is not supported yet", file.string(),
                "give the model's tokenizer.json");
  }
  const Document document(file);
  auto impl = std::make_shared<Impl>(document.root());
  const auto config_file = dir / "tokenizer_config.json";
  if (std::filesystem::exists(config_file)) {
    impl->name_tokens(read_config(read_file(config_file, kMaxConfigBytes), config_file.string()));
  }
  return Tokenizer(std::move(impl));
}

std::vector<TokenId> Tokenizer::encode(std::string_view text, Specials specials,
                                       InText in_text) const {
  std::string sane;
  if (!utf8::is_valid(text)) text = sane = utf8::sanitize(text);
  const bool as_text = in_text == InText::as_text;
  PreTokenizer::Session session(impl_->pre_tokenizer);
  BpeWorkspace work;
  if (text.size() >= kLongText) work.remember_words();
  std::vector<TokenId> ids;
  ids.reserve(text.size() / 4);
  std::vector<Stretch> stretches;
  impl_->added.cut(text, false, as_text, stretches);
  for (const Stretch& stretch : stretches) {
    if (stretch.id != kNoToken) {
      ids.push_back(stretch.id);
      continue;
    }
    const auto [begin, end] = stretch.span;
    impl_->encode_text(text.substr(begin, end - begin), begin == 0, as_text, session, work, ids);
  }
  return impl_->post_processor.apply(std::move(ids), specials == Specials::add);
}

std::string Tokenizer::decode(std::span<const TokenId> ids, InOutput in_output) const {
  if (impl_->decoder.is_bytes()) {
    std::string bytes;
    for (const TokenId id : ids) {
      if (!impl_->shown(id, in_output)) continue;
      if (const auto token = impl_->raw_bytes(id)) bytes += *token;
    }
    return utf8::is_valid(bytes) ? bytes : utf8::sanitize(bytes);
  }
  std::vector<std::string> tokens;
  tokens.reserve(ids.size());
  for (const TokenId id : ids) {
    auto token = impl_->written(id);
    if (!token || !impl_->shown(id, in_output)) continue;
    tokens.push_back(*std::move(token));
  }
  return impl_->decoder.apply(std::move(tokens));
}

int64_t Tokenizer::vocab_size() const {
  return std::max(lexicon_of(impl_->model).end_id(), impl_->added.end_id());
}

std::optional<TokenId> Tokenizer::id_of(std::string_view token) const {
  if (const AddedToken* added = impl_->added.find(token)) return added->id;
  const TokenId id = lexicon_of(impl_->model).find_written(token);
  return id == kNoToken ? std::nullopt : std::optional(id);
}

std::string Tokenizer::token(TokenId id) const { return impl_->written(id).value_or(""); }

bool Tokenizer::is_special(TokenId id) const {
  const AddedToken* token = impl_->added.find(id);
  return token && impl_->added.is_special(token->content);
}

std::string Tokenizer::token_bytes(TokenId id) const {
  const auto token = impl_->written(id);
  return token ? impl_->decoder.bytes_of(*token, Decoder::Place::later) : "";
}

const std::optional<Tokenizer::Named>& Tokenizer::bos() const { return impl_->bos; }
const std::optional<Tokenizer::Named>& Tokenizer::eos() const { return impl_->eos; }
const std::optional<Tokenizer::Named>& Tokenizer::pad() const { return impl_->pad; }

}  // namespace octavo
