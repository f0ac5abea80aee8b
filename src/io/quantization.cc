#include "io/quantization.h"

#include <algorithm>
#include <array>

#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "io/quantization_section.h"
#include "io/section_fields.h"
#include "octavo/error.h"
#include "tensor/convert.h"

namespace octavo {
namespace {

using namespace section;

// Methods whose matrices are elements of 8 bits times scales. Their activations are quantized at
// run time where that is faster; here they stay as they are.
bool has_scaled_elements(const std::string& method) {
  constexpr std::array methods{"fp8", "fbgemm_fp8", "modelopt"};
  return std::ranges::find(methods, method) != methods.end();
}

// [rows, cols] of `weight_block_size`.
ElementScales::Block read_block(const Json& section) {
  const Json* pair = at(section, "weight_block_size");
  if (pair == nullptr || !pair->is_array() || pair->size() != 2) return {};
  if (!(*pair)[0].is_number_integer() || !(*pair)[1].is_number_integer()) return {};
  return {.rows = (*pair)[0].get<int64_t>(), .cols = (*pair)[1].get<int64_t>()};
}

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c == '-' ? '_' : c);
  return text;
}

// The first of these keys that is there, else the first.
const char* either(const Json& section, const char* key, const char* old) {
  return at(section, key) == nullptr && at(section, old) != nullptr ? old : key;
}

// Old files do not name the method: AWQ's have keys of their own.
std::string method_of(const Json& section) {
  std::string method = lower(text(section, "quant_method"));
  if (method.empty()) method = lower(text(section, "method"));
  if (!method.empty()) return method;
  if (at(section, "w_bit") != nullptr || at(section, "q_group_size") != nullptr) return "awq";
  return at(section, "bits") != nullptr && at(section, "group_size") != nullptr ? "gptq" : "";
}

void check_pack_dtype(const Json& section, const std::string& where) {
  const std::string type = text(section, "pack_dtype");
  if (!type.empty() && type != "int32")
    fail(where, "pack_dtype", "codes in words of " + type + " are not supported", "pack in int32");
}

// ---- AWQ

QuantFormat awq_format(const Json& section, const std::string& where) {
  const std::string backend =
      lower(text(section, either(section, "backend", "awq_packing_backend")));
  if (backend == "llm_awq") return QuantFormat::awq_gemv_fast;
  const char* key = either(section, "version", "checkpoint_format");
  const std::string version = lower(text(section, key));
  constexpr std::array gemm{"", "gemm", "exllama", "exllamav2", "ipex", "triton"};
  if (std::ranges::find(gemm, version) != gemm.end()) return QuantFormat::awq_gemm;
  if (version == "gemv") return QuantFormat::awq_gemv;
  if (version == "gemv_fast" || version == "gemvfast" || version == "llm_awq")
    return QuantFormat::awq_gemv_fast;
  if (version == "marlin") return QuantFormat::awq_marlin;
  fail(where, key, "unknown version " + version + " of AWQ",
       "known: gemm, gemv, gemv_fast, marlin");
}

// A module is dense where `part` is a part of its name.
Quantization::Rule dense_rule(const std::string& part, const std::string& where) {
  return {.pattern = NamePattern(".*?" + quoted_pattern(part), where), .name = {}, .settings = {}};
}

Quantization parse_awq(const Json& section, const std::string& where) {
  const char* bits = either(section, "bits", "w_bit");
  if (whole(section, bits, where) != 4)
    fail(where, bits, "AWQ files have codes of 4 bits", "quantize the model again");
  check_pack_dtype(section, where);
  Quantization result;
  const char* group = either(section, "group_size", "q_group_size");
  const bool zeros = flag(section, "zero_point", true, where);
  result.packed = {.format = awq_format(section, where),
                   .bits = 4,
                   .group_size = group_size(section, group, where),
                   .symmetric = !zeros};
  for (const std::string& part : texts(section, "modules_to_not_convert", where))
    result.rules.push_back(dense_rule(part, where + ", field modules_to_not_convert"));
  return result;
}

// ---- GPTQ

void check_gptq_bits(const QuantSettings& settings, const std::string& where, const char* key) {
  const bool planes = settings.format == QuantFormat::gptq_planar;
  constexpr std::array plain{2, 3, 4, 8};
  const bool known = std::ranges::find(plain, settings.bits) != plain.end();
  if (!known && !(planes && settings.bits >= 2 && settings.bits <= 8))
    fail(where, key, std::to_string(settings.bits) + " bits in this version of GPTQ",
         planes ? "it has 2 to 8" : "it has 2, 3, 4 and 8");
}

int small_bits(const Json& section, const std::string& where) {
  const int64_t bits = whole(section, "bits", where);
  if (bits < 2 || bits > 8)
    fail(where, "bits", std::to_string(bits) + " bits are not supported", "use 2 to 8");
  return static_cast<int>(bits);
}

QuantFormat gptq_format(const Json& section, const std::string& where) {
  const char* key = either(section, "checkpoint_format", "format");
  const std::string format = lower(text(section, key));
  if (flag(section, "is_marlin_format", false, where) || format == "marlin")
    fail(where, key, "GPTQ files in Marlin's order are not supported",
         "fetch the model in GPTQ's own layout");
  if (format.empty() || format == "gptq") return QuantFormat::gptq;
  if (format == "gptq_v2") return QuantFormat::gptq_v2;
  if (format == "gptq_p") return QuantFormat::gptq_planar;
  fail(where, key, "unknown version " + format + " of GPTQ", "known: gptq, gptq_v2, gptq_p");
}

// GPTQModel's `dynamic`: patterns over names with what differs, "-:" in front of those that skip.
void add_dynamic_rules(const Json& section, const std::string& where, Quantization& result) {
  const Json* dynamic = at(section, "dynamic");
  if (dynamic == nullptr || (dynamic->is_boolean() && !dynamic->get<bool>())) return;
  if (!dynamic->is_object()) fail(where, "dynamic", "no object of rules");
  const std::string field = where + ", field dynamic";
  std::vector<Quantization::Rule> changes;
  for (const auto& [key, change] : dynamic->items()) {
    const bool skips = key.starts_with("-:");
    const std::string pattern = skips || key.starts_with("+:") ? key.substr(2) : key;
    Quantization::Rule rule{.pattern = NamePattern(pattern, field), .name = {}, .settings = {}};
    if (skips) {
      result.rules.push_back(std::move(rule));
      continue;
    }
    QuantSettings settings = *result.packed;
    if (at(change, "bits") != nullptr) settings.bits = small_bits(change, field);
    if (at(change, "group_size") != nullptr)
      settings.group_size = group_size(change, "group_size", field);
    settings.symmetric = flag(change, "sym", settings.symmetric, field);
    settings.act_order = flag(change, "desc_act", settings.act_order, field);
    check_gptq_bits(settings, field, "bits");
    rule.settings = settings;
    changes.push_back(std::move(rule));
  }
  result.rules.insert(result.rules.end(), changes.begin(), changes.end());
}

Quantization parse_gptq(const Json& section, const std::string& where) {
  check_pack_dtype(section, where);
  Quantization result;
  result.packed = {.format = gptq_format(section, where),
                   .bits = small_bits(section, where),
                   .group_size = group_size(section, "group_size", where),
                   .symmetric = flag(section, "sym", true, where),
                   .act_order = flag(section, "desc_act", false, where)};
  check_gptq_bits(*result.packed, where, "bits");
  add_dynamic_rules(section, where, result);
  return result;
}

Quantization parse_any(const Json& section, const std::string& where) {
  const std::string method = method_of(section);
  if (method == "awq") return parse_awq(section, where);
  if (method == "gptq") return parse_gptq(section, where);
  if (method == "compressed_tensors") return parse_compressed_tensors(section, where);
  if (has_scaled_elements(method)) {
    Quantization result;
    result.block = read_block(section);
    return result;
  }
  fail(where, "quant_method",
       "quantization method " +
           (method.empty() ? "without a name" : text(section, "quant_method")) +
           " is not supported",
       "supported: awq, gptq, compressed-tensors, fp8, fbgemm_fp8, modelopt");
}

}  // namespace

bool Quantization::Rule::fits(const std::string& matrix) const {
  return pattern ? pattern->matches(matrix) : name == matrix;
}

Quantization Quantization::parse(const Json& section, const std::string& where) {
  Quantization result = parse_any(section, where);
  result.log = std::make_shared<OnceLog>();
  return result;
}

Quantization Quantization::beside_config(const std::filesystem::path& directory) {
  constexpr uint64_t kMaxBytes = uint64_t{16} << 20;
  for (const char* name : {"quantize_config.json", "quant_config.json"}) {
    const std::filesystem::path path = directory / name;
    std::error_code ignored;
    if (!std::filesystem::is_regular_file(path, ignored)) continue;
    return parse(parse_json(read_file(path, kMaxBytes), path.string()), path.string());
  }
  return {};
}

std::optional<QuantSettings> Quantization::settings_of(const std::string& matrix) const {
  for (const Rule& rule : rules) {
    if (rule.fits(matrix)) return rule.settings;
  }
  return packed;
}

void refuse_scaled_activations(const Checkpoint& checkpoint, const Quantization& quantization) {
  const auto awq = [](QuantFormat f) {
    return f >= QuantFormat::awq_gemm && f <= QuantFormat::awq_marlin;
  };
  if (!quantization.packed || !awq(quantization.packed->format)) return;
  constexpr std::string_view kSuffix = ".scales";
  for (const std::string& name : checkpoint.names()) {
    if (!name.ends_with(kSuffix)) continue;
    if (checkpoint.find(name.substr(0, name.size() - kSuffix.size()) + ".qweight") != nullptr)
      continue;
    const TensorEntry& entry = checkpoint.get(name);
    std::vector<float> values(static_cast<size_t>(entry.elements()));
    to_floats(entry.dtype, checkpoint.read_all(entry), values);
    if (!std::ranges::all_of(values, [](float v) { return v == 1; })) {
      throw Error("scales of activations are not supported yet", checkpoint.where(name),
                  "quantize the model without them (octavo quantize --method awq)");
    }
  }
}

}  // namespace octavo
