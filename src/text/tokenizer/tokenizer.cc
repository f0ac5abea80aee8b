#include "octavo/tokenizer.h"

#include <utility>

#include "base/json.h"
#include "base/utf8.h"
#include "octavo/error.h"
#include "text/tokenizer/companions.h"
#include "text/tokenizer/document.h"
#include "text/tokenizer/files.h"
#include "text/tokenizer/tokenizer_impl.h"

namespace octavo {

namespace {

using namespace tokenizer;  // NOLINT: the parts of this class

constexpr size_t kLongText = 2048;  // bytes from which words are remembered

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
  if (const SentencePiece* sentence = pieces()) {
    const bool prefixed = prefixes == Prefixes::every || (at_origin && prefixes == Prefixes::first);
    sentence->encode(
        text, prefixed ? SentencePiece::Prefix::as_trained : SentencePiece::Prefix::none, out);
    return;
  }
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
  if (const SentencePiece* sentence = pieces(); sentence && lexicon.has(id) && !added.find(id)) {
    return sentence->bytes_of(id);
  }
  if (token) token = decoder.bytes_of(*token, Decoder::Place::later);
  return token;
}

bool Tokenizer::Impl::shown(TokenId id, InOutput in_output) const {
  if (pieces() && !added.find(id) && !lexicon_of(model).has(id)) return false;
  if (in_output == InOutput::keep_special) return true;
  const auto token = written(id);
  return token && !added.is_special(*token);
}

std::string Tokenizer::Impl::decode_pieces(std::span<const TokenId> ids, InOutput in_output) const {
  const SentencePiece& sentence = *pieces();
  SentencePiece::Stream stream(sentence);
  std::string text;
  std::vector<TokenId> run;  // for the library, where the stream does not say all
  const auto end_run = [&] {
    if (!run.empty()) text += sentence.decode(run);
    run.clear();
  };
  for (const TokenId id : ids) {
    if (!shown(id, in_output)) continue;
    if (const AddedToken* token = added.find(id)) {
      end_run();
      text += stream.push_text(token->content);
    } else if (sentence.has_denormalizer()) {
      run.push_back(id);
    } else {
      text += stream.push(id);
    }
  }
  end_run();
  return text + stream.flush();
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
  impl->name_tokens(parse_json(config, name, kConfigLimits));
  return Tokenizer(std::move(impl));
}

std::filesystem::path Tokenizer::file_in(const std::filesystem::path& directory) {
  return find_files(directory);
}

Tokenizer Tokenizer::load(const std::filesystem::path& dir_or_file) {
  return Tokenizer(load_files(dir_or_file));
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
  if (impl_->pieces()) return impl_->decode_pieces(ids, in_output);
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
  if (impl_->pieces()) return impl_->raw_bytes(id).value_or("");
  const auto token = impl_->written(id);
  return token ? impl_->decoder.bytes_of(*token, Decoder::Place::later) : "";
}

const std::optional<Tokenizer::Named>& Tokenizer::bos() const { return impl_->bos; }
const std::optional<Tokenizer::Named>& Tokenizer::eos() const { return impl_->eos; }
const std::optional<Tokenizer::Named>& Tokenizer::pad() const { return impl_->pad; }

}  // namespace octavo
