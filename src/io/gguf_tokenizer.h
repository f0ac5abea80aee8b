#pragma once

#include <string>

#include "io/gguf_metadata.h"

namespace octavo {

// The tokenizer.json that a GGUF file's metadata amount to: byte-level BPE ("gpt2"), or the BPE of
// sentencepiece with its merges worked out from the scores ("llama"). Throws Error naming the key
// for what is missing or of another kind.
std::string gguf_tokenizer_json(const GgufMetadata& metadata);

// The tokenizer_config.json: names of special tokens and the chat templates.
std::string gguf_tokenizer_config(const GgufMetadata& metadata);

}  // namespace octavo
