#include "cli/spec_text.h"

#include <cstdio>

#include "base/json.h"

namespace octavo::cli {
namespace {

std::string number(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", value);
  return text;
}

std::string of(const NormSpec& norm) {
  if (norm.kind == NormSpec::Kind::none) return "";
  std::string text = norm.kind == NormSpec::Kind::rms ? "rms" : "layer";
  text += " norm (eps " + number(norm.eps);
  if (norm.offset != 0) text += ", weight + " + number(norm.offset);
  if (!norm.weight) text += ", no weight";
  if (norm.bias) text += ", bias";
  return text + ")";
}

// "mixer(rms norm (eps 1e-06) of x)", with the norm on the branch where there is one.
std::string branch(const char* block, const NormSpec& before, const NormSpec& after) {
  const std::string input = of(before).empty() ? "x" : of(before) + " of x";
  const std::string text = std::string(block) + "(" + input + ")";
  return of(after).empty() ? text : of(after) + " of " + text;
}

std::string of(const LayerSpec& layer) {
  const std::string mixer = branch("attention", layer.norm_mixer, layer.post_mixer);
  const std::string ffn = branch("mlp", layer.norm_ffn, layer.post_ffn);
  const std::string scale =
      layer.residual_scale == 1 ? "" : number(layer.residual_scale) + " times ";
  switch (layer.wiring) {
    case LayerSpec::Wiring::sequential:
      if (layer.residual_is_normed)
        return "x = " + of(layer.norm_mixer) + " of x; x += " + scale +
               "attention(x); x = " + of(layer.norm_ffn) + " of x; x += " + scale + "mlp(x)";
      return "x += " + scale + mixer + "; x += " + scale + ffn;
    case LayerSpec::Wiring::parallel:
      return "x += " + scale + mixer + " + " + scale + ffn;
    case LayerSpec::Wiring::parallel_one_norm:
      return "n = " + of(layer.norm_mixer) + " of x; x += " + scale + "attention(n) + " + scale +
             "mlp(n)";
    case LayerSpec::Wiring::norm_after:
      return "x = " + of(layer.norm_mixer) + " of (x + attention(x)); x = " + of(layer.norm_ffn) +
             " of (x + mlp(x))";
  }
  return "";
}

}  // namespace

Json describe_spec(const ModelSpec& spec) {
  Json lines;
  std::string embedding = "table of " + std::to_string(spec.vocab);
  if (spec.embedding.scale != 1) embedding += ", times " + number(spec.embedding.scale);
  if (spec.embedding.learned_positions > 0)
    embedding += ", " + std::to_string(spec.embedding.learned_positions) + " learned positions";
  if (spec.embedding.sinusoids) embedding += ", sinusoids for positions";
  if (spec.embedding.width > 0)
    embedding += ", projected from " + std::to_string(spec.embedding.width);
  if (!of(spec.embedding.norm).empty()) embedding += ", " + of(spec.embedding.norm);
  lines["embedding"] = embedding;
  for (size_t begin = 0; begin < spec.layers.size();) {
    size_t end = begin + 1;
    const std::string text = of(spec.layers[begin]);
    while (end < spec.layers.size() && of(spec.layers[end]) == text) ++end;
    const std::string last = end - begin > 1 ? "-" + std::to_string(end - 1) : "";
    lines["layer " + std::to_string(begin) + last] = text;
    begin = end;
  }
  lines["final norm"] = of(spec.final_norm).empty() ? "none" : of(spec.final_norm);
  std::string head = spec.head.tied ? "the embedding table" : "a matrix of its own";
  if (spec.head.bias) head += ", bias";
  if (spec.head.scale != 1) head += ", times " + number(spec.head.scale);
  if (spec.head.softcap > 0) head += ", softcap " + number(spec.head.softcap);
  lines["head"] = head;
  return lines;
}

}  // namespace octavo::cli
