#include "text/tokenizer/files.h"

#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "octavo/error.h"
#include "text/tokenizer/companions.h"
#include "text/tokenizer/document.h"
#include "text/tokenizer/old_forms.h"
#include "text/tokenizer/roles.h"

namespace octavo::tokenizer {

namespace {

using Path = std::filesystem::path;

constexpr uint64_t kMaxConfigBytes = uint64_t{32} << 20;
constexpr uint64_t kMaxModelBytes = uint64_t{256} << 20;
constexpr const char* kPieceFiles[] = {"tokenizer.model", "spiece.model", "sentencepiece.bpe.model",
                                       "spm.model"};

std::shared_ptr<Tokenizer::Impl> load_document(const Path& file) {
  const Document document(file);
  auto impl = std::make_shared<Tokenizer::Impl>(document.root());
  const auto config = file.parent_path() / "tokenizer_config.json";
  if (std::filesystem::exists(config)) {
    impl->name_tokens(
        parse_json(read_file(config, kMaxConfigBytes), config.string(), kConfigLimits));
  }
  return impl;
}

// A vocabulary that `document` writes as a tokenizer.json.
template <typename Write>
std::shared_ptr<Tokenizer::Impl> load_old(const Path& file, std::string usual_class,
                                          const Write& document) {
  const Companions companions = Companions::read(file.parent_path(), std::move(usual_class));
  const Document parsed(document(companions), file.string());
  auto impl = std::make_shared<Tokenizer::Impl>(parsed.root());
  apply_roles(companions, file, *impl);
  return impl;
}

std::shared_ptr<Tokenizer::Impl> load_ranks(const Path& file, const std::string& bytes) {
  const std::string kind = file.filename() == "qwen.tiktoken" ? "QWenTokenizer" : "";
  return load_old(file, kind, [&](const Companions& companions) {
    return document_of_ranks(bytes, file.string(), companions);
  });
}

// A tokenizer.model is one of sentencepiece or, for some models, one of tiktoken.
std::shared_ptr<Tokenizer::Impl> load_model_file(const Path& file) {
  const std::string bytes = read_file(file, kMaxModelBytes);
  if (looks_like_ranks(bytes)) return load_ranks(file, bytes);
  const Companions companions = Companions::read(file.parent_path(), "");
  auto impl = std::make_shared<Tokenizer::Impl>(Model(SentencePiece::parse(bytes, file.string())));
  apply_roles(companions, file, *impl);
  return impl;
}

// The vocabulary of an older form in `dir`; empty: none.
Path vocabulary_in(const Path& dir) {
  for (const char* name : kPieceFiles) {
    if (std::filesystem::exists(dir / name)) return dir / name;
  }
  std::vector<Path> ranks;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) {
    if (entry.path().extension() == ".tiktoken") ranks.push_back(entry.path());
  }
  if (ranks.size() == 1) return ranks[0];
  const bool merges = std::filesystem::exists(dir / "merges.txt");
  if (merges && std::filesystem::exists(dir / "vocab.json")) return dir / "vocab.json";
  if (std::filesystem::exists(dir / "vocab.txt")) return dir / "vocab.txt";
  return {};
}

}  // namespace

Path find_files(const Path& directory) {
  const Path whole = directory / "tokenizer.json";
  return std::filesystem::exists(whole) ? whole : vocabulary_in(directory);
}

std::shared_ptr<const Tokenizer::Impl> load_files(const Path& dir_or_file) {
  Path file = dir_or_file;
  if (std::filesystem::is_directory(file)) {
    file = find_files(dir_or_file);
    if (file.empty()) {
      throw Error("no tokenizer.json, tokenizer.model, *.tiktoken, vocab.json or vocab.txt",
                  dir_or_file.string(), "put the model's tokenizer files there");
    }
  }
  if (file.extension() == ".model") return load_model_file(file);
  if (file.extension() == ".tiktoken") return load_ranks(file, read_file(file, kMaxModelBytes));
  if (file.filename() == "vocab.json") {
    return load_old(file, "GPT2Tokenizer", [&](const Companions& companions) {
      return document_of_merges(file, companions);
    });
  }
  if (file.extension() == ".txt") {
    return load_old(file, "BertTokenizer", [&](const Companions& companions) {
      return document_of_pieces(file, companions);
    });
  }
  return load_document(file);
}

}  // namespace octavo::tokenizer
