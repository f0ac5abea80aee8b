#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/json.h"
#include "model/gguf/gguf_model.h"
#include "octavo/error.h"

namespace octavo {
namespace {

// A float of the metadata as the decimal number that it was written for: 1e-05, not
// 9.99999974737875e-06.
double as_written(double value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text - 1, static_cast<float>(value)).ptr;
  *end = '\0';
  const double decimal = std::strtod(text, nullptr);
  return static_cast<double>(static_cast<float>(value)) == value ? decimal : value;
}

// Reads the metadata of one model under its architecture's prefix and fills the config.
class Synthesis {
 public:
  Synthesis(const GgufMetadata& metadata, const Checkpoint& checkpoint, std::string prefix,
            Json implied)
      : metadata_(metadata),
        checkpoint_(checkpoint),
        prefix_(std::move(prefix)),
        config_(std::move(implied)) {}

  Json run() {
    for (const GgufField& field : gguf_fields()) {
      if (!metadata_.has(key(field.key))) continue;
      const Json value = value_of(key(field.key));
      for (std::string_view name : field.fields) {
        if (!name.empty()) config_[std::string(name)] = value;
      }
    }
    add_widths();
    add_heads();
    add_window();
    add_rope();
    add_kinds();
    add_token("bos_token_id");
    add_token("eos_token_id");
    return std::move(config_);
  }

 private:
  std::string key(std::string_view name) const { return prefix_ + "." + std::string(name); }

  // A number or flag; a list of one value a layer, as some converters write, where all are equal.
  Json value_of(const std::string& name) const {
    const GgufMetadata::Value& value = *metadata_.find(name);
    if (const auto* flag = std::get_if<bool>(&value)) return *flag;
    if (const auto* whole = std::get_if<int64_t>(&value)) return *whole;
    if (std::holds_alternative<double>(value)) return as_written(metadata_.number(name));
    const std::vector<int64_t>& list = metadata_.integers(name);
    if (list.empty()) metadata_.fail(name, "an empty list");
    for (int64_t item : list) {
      if (item != list.front())
        metadata_.fail(name, "layers that differ are not supported", "use another model");
    }
    return list.front();
  }

  // Extents of matrices say more than the metadata, which some converters guess: rows of the table
  // (tokens beyond the tokenizer's pad it), width of the MLP.
  void add_widths() {
    config_["vocab_size"] = matrix("token_embd.weight").shape[0];
    if (checkpoint_.find("blk.0.ffn_down.weight") == nullptr) return;
    const int64_t width = matrix("blk.0.ffn_down.weight").shape[1];
    for (const char* name : {"intermediate_size", "n_inner", "ffn_hidden_size"})
      config_[name] = width;
  }

  const TensorEntry& matrix(const std::string& name) const {
    const TensorEntry& entry = checkpoint_.get(name);
    if (entry.shape.size() != 2)
      throw Error("no matrix", checkpoint_.where(name), "convert the model again");
    return entry;
  }

  int64_t head_dim() const {
    const int64_t hidden = metadata_.integer(key("embedding_length"), 1, 1 << 20);
    const Json heads = value_of_or(key("attention.head_count"), 1);
    const int64_t count = std::max<int64_t>(1, heads.get<int64_t>());
    return metadata_.integer_or(key("attention.key_length"), 1, 1 << 20, hidden / count);
  }
  Json value_of_or(const std::string& name, int64_t otherwise) const {
    return metadata_.has(name) ? value_of(name) : Json(otherwise);
  }

  void add_heads() {
    const std::string key_length = key("attention.key_length");
    if (metadata_.has(key_length) && metadata_.has(key("attention.value_length")) &&
        metadata_.integer(key_length, 1, 1 << 20) !=
            metadata_.integer(key("attention.value_length"), 1, 1 << 20)) {
      metadata_.fail(key_length, "keys and values of different sizes are not supported",
                     "use another model");
    }
    // Gemma 2 and 3 scale by another size than the head's, which only the largest of each have.
    const std::string scale = key("attention.scale");
    const int64_t hidden = metadata_.integer(key("embedding_length"), 1, 1 << 20),
                  layers = metadata_.integer(key("block_count"), 1, 4096);
    const bool by_hidden =
        (prefix_ == "gemma2" && layers == 46) || (prefix_ == "gemma3" && layers == 62);
    const int64_t heads =
        std::max<int64_t>(1, value_of_or(key("attention.head_count"), 1).get<int64_t>());
    double scalar = static_cast<double>(by_hidden ? hidden / heads : head_dim());
    if (metadata_.has(scale) && metadata_.number(scale) > 0)
      scalar = as_written(1 / (metadata_.number(scale) * metadata_.number(scale)));
    config_["query_pre_attn_scalar"] = scalar;
  }

  void add_window() {
    // 0: no window.
    if (config_.value("sliding_window", Json(1)) == 0) config_["sliding_window"] = nullptr;
    const std::string pattern = key("attention.sliding_window_pattern");
    const GgufMetadata::Value* value = metadata_.find(pattern);
    if (value == nullptr) return;
    if (std::holds_alternative<int64_t>(*value)) {
      config_["sliding_window_pattern"] = metadata_.integer(pattern, 1, 4096);
      return;
    }
    Json types = Json::array();
    for (int64_t sliding : metadata_.integers(pattern))
      types.push_back(sliding != 0 ? "sliding_attention" : "full_attention");
    config_["layer_types"] = std::move(types);
    config_["use_sliding_window"] = true;
  }

  void add_rope() {
    const int64_t dim = metadata_.integer_or(key("rope.dimension_count"), 0, 1 << 20, 0);
    const int64_t size = head_dim();
    if (dim > 0 && dim != size) {
      double part = static_cast<double>(dim) / static_cast<double>(size);
      // Families take the whole part of size · part.
      if (static_cast<int64_t>(static_cast<double>(size) * part) < dim)
        part = std::nextafter(part, 2);
      config_["partial_rotary_factor"] = config_["rotary_pct"] = part;
    }
    Json scaling = rope_scaling();
    if (!scaling.is_null()) config_["rope_scaling"] = std::move(scaling);
  }

  // One factor a frequency: Llama 3's, worked out by the converter, or LongRoPE's two lists.
  Json factors(const std::string& tensor) const {
    const TensorEntry& entry = checkpoint_.get(tensor);
    if (entry.dtype != DType::f32 || entry.block != BlockType::none || entry.bytes > 1 << 20)
      throw Error("no list of numbers", checkpoint_.where(tensor), "convert the model again");
    std::vector<float> values(entry.bytes / 4);
    checkpoint_.read(entry, 0, std::as_writable_bytes(std::span(values)));
    Json list = Json::array();
    for (float value : values) list.push_back(as_written(value));
    return list;
  }

  int64_t trained_tokens() const {
    const int64_t limit = metadata_.integer(key("context_length"), 1, int64_t{1} << 31);
    return metadata_.integer_or(key("rope.scaling.original_context_length"), 1, int64_t{1} << 31,
                                limit);
  }
  double number_or(const std::string& name, double otherwise) const {
    return metadata_.has(name) ? as_written(metadata_.number(name)) : otherwise;
  }

  Json rope_scaling() const {
    if (checkpoint_.find("rope_factors_long.weight") != nullptr) {
      return {{"rope_type", "longrope"},
              {"short_factor", factors("rope_factors_short.weight")},
              {"long_factor", factors("rope_factors_long.weight")},
              {"original_max_position_embeddings", trained_tokens()},
              {"attention_factor", number_or(key("rope.scaling.attn_factor"), 1)}};
    }
    if (checkpoint_.find("rope_freqs.weight") != nullptr) {
      const Json all = factors("rope_freqs.weight");
      // The same at any length: the trained length is the limit.
      return {{"rope_type", "longrope"},
              {"short_factor", all},
              {"long_factor", all},
              {"original_max_position_embeddings",
               metadata_.integer(key("context_length"), 1, int64_t{1} << 31)},
              {"attention_factor", 1}};
    }
    // The oldest files give linear scaling by a key of its own.
    const double linear = number_or(key("rope.scale_linear"), 1);
    const std::string kind =
        metadata_.text_or(key("rope.scaling.type"), linear != 1 ? "linear" : "none");
    const double factor = number_or(key("rope.scaling.factor"), linear);
    if (kind == "none" || kind == "longrope" || factor == 0 || factor == 1) return nullptr;
    if (kind == "linear") return {{"rope_type", "linear"}, {"factor", factor}};
    if (kind != "yarn") {
      metadata_.fail(key("rope.scaling.type"), "unknown kind of rope scaling " + kind,
                     "use none, linear, yarn or longrope");
    }
    Json yarn = {{"rope_type", "yarn"},
                 {"factor", factor},
                 {"original_max_position_embeddings", trained_tokens()},
                 {"beta_fast", number_or(key("rope.scaling.yarn_beta_fast"), 32)},
                 {"beta_slow", number_or(key("rope.scaling.yarn_beta_slow"), 1)}};
    const std::string attention = key("rope.scaling.yarn_attn_factor");
    if (metadata_.has(attention)) yarn["attention_factor"] = number_or(attention, 1);
    return yarn;
  }

  // What tensors and sizes tell of a family's variants: norms of queries and keys, Falcon's three
  // kinds, MPT's section of its own.
  void add_kinds() {
    const auto has = [&](const char* name) { return checkpoint_.find(name) != nullptr; };
    config_["qk_layernorm"] = config_["use_qk_norm"] = has("blk.0.attn_q_norm.weight");
    const bool shared =
        value_of_or(key("attention.head_count_kv"), 0) == 1;  // one head of keys for all
    config_["multi_query"] = shared;
    config_["new_decoder_architecture"] = !shared;
    config_["parallel_attn"] = true;
    config_["num_ln_in_parallel_attn"] = has("blk.0.attn_norm_2.weight") ? 2 : 1;
    const std::string alibi = key("attention.max_alibi_bias");
    if (!metadata_.has(alibi)) return;
    const double bias = as_written(metadata_.number(alibi));
    Json section = {{"alibi", bias > 0}, {"clip_qkv", config_.value("clip_qkv", Json())}};
    if (bias > 0) section["alibi_bias_max"] = bias;
    config_["attn_config"] = std::move(section);
  }

  void add_token(const char* name) {
    const std::string full = std::string("tokenizer.ggml.") + name;
    if (metadata_.has(full)) config_[name] = metadata_.integer(full, 0, INT32_MAX);
  }

  const GgufMetadata& metadata_;
  const Checkpoint& checkpoint_;
  std::string prefix_;
  Json config_;
};

}  // namespace

const GgufArchitecture& gguf_architecture(const GgufMetadata& metadata) {
  const std::string& name = metadata.text("general.architecture");
  if (const GgufArchitecture* row = find_gguf_architecture(name)) return *row;
  std::string known;
  for (const GgufArchitecture& row : gguf_architectures())
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  metadata.fail("general.architecture", "architecture " + name + " is not supported in GGUF files",
                "supported: " + known);
}

Config gguf_config(const std::filesystem::path& path, const GgufMetadata& metadata,
                   const Checkpoint& checkpoint) {
  const GgufArchitecture& row = gguf_architecture(metadata);
  Synthesis synthesis(metadata, checkpoint, metadata.text("general.architecture"),
                      parse_json(row.implied, row.name));
  Json config = synthesis.run();
  const bool windows = !row.with_windows.empty() && config.contains("sliding_window");
  config["architectures"] = Json::array({windows ? row.with_windows : row.architecture});
  config["tie_word_embeddings"] = checkpoint.find("output.weight") == nullptr;
  return Config::parse(to_line(config), path.string() + " (metadata as config.json)");
}

}  // namespace octavo
