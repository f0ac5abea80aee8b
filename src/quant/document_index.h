#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "quant/draw.h"

namespace octavo::quant {

// Where one document lies.
struct Document {
  uint64_t offset = 0;
  uint64_t line = 0;  // of its beginning, from 1
  uint32_t bytes = 0;
  uint32_t file = 0;
};

// Which documents are kept.
struct IndexLimits {
  enum class Keep : uint8_t {
    first,   // those at the beginning: enough_bytes and enough_documents of them
    sample,  // an even sample of all (reservoir; Vitter 1985, algorithm R)
  };
  Keep keep = Keep::sample;
  size_t max_documents = size_t{1} << 20;
  uint64_t enough_bytes = UINT64_MAX;
  size_t enough_documents = 0;
  uint64_t seed = 0;
};

// The documents of text files of any size, found by one pass in bounded memory: lines of a .jsonl
// that are not blank; pieces of a .txt, cut at the first blank line after kPieceBytes, else at the
// first line's end after half of kLongestPiece, else there and then.
class DocumentIndex {
 public:
  enum class Form : uint8_t { lines, text };
  static constexpr uint32_t kPieceBytes = 4096, kLongestPiece = 1 << 16;
  static constexpr uint32_t kLongestLine = uint32_t{64} << 20;

  explicit DocumentIndex(const IndexLimits& limits) : limits_(limits), draw_(limits.seed) {}

  // `name` stands for the file in errors. Throws Error for a line beyond kLongestLine.
  void add(File file, Form form, std::string name);

  // In the order of the files, but for what a full reservoir replaced.
  const std::vector<Document>& documents() const { return documents_; }
  Form form(const Document& document) const { return files_[document.file].form; }
  // The bytes of at most `most` of a document from `begin` on, whole characters of UTF-8.
  std::string read(const Document& document, uint64_t begin = 0, uint64_t most = UINT64_MAX) const;
  // "FILE, line 3"
  std::string where(const Document& document) const;

 private:
  struct Source {
    File file;
    Form form;
    std::string name;
  };
  class Scan;
  bool full() const;
  void keep(const Document& document);

  IndexLimits limits_;
  Draw draw_;
  std::vector<Source> files_;
  std::vector<Document> documents_;
  uint64_t seen_ = 0, bytes_ = 0;
};

}  // namespace octavo::quant
