# tokenizer.json: sources of src/text/tokenizer, relative to src/text.
find_package(PkgConfig REQUIRED)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(simdjson REQUIRED IMPORTED_TARGET simdjson)

set(TOKENIZER_SOURCES
  tokenizer/added_tokens.cc
  tokenizer/bpe.cc
  tokenizer/byte_level.cc
  tokenizer/charsmap.cc
  tokenizer/decoder.cc
  tokenizer/detokenizer.cc
  tokenizer/document.cc
  tokenizer/lexicon.cc
  tokenizer/matcher.cc
  tokenizer/merges.cc
  tokenizer/model.cc
  tokenizer/normal_form.cc
  tokenizer/normalizer.cc
  tokenizer/pattern.cc
  tokenizer/post_processor.cc
  tokenizer/pre_tokenizer.cc
  tokenizer/regex.cc
  tokenizer/scanner.cc
  tokenizer/tokenizer.cc
  tokenizer/unicode.cc
  tokenizer/unicode_data.cc
  tokenizer/unigram.cc
  tokenizer/vocabulary.cc
  tokenizer/word_piece.cc)

set(TOKENIZER_TESTS
  tokenizer/hostile_file_test.cc
  tokenizer/pattern_test.cc
  tokenizer/tokenizer_test.cc)

set(TOKENIZER_SYSTEM PkgConfig::simdjson PkgConfig::pcre2 PkgConfig::utf8proc)
