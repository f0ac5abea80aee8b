#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "text/tokenizer/companions.h"

namespace octavo::tokenizer {

// Vocabularies of the time before tokenizer.json, written as the tokenizer.json that means the
// same, without added tokens and post-processor (apply_roles() gives those). What the vocabulary
// leaves open follows the tokenizer class. All throw Error for files that are no such vocabulary.

// vocab.json with the merges.txt beside it: byte-level BPE.
std::string document_of_merges(const std::filesystem::path& vocab, const Companions& companions);
// vocab.txt, one piece a line: WordPiece.
std::string document_of_pieces(const std::filesystem::path& vocab, const Companions& companions);
// Lines of a token in base64 and its rank, as tiktoken reads them.
std::string document_of_ranks(std::string_view bytes, const std::string& name,
                              const Companions& companions);
// Whether `bytes` begin as such lines do.
bool looks_like_ranks(std::string_view bytes);

}  // namespace octavo::tokenizer
