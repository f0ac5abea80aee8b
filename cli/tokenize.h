#pragma once

#include <filesystem>
#include <iosfwd>

namespace octavo::cli {

struct TokenizeOptions {
  std::filesystem::path model;  // a directory with tokenizer files, or a tokenizer.json
  bool special = false;         // add what the post-processor adds
  bool decode = false;          // ids to text instead of text to ids
  bool skip_special = false;    // with `decode`: leave special tokens out
};

// JSONL {"text": ...} to {"ids": ...}, or with `decode` the other way. Returns the exit status;
// throws Error naming the line for what it cannot read.
int tokenize_command(const TokenizeOptions& options, std::istream& in, std::ostream& out);

}  // namespace octavo::cli
