#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "text/tokenizer/document.h"
#include "text/tokenizer/lexicon.h"
#include "text/tokenizer/merges.h"

namespace octavo::tokenizer {

// Scratch of one encode() call, so that a word allocates nothing, and the words seen in it.
class BpeWorkspace {
 public:
  struct Candidate {
    uint32_t rank;
    int32_t at;
    TokenId merged;
  };
  struct Symbol {
    TokenId id;
    int32_t previous, next;  // -1: none
    bool alive;
  };
  // One line of cache: short words, few tokens.
  struct Known {
    static constexpr size_t kMaxBytes = 27, kMaxTokens = 8;
    uint8_t bytes = 0, count = 0;
    std::array<char, kMaxBytes> word;
    std::array<TokenId, kMaxTokens> ids;
  };

  // From here on words are remembered: worth it for long texts only.
  void remember_words() {
    if (known.empty()) known.resize(kKnownWords);
  }

  static constexpr size_t kKnownWords = 8192;  // a power of two; 512 KiB
  std::vector<Known> known;
  std::vector<TokenId> ids;
  std::vector<Merge> merges;
  std::vector<Symbol> symbols;
  std::vector<Candidate> heap;
};

// Byte-pair encoding (Sennrich et al., arXiv 1508.07909) with all the options of tokenizer.json.
class Bpe {
 public:
  // Throws Error for merges that name no token and for options of the wrong kind.
  static Bpe load(const Field& model, Alphabet alphabet);

  // Appends the ids of one word. REQUIRES: valid UTF-8 in the alphabet of characters. Linear in
  // practice, O(n log n) at worst.
  void encode(std::string_view word, BpeWorkspace& work, std::vector<TokenId>& out) const;

  const Lexicon& lexicon() const { return lexicon_; }

 private:
  // Whether a token's own text encodes to itself; found out when first met. Any thread may write:
  // all write the same.
  enum Whole : uint8_t { unknown, itself, parts };

  explicit Bpe(Alphabet alphabet) : lexicon_(alphabet) {}
  void load_merges(const Field& merges);
  void derive_merges(const Field& model);
  void find_boundary();
  void encode_word(std::string_view word, BpeWorkspace& work, std::vector<TokenId>& out) const;
  void encode_parts(std::string_view word, BpeWorkspace& work, std::vector<TokenId>& out) const;
  void split(std::string_view word, std::vector<TokenId>& ids) const;
  TokenId symbol(std::string_view unit, bool first, bool last) const;
  bool append_fallback(std::string_view unit, bool first, bool last,
                       std::vector<TokenId>& ids) const;
  void merge_short(BpeWorkspace& work) const;
  void merge_long(BpeWorkspace& work) const;
  void push_candidate(BpeWorkspace& work, int32_t at) const;

  Lexicon lexicon_;
  MergeTable merges_;
  std::array<TokenId, 256> byte_ids_{};      // of one-byte strings
  std::array<TokenId, 256> fallback_ids_{};  // of <0x00>...<0xFF>
  bool byte_fallback_ = false, fuse_unk_ = false, ignore_merges_ = false;
  bool plain_ = true;  // neither prefix nor suffix
  std::string prefix_, suffix_;
  TokenId unk_ = kNoToken;
  // No merge joins another character to this one after it, so that a text may be cut before it.
  std::string boundary_;
  Hash hash_;
  std::unique_ptr<std::atomic<uint8_t>[]> whole_;
};

}  // namespace octavo::tokenizer
