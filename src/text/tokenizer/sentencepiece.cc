#include "text/tokenizer/sentencepiece.h"

#include <sentencepiece_processor.h>

#include <exception>
#include <utility>

#include "base/utf8.h"
#include "octavo/error.h"

namespace octavo::tokenizer {

namespace {

constexpr std::string_view kSpace = "\u2581";

std::string with_spaces(std::string_view piece) {
  std::string out;
  for (size_t at = 0; at < piece.size();) {
    const size_t found = std::min(piece.find(kSpace, at), piece.size());
    out += piece.substr(at, found - at);
    if (found < piece.size()) out += ' ';
    at = found + kSpace.size();
  }
  return out;
}

// The library answers with a status, but a container in it may throw.
template <typename Call>
void call(std::string_view name, const Call& library) {
  std::string problem;
  try {
    const sentencepiece::util::Status status = library();
    if (status.ok()) return;
    problem = status.error_message();
  } catch (const std::exception& error) {
    problem = error.what();
  }
  throw Error("sentencepiece refuses the model: " + problem, std::string(name),
              "take the file again from where the model was published");
}

// The text as the model sees it, which are its pieces one after the other.
std::string normalized(const sentencepiece::SentencePieceProcessor& processor,
                       std::string_view name, std::string_view text) {
  sentencepiece::ImmutableSentencePieceText pieces;
  call(name, [&] { return processor.Encode(text, pieces.mutable_proto()); });
  std::string out;
  for (size_t i = 0; i < pieces.pieces_size(); ++i) {
    const auto piece = pieces.pieces(static_cast<int>(i));
    if (processor.IsByte(static_cast<int>(piece.id()))) {
      out += byte_of_name(piece.piece());
    } else {
      out += piece.piece();
    }
  }
  return utf8::is_valid(out) ? out : utf8::sanitize(out);
}

}  // namespace

struct SentencePiece::Library {
  std::string name;
  bool has_prefix = false, has_denormalizer = false;
  sentencepiece::SentencePieceProcessor as_trained, without_prefix;
};

SentencePiece::SentencePiece() = default;
SentencePiece::~SentencePiece() = default;
SentencePiece::SentencePiece(SentencePiece&&) noexcept = default;
SentencePiece& SentencePiece::operator=(SentencePiece&&) noexcept = default;

SentencePiece SentencePiece::parse(std::string_view bytes, std::string_view name) {
  const PieceModel model = PieceModel::parse(bytes, name);
  SentencePiece self;
  auto library = std::make_unique<Library>();
  library->name = name;
  library->has_prefix = model.rules.add_dummy_prefix;
  library->has_denormalizer = !model.denormalizer.charsmap.empty();
  call(name, [&] {
    return library->as_trained.LoadFromSerializedProto(model.written(library->has_prefix));
  });
  if (library->has_prefix) {
    call(name,
         [&] { return library->without_prefix.LoadFromSerializedProto(model.written(false)); });
  }
  for (const PieceModel::Piece& piece : model.pieces) {
    const auto id = static_cast<TokenId>(self.kinds_.size());
    if (self.lexicon_.find(piece.text) != kNoToken) {
      throw Error("two pieces are '" + std::string(piece.text.substr(0, 64)) + "'",
                  std::string(name), "take the file again from where the model was published");
    }
    self.lexicon_.add(piece.text, id);
    self.kinds_.push_back(piece.kind);
    if (piece.kind != PieceModel::Kind::control) continue;
    if (piece.text == model.bos) self.bos_ = id;
    if (piece.text == model.eos) self.eos_ = id;
    if (piece.text == model.pad) self.pad_ = id;
  }
  if (model.type == PieceModel::kUnigram) self.lattice_.emplace(model);
  self.unk_surface_ = model.unk_surface;
  self.drops_first_spaces_ = model.rules.remove_extra_whitespaces;
  self.drops_first_space_ = model.rules.add_dummy_prefix || self.drops_first_spaces_;
  self.library_ = std::move(library);
  return self;
}

void SentencePiece::encode(std::string_view text, Prefix prefix, std::vector<TokenId>& out) const {
  const bool plain = prefix == Prefix::none && library_->has_prefix;
  const auto& processor = plain ? library_->without_prefix : library_->as_trained;
  if (lattice_) return lattice_->encode(normalized(processor, library_->name, text), out);
  std::vector<int> ids;
  call(library_->name, [&] { return processor.Encode(text, &ids); });
  out.insert(out.end(), ids.begin(), ids.end());
}

std::string SentencePiece::decode(std::span<const TokenId> ids) const {
  std::string text;
  call(library_->name, [&] {
    return library_->as_trained.Decode(std::vector<int>(ids.begin(), ids.end()), &text);
  });
  return utf8::is_valid(text) ? text : utf8::sanitize(text);
}

bool SentencePiece::has_denormalizer() const { return library_->has_denormalizer; }

std::string SentencePiece::bytes_of(TokenId id) const {
  const std::string_view piece = lexicon_.key(id);
  if (kind(id) == PieceModel::Kind::byte) return std::string(1, byte_of_name(piece));
  return with_spaces(piece);
}

std::string SentencePiece::Stream::push(TokenId id) {
  if (model_->kind(id) != PieceModel::Kind::byte) {
    std::string text = flush();
    if (!text.empty() || space_seen_) at_begin_ = false;
    return text + shown(id);
  }
  bytes_ += byte_of_name(model_->lexicon_.key(id));
  const size_t held = utf8::incomplete_tail(bytes_);
  const std::string whole = bytes_.substr(0, bytes_.size() - held);
  bytes_.erase(0, whole.size());
  at_begin_ = at_begin_ && whole.empty();
  return utf8::replaced_bytes(whole);
}

std::string SentencePiece::Stream::shown(TokenId id) {
  std::string_view piece = model_->lexicon_.key(id);
  std::string text;
  space_seen_ = false;
  if (model_->kind(id) == PieceModel::Kind::unknown) {
    text = model_->unk_surface_;
  } else if (model_->kind(id) != PieceModel::Kind::control) {
    if (at_begin_ && model_->drops_first_space_ && piece.starts_with(kSpace)) {
      piece.remove_prefix(kSpace.size());
      space_seen_ = !model_->drops_first_spaces_;
    }
    text = with_spaces(piece);
  }
  if (!text.empty()) at_begin_ = false;
  return text;
}

std::string SentencePiece::Stream::push_text(std::string_view text) {
  std::string out = flush().append(text);
  if (!out.empty()) at_begin_ = false;
  return out;
}

std::string SentencePiece::Stream::flush() {
  if (!bytes_.empty()) at_begin_ = false;
  return utf8::replaced_bytes(std::exchange(bytes_, {}));
}

}  // namespace octavo::tokenizer
