#include "quant/recipe_json.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/file.h"
#include "base/json.h"
#include "base/spelling.h"
#include "io/quantization.h"
#include "io/section_fields.h"
#include "octavo/error.h"
#include "quant/rules.h"

namespace octavo::quant {
namespace {

constexpr uint64_t kMaxFileBytes = uint64_t{1} << 20;
constexpr int64_t kMaxGroup = int64_t{1} << 22;
constexpr size_t kMaxRules = 4096;
constexpr float kGptaqAlpha = 0.25f;  // GPTQModel's

// One field of the object.
struct Field {
  const Json& value;
  std::string where;

  [[noreturn]] void fail(const std::string& problem, const std::string& mend) const {
    throw Error(problem, where, mend);
  }
  std::string shown() const { return to_line(value).substr(0, 40); }

  bool flag() const {
    if (!value.is_boolean()) fail(shown() + " is neither true nor false", "write true or false");
    return value.get<bool>();
  }
  std::string text() const {
    if (!value.is_string()) fail(shown() + " is no string", "write it in quotes");
    return value.get<std::string>();
  }
  int64_t whole(int64_t low, int64_t high) const {
    const std::string range = "from " + std::to_string(low) + " to " + std::to_string(high);
    if (!value.is_number_integer() ||
        (value.is_number_unsigned() && value.get<uint64_t>() > INT64_MAX))
      fail(shown() + " is no whole number", "use one " + range);
    const auto number = value.get<int64_t>();
    if (number < low || number > high)
      fail(shown() + " is not " + range, "use " + std::to_string(std::clamp(number, low, high)));
    return number;
  }
  double number(double low, double high) const {
    const std::string range = "from " + to_line(Json(low)) + " to " + to_line(Json(high));
    if (!value.is_number()) fail(shown() + " is no number", "use one " + range);
    const auto number = value.get<double>();
    if (!(number >= low && number <= high))
      fail(shown() + " is not " + range, "use " + to_line(Json(number > high ? high : low)));
    return number;
  }
  const Json& object() const {
    if (!value.is_object()) fail(shown() + " is no object", "write {\"NAME\": VALUE}");
    return value;
  }
  // What two fields say of one thing must be the same.
  template <typename T>
  void put(std::optional<T>& slot, T said) const {
    if (slot && *slot != said)
      fail(shown() + " contradicts an earlier field", "leave one of the two out");
    slot = std::move(said);
  }
};

std::string below(const std::string& where, const std::string& field) {
  return where + ", field " + field;
}

int64_t group_size(const Field& f) {
  const int64_t size = f.whole(-1, kMaxGroup);
  return size < 0 ? 0 : size;
}

float small_number(const Field& f, double high) { return static_cast<float>(f.number(0, high)); }

void read_method(RecipeSettings& s, const Field& f) {
  if (f.text() == "compressed-tensors")
    f.put(s.format, QuantFormat::compressed_tensors);
  else
    f.put(s.method, parse_method(f.text(), f.where));
}

void read_checkpoint_format(RecipeSettings& s, const Field& f) {
  const QuantFormat format = parse_format(f.text(), f.where);
  f.put(s.format, format);
  if (is_awq(format)) s.states_format = true;
}

void read_version(RecipeSettings& s, const Field& f) {
  if (s.format == QuantFormat::compressed_tensors) return;  // of the package that wrote the file
  const QuantFormat format = parse_format(f.text(), f.where);
  if (!is_awq(format)) f.fail(f.shown() + " is no layout of AWQ", "use checkpoint_format for it");
  f.put(s.format, format);
}

void read_gptaq(RecipeSettings& s, const Field& f) {
  const Json& object = f.object();
  const auto alpha = object.find("alpha");
  const bool said = alpha != object.end() && !alpha->is_null();
  s.gptaq_alpha =
      said ? small_number({.value = *alpha, .where = f.where + ".alpha"}, 1) : kGptaqAlpha;
}

void read_not_converted(RecipeSettings& s, const Field& f) {
  if (!f.value.is_array()) f.fail(f.shown() + " is no list", "write [\"NAME\", ...]");
  std::vector<std::string> names = s.not_converted.value_or(std::vector<std::string>{});
  for (const Json& item : f.value) {
    const Field name{.value = item, .where = f.where};
    if (name.text().empty())
      f.fail("an empty name, which every matrix contains", "leave it out or name a module");
    names.push_back(name.text());
  }
  s.not_converted = std::move(names);
}

void read_rule_field(Recipe::Rule& rule, const std::string& key, const Field& f) {
  constexpr std::array<std::string_view, 5> kKeys{"bits", "group_size", "sym", "desc_act", "mse"};
  if (key == "bits") return f.put(rule.bits, static_cast<int>(f.whole(2, 8)));
  if (key == "group_size") return f.put(rule.group_size, group_size(f));
  if (key == "sym") return f.put(rule.symmetric, f.flag());
  if (key == "desc_act") return f.put(rule.desc_act, f.flag());
  if (key == "mse") return f.put(rule.mse, small_number(f, 8));
  f.fail("cannot differ between modules",
         did_you_mean(key, kKeys) + "use bits, group_size, sym, desc_act or mse");
}

Recipe::Rule read_rule(std::string_view key, const Field& f) {
  Recipe::Rule rule;
  rule.skip = key.starts_with("-:");
  rule.plus = key.starts_with("+:");
  rule.pattern = key.substr(rule.skip || rule.plus ? 2 : 0);
  if (rule.pattern.empty()) f.fail("no pattern", "name modules by a regular expression");
  const Json& changes = f.object();
  for (const auto& [name, value] : changes.items()) {
    if (rule.skip || value.is_null()) continue;
    read_rule_field(rule, name, {.value = value, .where = f.where + "." + name});
  }
  return rule;
}

void add_rules(RecipeSettings& s, std::vector<Recipe::Rule> more, const std::string& where) {
  std::vector<Recipe::Rule> rules = s.rules.value_or(std::vector<Recipe::Rule>{});
  std::ranges::move(more, std::back_inserter(rules));
  if (rules.size() > kMaxRules)
    throw Error("more than 4096 rules", where, "match several modules by one pattern");
  std::stable_partition(rules.begin(), rules.end(), [](const Recipe::Rule& r) { return r.skip; });
  s.rules = Rules(std::move(rules), where).all();
}

void read_dynamic(RecipeSettings& s, const Field& f) {
  if (f.value.is_boolean() && !f.value.get<bool>()) return;
  std::vector<Recipe::Rule> rules;
  for (const auto& [key, value] : f.object().items())
    rules.push_back(read_rule(key, {.value = value, .where = f.where + "." + key.substr(0, 60)}));
  add_rules(s, std::move(rules), f.where);
}

std::string literal(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (std::string_view("\\^$.|?*+()[]{}").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

// A compressed-tensors section with one group.
void read_groups(RecipeSettings& s, const Json& section, const std::string& where) {
  const Quantization stored = parse_compressed_tensors(section, where);
  const Json* groups = section::at(section, "config_groups");
  if (!stored.packed || groups == nullptr || groups->size() != 1)
    section::fail(where, "config_groups", "not exactly one group of packed settings",
                  "say what differs with dynamic rules");
  s.format = QuantFormat::compressed_tensors;
  s.bits = stored.packed->bits;
  s.group_size = stored.packed->group_size;
  s.symmetric = stored.packed->symmetric;
  std::vector<Recipe::Rule> rules;
  for (const std::string& name : section::texts(section, "ignore", where)) {
    if (name == "lm_head")
      s.head = false;
    else if (name.starts_with("re:"))
      rules.push_back({.pattern = name.substr(3), .skip = true});
    else
      rules.push_back({.pattern = literal(name) + "$", .skip = true});
  }
  if (!rules.empty()) add_rules(s, std::move(rules), below(where, "ignore"));
}

void read_pack_dtype(RecipeSettings&, const Field& f) {
  if (f.text() != "int32") f.fail("words of " + f.text() + " are not written", "use int32");
}

void read_foem(RecipeSettings&, const Field& f) {
  f.fail("FOEM is not supported", "leave it out; gptaq comes nearest");
}

struct Reader {
  std::string_view key;
  void (*read)(RecipeSettings&, const Field&);
  bool of_meta = false;  // also in `meta`, where other fields tell how a file came about
};

void nothing(RecipeSettings&, const Field&) {}

constexpr Reader kReaders[] = {
    {"quant_method", read_method},
    {"method", read_method},
    {"checkpoint_format", read_checkpoint_format},
    {"format", read_checkpoint_format},
    {"version", read_version},
    {"bits", [](auto& s, auto& f) { f.put(s.bits, static_cast<int>(f.whole(2, 8))); }},
    {"w_bit", [](auto& s, auto& f) { f.put(s.bits, static_cast<int>(f.whole(2, 8))); }},
    {"group_size", [](auto& s, auto& f) { f.put(s.group_size, group_size(f)); }},
    {"q_group_size", [](auto& s, auto& f) { f.put(s.group_size, group_size(f)); }},
    {"sym", [](auto& s, auto& f) { f.put(s.symmetric, f.flag()); }},
    {"zero_point", [](auto& s, auto& f) { f.put(s.symmetric, !f.flag()); }},
    {"lm_head", [](auto& s, auto& f) { f.put(s.head, f.flag()); }},
    {"modules_to_not_convert", read_not_converted},
    {"dynamic", read_dynamic},
    {"average_bits", [](auto& s, auto& f) { s.average_bits = f.number(0, 8); }},
    {"apply_clip", [](auto& s, auto& f) { s.apply_clip = f.flag(); }},
    {"duo_scaling", [](auto& s, auto& f) { s.duo_scaling = f.flag(); }},
    {"desc_act", [](auto& s, auto& f) { f.put(s.desc_act, f.flag()); }, true},
    {"static_groups", [](auto& s, auto& f) { f.put(s.static_groups, f.flag()); }, true},
    {"act_group_aware", [](auto& s, auto& f) { f.put(s.act_group_aware, f.flag()); }, true},
    {"true_sequential", [](auto& s, auto& f) { f.put(s.true_sequential, f.flag()); }, true},
    {"damp_percent", [](auto& s, auto& f) { f.put(s.damp_percent, small_number(f, 1)); }, true},
    {"mse", [](auto& s, auto& f) { f.put(s.mse, small_number(f, 8)); }, true},
    {"gptaq", read_gptaq, true},
    {"foem", read_foem, true},
    {"pack_dtype", read_pack_dtype},
    // Of files that others wrote: how they are run, or how they came about.
    {"meta", nothing},
    {"damp_auto_increment", nothing},
    {"quantizer", nothing},
    {"model_name_or_path", nothing},
    {"model_file_base_name", nothing},
    {"is_marlin_format", nothing},
    {"use_exllama", nothing},
    {"disable_exllama", nothing},
    {"exllama_config", nothing},
    {"max_input_length", nothing},
    {"backend", nothing},
    {"do_fuse", nothing},
    {"fuse_max_seq_len", nothing},
    {"modules_to_fuse", nothing},
    {"quantization_status", nothing},
    {"kv_cache_scheme", nothing},
    {"global_compression_ratio", nothing},
    {"sparsity_config", nothing},
    {"transform_config", nothing},
};

const Reader& reader_of(const std::string& key, const std::string& where) {
  const auto found = std::ranges::find(kReaders, key, &Reader::key);
  if (found != std::end(kReaders)) return *found;
  throw Error("unknown field \"" + key.substr(0, 60) + "\"", where,
              did_you_mean(key, recipe_fields()) + "docs/guides/quantize.md lists the fields");
}

void read_meta(RecipeSettings& s, const Json& meta, const std::string& where) {
  if (!meta.is_object()) throw Error("no object", where, "write {\"NAME\": VALUE}");
  for (const auto& [key, value] : meta.items()) {
    const auto found = std::ranges::find(kReaders, key, &Reader::key);
    if (found != std::end(kReaders) && found->of_meta && !value.is_null())
      found->read(s, {.value = value, .where = where + "." + key});
  }
}

// The shortest decimal of a float, so that 2.4 stays 2.4.
Json shortest(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof text, value).ptr;
  double number = 0;
  std::from_chars(text, end, number);
  return number;
}

int64_t written(int64_t group_size) { return group_size > 0 ? group_size : -1; }

Json to_json(const Recipe::Rule& rule) {
  Json json = Json::object();
  if (rule.skip) return json;
  if (rule.bits) json["bits"] = *rule.bits;
  if (rule.group_size) json["group_size"] = written(*rule.group_size);
  if (rule.symmetric) json["sym"] = *rule.symmetric;
  if (rule.desc_act) json["desc_act"] = *rule.desc_act;
  if (rule.mse) json["mse"] = shortest(*rule.mse);
  return json;
}

std::string checkpoint_name(QuantFormat format) {
  switch (format) {
    case QuantFormat::compressed_tensors:
      return "pack-quantized";
    case QuantFormat::gptq_planar:
      return "gptq_p";
    default:
      break;
  }
  std::string text(name(format));
  if (is_awq(format)) text.erase(0, std::string_view("awq-").size());
  std::ranges::replace(text, '-', '_');
  return text;
}

}  // namespace

std::vector<std::string_view> recipe_fields() {
  std::vector<std::string_view> keys;
  for (const Reader& reader : kReaders) {
    if (reader.read != nothing) keys.push_back(reader.key);
  }
  return keys;
}

RecipeSettings settings_from_json(const Json& object, const std::string& where) {
  if (!object.is_object())
    throw Error("not a JSON object", where, "give {\"quant_method\": \"gptq\", ...}");
  RecipeSettings s;
  const bool grouped = object.contains("config_groups") && !object["config_groups"].is_null();
  if (grouped) read_groups(s, object, where);
  for (const auto& [key, value] : object.items()) {
    if (value.is_null() || (grouped && (key == "config_groups" || key == "ignore"))) continue;
    reader_of(key, where).read(s, {.value = value, .where = below(where, key)});
    if (key == "meta") read_meta(s, value, below(where, key));
  }
  return s;
}

RecipeSettings read_settings(const std::filesystem::path& file) {
  return settings_from_json(parse_json(read_file(file, kMaxFileBytes), file.string()),
                            file.string());
}

Json dynamic_to_json(const std::vector<Recipe::Rule>& rules) {
  Json json = Json::object();
  for (const Recipe::Rule& rule : rules) {
    const std::string key = (rule.skip ? "-:" : rule.plus ? "+:" : "") + rule.pattern;
    if (!json.contains(key)) json[key] = to_json(rule);
  }
  return json;
}

Json to_json(const Recipe& r) {
  Json json = {{"quant_method", name(r.method)}};
  if (is_awq(r.format)) json["version"] = checkpoint_name(r.format);
  if (!is_awq(r.format) || r.states_format) json["checkpoint_format"] = checkpoint_name(r.format);
  json["bits"] = r.bits;
  json["group_size"] = written(r.group_size);
  json["sym"] = r.symmetric;
  json["lm_head"] = r.head;
  if (!r.not_converted.empty()) json["modules_to_not_convert"] = r.not_converted;
  if (!r.rules.empty()) json["dynamic"] = dynamic_to_json(r.rules);
  if (r.average_bits > 0) json["average_bits"] = r.average_bits;
  json["apply_clip"] = r.apply_clip;
  json["duo_scaling"] = r.duo_scaling;
  json["desc_act"] = r.desc_act;
  json["static_groups"] = r.static_groups;
  if (r.act_group_aware) json["act_group_aware"] = *r.act_group_aware;
  json["true_sequential"] = r.true_sequential;
  json["damp_percent"] = shortest(r.damp_percent);
  json["mse"] = shortest(r.mse);
  if (r.gptaq_alpha) json["gptaq"] = {{"alpha", shortest(*r.gptaq_alpha)}};
  return json;
}

}  // namespace octavo::quant
