#include "serve/test_model.h"

#include <nlohmann/json.hpp>
#include <string>

#include "base/utf8.h"
#include "serve/prompts.h"

namespace octavo::serve {
namespace {

// GPT-2's alphabet: printable bytes stand for themselves, the others for characters from U+0100.
std::string byte_name(int byte, int& next) {
  const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
  std::string name;
  utf8::append(name, static_cast<char32_t>(printable ? byte : next++));
  return name;
}

std::string tokenizer_json() {
  Json vocab;
  int next = 256;
  for (int byte = 0; byte < 256; ++byte) vocab[byte_name(byte, next)] = byte;
  Json json;
  json["version"] = "1.0";
  json["truncation"] = nullptr;
  json["padding"] = nullptr;
  json["added_tokens"] = Json::array({{{"id", 256},
                                       {"content", "<end>"},
                                       {"single_word", false},
                                       {"lstrip", false},
                                       {"rstrip", false},
                                       {"normalized", false},
                                       {"special", true}}});
  json["normalizer"] = nullptr;
  json["pre_tokenizer"] = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", true},
                           {"use_regex", false}};
  json["post_processor"] = nullptr;
  json["decoder"] = {{"type", "ByteLevel"},
                     {"add_prefix_space", true},
                     {"trim_offsets", true},
                     {"use_regex", true}};
  json["model"] = {{"type", "BPE"},
                   {"dropout", nullptr},
                   {"unk_token", nullptr},
                   {"continuing_subword_prefix", nullptr},
                   {"end_of_word_suffix", nullptr},
                   {"fuse_unk", false},
                   {"byte_fallback", false},
                   {"vocab", std::move(vocab)},
                   {"merges", Json::array()}};
  return json.dump();
}

}  // namespace

std::shared_ptr<ServedModel> test_model() {
  auto model = std::make_shared<ServedModel>(
      ServedModel{.names = {"test", "alias"},
                  .root = "test",
                  .created = 1,
                  .tokenizer = Tokenizer::from_json(tokenizer_json(), "test tokenizer"),
                  .render = render_plain});
  model->limits.vocab = 257;
  model->limits.max_model_len = 128;
  return model;
}

}  // namespace octavo::serve
