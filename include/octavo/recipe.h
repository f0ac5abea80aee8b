#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace octavo {

// The layout of a quantized checkpoint's tensors (docs/guides/quantize.md names who reads which).
enum class QuantFormat : uint8_t {
  compressed_tensors,  // pack-quantized (llm-compressor, vLLM, Transformers)
  awq_gemm,            // AutoAWQ; 4 bits
  awq_gemv,
  awq_gemv_fast,
  awq_marlin,
  gptq,         // zeros stored as z - 1
  gptq_v2,      // zeros as they are
  gptq_planar,  // GPTQModel's planes: any width from 2 to 8
};

// How to make a model small. What a field does not say has the default of the method's paper or of
// its best-known implementation.
struct Recipe {
  enum class Method : uint8_t {
    rtn,       // round to nearest: no calibration
    awq,       // activation-aware scales and clipping (2306.00978), then rounding
    gptq,      // Hessian-based rounding (2210.17323)
    awq_gptq,  // AWQ's scales, GPTQ's rounding
  };
  Method method = Method::rtn;
  QuantFormat format = QuantFormat::compressed_tensors;
  // An AWQ layout's name under checkpoint_format too, beside version (GPTQModel's way).
  bool states_format = false;
  int bits = 4;              // 2, 3, 4 or 8; 5 to 7 in gptq_planar
  int64_t group_size = 128;  // consecutive inputs that share scale and zero; 0: one group a row
  bool symmetric = false;    // zero fixed at the middle
  bool head = false;         // the output head too, where it is a matrix of its own
  // Matrices whose name contains one of these stay dense.
  std::vector<std::string> not_converted = {};

  // What differs for some matrices. The first rule whose pattern (a regular expression) matches the
  // beginning of a matrix's full name counts; rules that skip come first.
  struct Rule {
    std::string pattern;
    bool skip = false;
    bool plus = false;  // files write "+:" before the pattern, which may be left out
    std::optional<int> bits = {};
    std::optional<int64_t> group_size = {};
    std::optional<bool> symmetric = {}, desc_act = {};
    std::optional<float> mse = {};
    bool operator==(const Rule&) const = default;
  };
  std::vector<Rule> rules = {};
  // Above 0: bits of each matrix are chosen by measured sensitivity so that their mean is this.
  double average_bits = 0;

  // AWQ.
  bool apply_clip = true;   // search limits for the weights of each group
  bool duo_scaling = true;  // scales look at the weights too
  // GPTQ.
  bool desc_act = false;                     // columns by falling diag(H); groups follow that order
  bool static_groups = false;                // with desc_act: groups keep the columns' own order
  std::optional<bool> act_group_aware = {};  // by default where desc_act is off
  bool true_sequential = true;  // later matrices of a layer see the earlier ones quantized
  float damp_percent = 0.05f;   // of mean diag(H), added to it
  float mse = 0;                // above 0: exponent of the error that the range search minimises
  std::optional<float> gptaq_alpha = {};  // asymmetric calibration (GPTAQ, 2504.02692)

  bool operator==(const Recipe&) const = default;
};

}  // namespace octavo
