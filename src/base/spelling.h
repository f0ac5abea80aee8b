#pragma once

#include <span>
#include <string>
#include <string_view>

namespace octavo {

// The word that `text` was most likely meant to be: the one of `words` with the fewest changed
// letters, if those are at most a third of it; else empty. Ends early for long texts.
std::string_view closest_word(std::string_view text, std::span<const std::string_view> words);

// `did you mean "bits"? ` where there is a closest word, else nothing.
std::string did_you_mean(std::string_view text, std::span<const std::string_view> words);

}  // namespace octavo
