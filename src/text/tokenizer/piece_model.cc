#include "text/tokenizer/piece_model.h"

#include <cmath>

#include "base/check.h"
#include "base/utf8.h"
#include "octavo/error.h"
#include "text/tokenizer/compiled_map.h"
#include "text/tokenizer/wire.h"

namespace octavo::tokenizer {

namespace {

constexpr size_t kMaxPieces = size_t{1} << 22;
constexpr size_t kMaxPieceBytes = 4096;
constexpr size_t kMaxTextBytes = size_t{32} << 20;  // of all pieces: each costs some 40 bytes more

// Numbers of the fields in sentencepiece_model.proto.
struct ModelField {
  static constexpr uint32_t kPiece = 1, kTrainer = 2, kNormalizer = 3, kDenormalizer = 5;
};
struct PieceField {
  static constexpr uint32_t kText = 1, kScore = 2, kKind = 3;
};
struct TrainerField {
  static constexpr uint32_t kType = 3, kSuffix = 24, kByteFallback = 35, kSurface = 44, kUnk = 45,
                            kBos = 46, kEos = 47, kPad = 48;
};
struct RulesField {
  static constexpr uint32_t kMap = 2, kPrefix = 3, kExtraSpaces = 4, kEscape = 5;
};

using Kind = WireField::Kind;

// Whether this is "<0x00>" to "<0xFF>".
bool is_byte_name(std::string_view text) {
  const auto digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return text.size() == 6 && text.starts_with("<0x") && text[5] == '>' && digit(text[3]) &&
         digit(text[4]);
}

class Parser {
 public:
  explicit Parser(std::string_view name) : name_(name) {}

  PieceModel parse(std::string_view bytes) {
    each_field(bytes, [&](const WireField& field) {
      if (field.kind != Kind::bytes) return;
      if (field.number == ModelField::kPiece) {
        if (model_.pieces.size() >= kMaxPieces) fail("more than 2^22 pieces");
        model_.pieces.push_back(piece(field.bytes));
        bytes_ += model_.pieces.back().text.size();
        if (bytes_ > kMaxTextBytes) fail("pieces of more than 32 MiB in all");
      }
      if (field.number == ModelField::kTrainer) trainer(field.bytes);
      if (field.number == ModelField::kNormalizer) rules(field.bytes, model_.rules);
      if (field.number == ModelField::kDenormalizer) rules(field.bytes, model_.denormalizer);
    });
    if (model_.pieces.empty()) fail("holds no pieces");
    return std::move(model_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error("not a usable sentencepiece model: " + problem, name_,
                "take the file again from where the model was published");
  }

  template <typename Use>
  void each_field(std::string_view message, const Use& use) const {
    WireReader reader(message);
    while (const auto field = reader.next()) use(*field);
    if (reader.broken()) fail("broken protocol buffer");
  }

  std::string_view text(const WireField& field) const {
    const bool good = field.kind == Kind::bytes && field.bytes.size() <= kMaxPieceBytes &&
                      utf8::is_valid(field.bytes);
    if (!good) fail("a text in it is too long or not UTF-8");
    return field.bytes;
  }

  PieceModel::Piece piece(std::string_view message) const {
    PieceModel::Piece piece;
    each_field(message, [&](const WireField& field) {
      if (field.number == PieceField::kText) piece.text = text(field);
      if (field.number == PieceField::kScore && field.kind == Kind::fixed32) {
        piece.score = field.real();
      }
      if (field.number == PieceField::kKind && field.kind == Kind::varint) {
        if (field.value < 1 || field.value > 6) fail("a piece of a kind that is not known");
        piece.kind = static_cast<PieceModel::Kind>(field.value);
      }
    });
    if (!std::isfinite(piece.score)) fail("a score that is not finite");
    const bool byte = piece.kind == PieceModel::Kind::byte;
    if (byte && !is_byte_name(piece.text)) fail("a byte piece that names no byte");
    return piece;
  }

  void trainer(std::string_view message) {
    each_field(message, [&](const WireField& field) {
      if (field.number == TrainerField::kType) model_.type = field.value;
      if (field.number == TrainerField::kSuffix) model_.whitespace_as_suffix = field.value != 0;
      if (field.number == TrainerField::kByteFallback) model_.byte_fallback = field.value != 0;
      if (field.number == TrainerField::kSurface) model_.unk_surface = text(field);
      if (field.number == TrainerField::kUnk) model_.unk = text(field);
      if (field.number == TrainerField::kBos) model_.bos = text(field);
      if (field.number == TrainerField::kEos) model_.eos = text(field);
      if (field.number == TrainerField::kPad) model_.pad = text(field);
    });
    if (model_.type < 1 || model_.type > 4) fail("a type of model that is not known");
  }

  void rules(std::string_view message, PieceModel::Rules& rules) const {
    each_field(message, [&](const WireField& field) {
      if (field.number == RulesField::kMap && field.kind == Kind::bytes) {
        rules.charsmap = field.bytes;
      }
      if (field.number == RulesField::kPrefix) rules.add_dummy_prefix = field.value != 0;
      if (field.number == RulesField::kExtraSpaces) {
        rules.remove_extra_whitespaces = field.value != 0;
      }
      if (field.number == RulesField::kEscape) rules.escape_whitespaces = field.value != 0;
    });
    const char* fault = rules.charsmap.empty() ? nullptr : fault_of_compiled_map(rules.charsmap);
    if (fault) fail(std::string("its character map ") + fault);
  }

  std::string name_;
  PieceModel model_;
  size_t bytes_ = 0;  // of the pieces' texts
};

std::string written_rules(const PieceModel::Rules& rules, bool add_dummy_prefix) {
  WireWriter out;
  if (!rules.charsmap.empty()) out.bytes(RulesField::kMap, rules.charsmap);
  out.varint(RulesField::kPrefix, add_dummy_prefix);
  out.varint(RulesField::kExtraSpaces, rules.remove_extra_whitespaces);
  out.varint(RulesField::kEscape, rules.escape_whitespaces);
  return out.message();
}

}  // namespace

char byte_of_name(std::string_view text) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'A' + 10; };
  OCTAVO_CHECK(is_byte_name(text));
  return static_cast<char>(digit(text[3]) * 16 + digit(text[4]));
}

PieceModel PieceModel::parse(std::string_view bytes, std::string_view name) {
  return Parser(name).parse(bytes);
}

std::string PieceModel::written(bool add_dummy_prefix) const {
  WireWriter out;
  for (size_t id = 0; id < pieces.size(); ++id) {
    const Piece& piece = pieces[id];
    // The current version of the library takes the piece "\0" for unused; older ones do not, and
    // some break on it. Text is UTF-8, so it never has the name given here.
    const bool unreachable = piece.text.find('\0') != piece.text.npos;
    WireWriter entry;
    entry.bytes(PieceField::kText, unreachable ? "\xFF" + std::to_string(id) : piece.text);
    entry.real(PieceField::kScore, piece.score);
    entry.varint(PieceField::kKind, static_cast<uint64_t>(piece.kind));
    out.bytes(ModelField::kPiece, entry.message());
  }
  WireWriter trainer;
  trainer.varint(TrainerField::kType, type);
  trainer.varint(TrainerField::kSuffix, whitespace_as_suffix);
  trainer.varint(TrainerField::kByteFallback, byte_fallback);
  trainer.bytes(TrainerField::kSurface, unk_surface);
  trainer.bytes(TrainerField::kUnk, unk);
  trainer.bytes(TrainerField::kBos, bos);
  trainer.bytes(TrainerField::kEos, eos);
  trainer.bytes(TrainerField::kPad, pad);
  out.bytes(ModelField::kTrainer, trainer.message());
  out.bytes(ModelField::kNormalizer, written_rules(rules, add_dummy_prefix));
  if (!denormalizer.charsmap.empty()) {
    out.bytes(ModelField::kDenormalizer,
              written_rules(denormalizer, denormalizer.add_dummy_prefix));
  }
  return out.message();
}

}  // namespace octavo::tokenizer
