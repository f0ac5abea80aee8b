#pragma once

#include <filesystem>

#include "text/tokenizer/companions.h"
#include "text/tokenizer/tokenizer_impl.h"

namespace octavo::tokenizer {

// Gives a tokenizer that was made of a vocabulary what the files beside it say: added tokens, the
// names of BOS, EOS and padding, and what stands before and behind a text. What they leave open
// follows the conventions of the tokenizer class. `file` is the vocabulary, for errors.
void apply_roles(const Companions& companions, const std::filesystem::path& file,
                 Tokenizer::Impl& impl);

}  // namespace octavo::tokenizer
