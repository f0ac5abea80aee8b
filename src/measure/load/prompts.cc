#include "measure/load/prompts.h"

#include <algorithm>
#include <cmath>
#include <string_view>

namespace octavo::measure {
namespace {

constexpr int64_t kTraceBlock = 512;  // tokens that an id of Mooncake's stands for
constexpr size_t kMostWords = 20000;

// Short plain words, which most tokenizers have as one token each.
std::vector<std::string> plain_words() {
  std::vector<std::string> words;
  for (const char* word :
       {"the",  "river", "stone", "house", "night", "water", "light", "green", "small", "year",
        "hand", "world", "point", "table", "paper", "music", "story", "field", "cloud", "bread"})
    words.push_back(" " + std::string(word));
  return words;
}

bool is_word(std::string_view text) {
  return text.size() > 1 && text[0] == ' ' &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= 'a' && c <= 'z'; });
}

// Words that stay one token wherever they stand among others; letters alone are some, too.
std::vector<std::string> words_of(const Tokenizer& tokenizer) {
  std::vector<std::string> words;
  const size_t alone = tokenizer.encode(" a a").size();
  for (int64_t id = 0; id < tokenizer.vocab_size() && words.size() < kMostWords; ++id) {
    const auto token = static_cast<TokenId>(id);
    if (tokenizer.is_special(token)) continue;
    std::string text = tokenizer.token_bytes(token);
    if (is_word(text) && tokenizer.encode(" a" + text + " a").size() == alone + 1)
      words.push_back(std::move(text));
  }
  return words.size() < 16 ? plain_words() : words;
}

int64_t bounded(int64_t tokens, int64_t most) {
  return std::max<int64_t>(1, most > 0 ? std::min(tokens, most) : tokens);
}

}  // namespace

PromptMaker::PromptMaker(std::optional<Tokenizer> tokenizer, uint64_t seed)
    : tokenizer_(std::move(tokenizer)), seed_(seed), random_(seed) {
  words_ = tokenizer_ ? words_of(*tokenizer_) : plain_words();
}

PromptMaker::Pieces PromptMaker::draw(int64_t count, std::mt19937_64& random) const {
  std::uniform_int_distribution<size_t> word(0, words_.size() - 1);
  Pieces pieces;
  pieces.reserve(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) pieces.push_back(static_cast<int64_t>(word(random)));
  return pieces;
}

LoadPrompt PromptMaker::prompt(const Pieces& pieces, int64_t output_tokens) const {
  LoadPrompt made;
  for (const int64_t piece : pieces) made.text += words_[static_cast<size_t>(piece)];
  made.input_tokens = static_cast<int64_t>(pieces.size());
  made.output_tokens = output_tokens;
  if (tokenizer_) {
    made.ids = tokenizer_->encode(made.text, Tokenizer::Specials::add);
    made.input_tokens = static_cast<int64_t>(made.ids.size());
  }
  return made;
}

int64_t PromptMaker::length(int64_t wanted, double ratio) {
  const auto spread = static_cast<int64_t>(std::llround(ratio * static_cast<double>(wanted)));
  std::uniform_int_distribution<int64_t> draw(wanted - spread, wanted + spread);
  return std::max<int64_t>(1, draw(random_));
}

std::vector<LoadPrompt> PromptMaker::random(const PromptOptions& o) {
  std::vector<LoadPrompt> prompts;
  const Pieces prefix = draw(o.prefix_len, random_);
  for (int64_t i = 0; i < o.num_prompts; ++i) {
    Pieces pieces = prefix;
    const Pieces own =
        draw(bounded(length(o.input_len, o.range_ratio), o.max_input_tokens), random_);
    pieces.insert(pieces.end(), own.begin(), own.end());
    prompts.push_back(
        prompt(pieces, bounded(length(o.output_len, o.range_ratio), o.max_output_tokens)));
  }
  return prompts;
}

std::vector<LoadPrompt> PromptMaker::prefix_repetition(const PromptOptions& o) {
  std::vector<LoadPrompt> prompts;
  const int64_t kinds = std::max<int64_t>(1, std::min(o.num_prefixes, o.num_prompts));
  std::vector<Pieces> prefixes;
  for (int64_t i = 0; i < kinds; ++i) prefixes.push_back(draw(o.repeated_prefix_len, random_));
  for (int64_t i = 0; i < o.num_prompts; ++i) {
    Pieces pieces = prefixes[static_cast<size_t>(i % kinds)];
    const Pieces suffix = draw(o.suffix_len, random_);
    pieces.insert(pieces.end(), suffix.begin(), suffix.end());
    prompts.push_back(prompt(pieces, o.repeated_output_len));
  }
  std::ranges::shuffle(prompts, random_);
  return prompts;
}

std::vector<LoadPrompt> PromptMaker::sharegpt(const std::vector<Exchange>& exchanges,
                                              const PromptOptions& o) {
  std::vector<Exchange> order = exchanges;
  std::ranges::shuffle(order, random_);
  std::vector<LoadPrompt> prompts;
  // A file of fewer conversations than requests is gone through again.
  for (int64_t i = 0; i < o.num_prompts; ++i) {
    const Exchange& exchange = order[static_cast<size_t>(i) % order.size()];
    LoadPrompt made{.text = exchange.prompt, .ids = {}};
    const auto words = [](const std::string& text) {
      return 1 + static_cast<int64_t>(std::ranges::count(text, ' '));
    };
    if (tokenizer_) made.ids = tokenizer_->encode(made.text, Tokenizer::Specials::add);
    made.input_tokens = tokenizer_ ? static_cast<int64_t>(made.ids.size()) : words(exchange.prompt);
    made.output_tokens = o.sharegpt_output_len > 0 ? o.sharegpt_output_len
                         : tokenizer_
                             ? static_cast<int64_t>(tokenizer_->encode(exchange.answer).size())
                             : words(exchange.answer);
    made.output_tokens = bounded(made.output_tokens, o.max_output_tokens);
    if (o.max_input_tokens == 0 || made.input_tokens <= o.max_input_tokens)
      prompts.push_back(std::move(made));
  }
  return prompts;
}

std::vector<LoadPrompt> PromptMaker::trace(const std::vector<TraceRow>& rows,
                                           const PromptOptions& o) {
  const auto scaled = [&](int64_t tokens, int64_t most) {
    return bounded(std::llround(static_cast<double>(tokens) * o.trace_scale), most);
  };
  const int64_t block = scaled(kTraceBlock, 0);
  std::vector<LoadPrompt> prompts;
  for (const TraceRow& row : rows) {
    const int64_t wanted = scaled(row.input_tokens, o.max_input_tokens);
    Pieces pieces;
    for (const int64_t id : row.blocks) {
      if (static_cast<int64_t>(pieces.size()) >= wanted) break;
      std::mt19937_64 own(seed_ ^ (static_cast<uint64_t>(id) * 0x9E3779B97F4A7C15u));
      const Pieces text = draw(block, own);
      pieces.insert(pieces.end(), text.begin(), text.end());
    }
    pieces.resize(
        static_cast<size_t>(std::min<int64_t>(wanted, static_cast<int64_t>(pieces.size()))));
    const Pieces rest = draw(wanted - static_cast<int64_t>(pieces.size()), random_);
    pieces.insert(pieces.end(), rest.begin(), rest.end());
    prompts.push_back(prompt(pieces, scaled(row.output_tokens, o.max_output_tokens)));
    prompts.back().at_s = row.at_s;
  }
  return prompts;
}

}  // namespace octavo::measure
