#include "text/tokenizer/post_processor.h"

namespace octavo::tokenizer {

namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxParts = 1024;

TokenId read_id(const Field& field) { return static_cast<TokenId>(field.integer(0, INT32_MAX)); }

}  // namespace

PostProcessor PostProcessor::load(const Field& field) {
  PostProcessor processor;
  processor.load_step(field, 0);
  return processor;
}

PostProcessor PostProcessor::around(std::vector<TokenId> before, std::vector<TokenId> after) {
  PostProcessor processor;
  processor.steps_.push_back({{false, std::move(before)}, {true, {}}, {false, std::move(after)}});
  return processor;
}

void PostProcessor::load_step(const Field& field, int depth) {
  const std::string_view type = field.type();
  if (type == "Sequence") {
    if (depth >= kMaxDepth) field.fail("sequences are nested too deep");
    const Field list = field.at("processors");
    size_t index = 0;
    for (const auto entry : list.array()) load_step(list.element(entry, index++), depth + 1);
    if (steps_.size() > 8) field.fail("more than 8 post-processors");
  } else if (type == "TemplateProcessing") {
    steps_.push_back(load_template(field));
  } else if (type == "BertProcessing" || type == "RobertaProcessing") {
    steps_.push_back(load_pair(field));
  } else if (type != "ByteLevel") {  // that one trims offsets only
    field.fail("post-processor '" + std::string(type) + "' is not supported");
  }
}

PostProcessor::SpecialIds PostProcessor::load_special_ids(const Field& field) {
  SpecialIds special;
  const auto found = field.find("special_tokens");
  if (!found) return special;
  for (const auto [name, value] : found->object()) {
    const Field list = found->at(name).at("ids");
    size_t index = 0;
    for (const auto id : list.array()) {
      if (index >= kMaxParts) list.fail("more than 1024 ids");
      special[std::string(name)].push_back(read_id(list.element(id, index++)));
    }
  }
  return special;
}

PostProcessor::Parts PostProcessor::load_template(const Field& field) {
  const SpecialIds special = load_special_ids(field);
  Parts parts;
  const Field single = field.at("single");
  size_t index = 0, texts = 0;
  for (const auto entry : single.array()) {
    const Field piece = single.element(entry, index++);
    if (index > kMaxParts) single.fail("more than 1024 parts");
    if (piece.find("Sequence")) {
      parts.push_back({true, {}});
      if (++texts > 4) single.fail("the text stands in it more than 4 times");
      continue;
    }
    const Field token = piece.at("SpecialToken").at("id");
    const auto known = special.find(token.text());
    if (known == special.end()) token.fail("token is not among special_tokens");
    parts.push_back({false, known->second});
  }
  return parts;
}

PostProcessor::Parts PostProcessor::load_pair(const Field& field) {
  const auto id = [&](std::string_view key) {
    const Field pair = field.at(key);
    const simdjson::dom::array entries = pair.array();
    simdjson::dom::element second;
    if (entries.size() != 2 || entries.at(1).get(second) != simdjson::SUCCESS) {
      pair.fail("not a token with its id");
    }
    return read_id(pair.element(second, 1));
  };
  return {{false, {id("cls")}}, {true, {}}, {false, {id("sep")}}};
}

std::vector<TokenId> PostProcessor::apply(std::vector<TokenId> ids, bool add_specials) const {
  for (const Parts& parts : steps_) {
    std::vector<TokenId> out;
    out.reserve(ids.size() + parts.size());
    for (const Part& part : parts) {
      if (part.is_text) out.insert(out.end(), ids.begin(), ids.end());
      if (add_specials) out.insert(out.end(), part.ids.begin(), part.ids.end());
    }
    ids = std::move(out);
  }
  return ids;
}

}  // namespace octavo::tokenizer
