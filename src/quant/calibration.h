#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "octavo/tokens.h"

namespace octavo::quant {

struct CalibrationRequest {
  enum class Sampling : uint8_t {
    random,      // documents in an order that `seed` draws, a part of each long one
    sequential,  // from the beginning
  };

  // A .jsonl, .txt or .parquet file, a folder of those, or OWNER/NAME of a data set in the hub
  // cache. Empty: calibration.jsonl or calibration.txt of the model's own folder.
  std::string source = {};
  std::optional<int64_t> samples =
      {};  // by default up to kDefaultSamples, as many as the data give
  int64_t seq_len = 512;
  Sampling sampling = Sampling::random;
  uint64_t seed = 0;

  static constexpr int64_t kDefaultSamples = 128;
};

// What a quantizer runs the model on.
struct Calibration {
  std::vector<std::vector<TokenId>> samples;  // none empty, none longer than seq_len
  std::string source;                         // what it was read from
  int64_t documents = 0;                      // lines or pieces of text that went into it
  int64_t tokens() const;
};

// Lines of a .jsonl hold {"text"}, {"messages"} (through the model's chat template) or {"ids"}; a
// folder's files are read in the order of their names. Lines of ids are the samples, cut at
// seq_len. Texts are tokenized with the special tokens that the tokenizer adds and joined, and the
// stream is cut into samples of seq_len; its rest is dropped (as AWQ does, which however drops long
// documents whole). Memory is bounded whatever the size of the files; the result depends on files
// and request alone. Throws Error naming file and line for what is not as above or beyond `vocab`,
// and for data that make fewer samples than asked for.
Calibration read_calibration(const CalibrationRequest& request, const std::filesystem::path& model,
                             int64_t vocab);

}  // namespace octavo::quant
