# tokenizer.json: sources of src/text/tokenizer, relative to src/text.
find_package(PkgConfig REQUIRED)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(simdjson REQUIRED IMPORTED_TARGET simdjson)

# Debian's pkg-config file names the library for training too, which is not needed.
find_path(SENTENCEPIECE_INCLUDE sentencepiece_processor.h REQUIRED)
find_library(SENTENCEPIECE_LIBRARY sentencepiece REQUIRED)

set(TOKENIZER_SOURCES
  tokenizer/added_tokens.cc
  tokenizer/base64.cc
  tokenizer/bpe.cc
  tokenizer/byte_level.cc
  tokenizer/charsmap.cc
  tokenizer/companions.cc
  tokenizer/compiled_map.cc
  tokenizer/decoder.cc
  tokenizer/detokenizer.cc
  tokenizer/document.cc
  tokenizer/files.cc
  tokenizer/lexicon.cc
  tokenizer/matcher.cc
  tokenizer/merges.cc
  tokenizer/model.cc
  tokenizer/normal_form.cc
  tokenizer/normalizer.cc
  tokenizer/old_forms.cc
  tokenizer/pattern.cc
  tokenizer/piece_lattice.cc
  tokenizer/piece_model.cc
  tokenizer/post_processor.cc
  tokenizer/pre_tokenizer.cc
  tokenizer/regex.cc
  tokenizer/roles.cc
  tokenizer/scanner.cc
  tokenizer/scripts.cc
  tokenizer/scripts_data.cc
  tokenizer/sentencepiece.cc
  tokenizer/tokenizer.cc
  tokenizer/unicode.cc
  tokenizer/unicode_data.cc
  tokenizer/unigram.cc
  tokenizer/vocabulary.cc
  tokenizer/wire.cc
  tokenizer/word_piece.cc)

set(TOKENIZER_TESTS
  tokenizer/hostile_file_test.cc
  tokenizer/old_forms_test.cc
  tokenizer/pattern_test.cc
  tokenizer/sentencepiece_test.cc
  tokenizer/tokenizer_test.cc)

set(TOKENIZER_SYSTEM PkgConfig::simdjson PkgConfig::pcre2 PkgConfig::utf8proc)
list(APPEND TOKENIZER_SYSTEM ${SENTENCEPIECE_LIBRARY})
