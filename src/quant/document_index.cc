#include "quant/document_index.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "octavo/error.h"

namespace octavo::quant {
namespace {

constexpr uint64_t kChunkBytes = uint64_t{1} << 20;
constexpr uint64_t kLongestCharacter = 4;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }
bool continues_character(char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; }

}  // namespace

// One pass over a file: finds the ends of lines and makes documents of them.
class DocumentIndex::Scan {
 public:
  Scan(DocumentIndex& index, uint32_t file) : index_(index), source_(index.files_[file]) {
    open_.file = file;
    open_.line = 1;
  }

  void run() {
    std::string chunk;
    const uint64_t size = source_.file.size_bytes();
    for (uint64_t at = 0; at < size && !index_.full(); at += chunk.size()) {
      chunk.resize(std::min(kChunkBytes, size - at));
      source_.file.read(at, std::as_writable_bytes(std::span(chunk)));
      scan(chunk, at);
    }
    if (!index_.full()) close(size);
  }

 private:
  void scan(std::string_view chunk, uint64_t at) {
    size_t begin = 0;
    while (begin < chunk.size() && !index_.full()) {
      const size_t found = chunk.find('\n', begin);
      const bool ended = found != std::string_view::npos;
      const size_t end = ended ? found + 1 : chunk.size();
      line_blank_ =
          line_blank_ && std::all_of(chunk.begin() + static_cast<std::ptrdiff_t>(begin),
                                     chunk.begin() + static_cast<std::ptrdiff_t>(end), is_blank);
      begin = take(at + end, ended) - at;
    }
  }

  // The bytes up to `end` belong to the open line, which ends there where `ended`. Returns where to
  // go on: earlier than `end` where a long text was cut.
  uint64_t take(uint64_t end, bool ended) {
    if (source_.form == Form::lines && end - open_.offset > kLongestLine)
      throw Error("line of more than 64 MiB", index_.where(open_), "split it into documents");
    if (!line_blank_) open_blank_ = false;
    if (source_.form == Form::text && end - open_.offset > kLongestPiece) {
      const uint64_t cut = open_.offset + kLongestPiece;
      close(cut);
      return cut;
    }
    if (!ended) return end;
    ++line_;
    const uint64_t bytes = end - open_.offset;
    const bool piece = (line_blank_ && bytes >= kPieceBytes) || bytes >= kLongestPiece / 2;
    line_blank_ = true;
    if (source_.form == Form::lines || piece) close(end);
    return end;
  }

  void close(uint64_t end) {
    if (end > open_.offset && !open_blank_) {
      open_.bytes = static_cast<uint32_t>(end - open_.offset);
      index_.keep(open_);
    }
    open_.offset = end;
    open_.line = line_;
    open_blank_ = true;
  }

  DocumentIndex& index_;
  const Source& source_;
  Document open_;  // begins at offset, its end is not known yet
  bool open_blank_ = true, line_blank_ = true;
  uint64_t line_ = 1;
};

void DocumentIndex::add(File file, Form form, std::string name) {
  files_.push_back({std::move(file), form, std::move(name)});
  Scan(*this, static_cast<uint32_t>(files_.size() - 1)).run();
}

bool DocumentIndex::full() const {
  const size_t count = documents_.size();
  const bool enough = bytes_ >= limits_.enough_bytes && count >= limits_.enough_documents;
  return limits_.keep == IndexLimits::Keep::first && (enough || count >= limits_.max_documents);
}

void DocumentIndex::keep(const Document& document) {
  ++seen_;
  bytes_ += document.bytes;
  if (documents_.size() < limits_.max_documents) {
    documents_.push_back(document);
    return;
  }
  const uint64_t place = draw_.below(seen_);
  if (place < documents_.size()) documents_[place] = document;
}

std::string DocumentIndex::read(const Document& document, uint64_t begin, uint64_t most) const {
  const File& file = files_[document.file].file;
  begin = std::min<uint64_t>(begin, document.bytes);
  const uint64_t bytes = std::min<uint64_t>(most, document.bytes - begin),
                 from = document.offset + begin;
  // A cut may have hit the middle of a character: it belongs to the part where it begins.
  const uint64_t more = std::min(kLongestCharacter - 1, file.size_bytes() - from - bytes);
  std::string text(bytes + more, '\0');
  file.read(from, std::as_writable_bytes(std::span(text)));
  size_t end = bytes;
  while (end < text.size() && continues_character(text[end])) ++end;
  text.resize(end);
  size_t start = 0;
  while (start < std::min<size_t>(text.size(), kLongestCharacter - 1) &&
         continues_character(text[start]))
    ++start;
  return text.substr(start);
}

std::string DocumentIndex::where(const Document& document) const {
  return files_[document.file].name + ", line " + std::to_string(document.line);
}

}  // namespace octavo::quant
