#include <algorithm>
#include <cmath>

#include "ops/reference/reference.h"

namespace octavo::reference {
namespace {

// y = x · rsqrt(mean(x²) + eps) · (weight + offset); y may be x. Without weights the factor is 1,
// whatever the offset.
void rms_norm_row(std::span<const float> x, const Norm& norm, std::span<float> y) {
  double squares = 0;
  for (float v : x) squares += double{v} * v;
  const double scale = 1 / std::sqrt(squares / static_cast<double>(x.size()) + norm.eps);
  for (size_t i = 0; i < x.size(); ++i) {
    const double factor = norm.weight.empty() ? 1.0 : double{norm.weight[i]} + norm.offset;
    y[i] = static_cast<float>(x[i] * scale * factor);
  }
}

void layer_norm_row(std::span<const float> x, const Norm& norm, std::span<float> y) {
  const auto count = static_cast<double>(x.size());
  double sum = 0, squares = 0;
  for (float v : x) sum += v;
  const double mean = sum / count;
  for (float v : x) squares += (v - mean) * (v - mean);
  const double scale = 1 / std::sqrt(squares / count + norm.eps);
  for (size_t i = 0; i < x.size(); ++i) {
    const double factor = norm.weight.empty() ? 1.0 : double{norm.weight[i]} + norm.offset;
    const double bias = norm.bias.empty() ? 0.0 : norm.bias[i];
    y[i] = static_cast<float>((x[i] - mean) * scale * factor + bias);
  }
}

// The part of `values` [e] or [h · e] that belongs to head h.
Vec of_head(Vec values, int64_t h, int64_t size) {
  return static_cast<int64_t>(values.size()) <= size ? values : values.subspan(h * size, size);
}

void norm_heads(const HeadNorm& norm,
                void (*row)(std::span<const float>, const Norm&, std::span<float>)) {
  const int64_t size = norm.x.extent[2];
  for (int64_t n = 0; n < norm.x.extent[0]; ++n) {
    for (int64_t h = 0; h < norm.x.extent[1]; ++h) {
      const std::span<float> head(norm.x.at(n, h), size);
      row(head,
          {.x = {},
           .weight = of_head(norm.weight, h, size),
           .bias = of_head(norm.bias, h, size),
           .eps = norm.eps,
           .offset = norm.offset,
           .y = {}},
          head);
    }
  }
}

double xielu(double x, Vec p) {
  if (x > 0) return p[0] * x * x + p[2] * x;
  return p[1] * (std::expm1(std::min(x, double{p[3]})) - x) + p[2] * x;
}

double activation(Act act, double x) {
  switch (act) {
    case Act::none:
      return x;
    case Act::silu:
      return x / (1 + std::exp(-x));
    case Act::gelu:
      return 0.5 * x * (1 + std::erf(x * std::sqrt(0.5)));
    case Act::gelu_tanh:
      return 0.5 * x * (1 + std::tanh(std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x)));
    case Act::relu:
      return x > 0 ? x : 0;
    case Act::relu2:
      return x > 0 ? x * x : 0;
    case Act::xielu:
      break;  // has parameters
  }
  return x;
}

}  // namespace

void rms_norm(Queue&, const Norm& norm) noexcept {
  for (int64_t n = 0; n < norm.x.rows(); ++n) rms_norm_row(norm.x.row(n), norm, norm.y.row(n));
}

void layer_norm(Queue&, const Norm& norm) noexcept {
  for (int64_t n = 0; n < norm.x.rows(); ++n) layer_norm_row(norm.x.row(n), norm, norm.y.row(n));
}

void head_rms_norm(Queue&, const HeadNorm& norm) noexcept { norm_heads(norm, rms_norm_row); }
void head_layer_norm(Queue&, const HeadNorm& norm) noexcept { norm_heads(norm, layer_norm_row); }

void rope(Queue&, Heads x, ConstMat cos, ConstMat sin, RopePairs pairs) noexcept {
  const int64_t half = cos.cols();
  for (int64_t n = 0; n < x.extent[0]; ++n) {
    for (int64_t h = 0; h < x.extent[1]; ++h) {
      float* head = x.at(n, h);
      for (int64_t i = 0; i < half; ++i) {
        float& a = head[pairs == RopePairs::half ? i : 2 * i];
        float& b = head[pairs == RopePairs::half ? i + half : 2 * i + 1];
        const double c = *cos.at(n, i), s = *sin.at(n, i), a_old = a, b_old = b;
        a = static_cast<float>(a_old * c - b_old * s);
        b = static_cast<float>(b_old * c + a_old * s);
      }
    }
  }
}

void activate(Queue&, const Activation& a) noexcept {
  for (int64_t n = 0; n < a.y.rows(); ++n) {
    for (int64_t i = 0; i < a.y.cols(); ++i) {
      const double factor = a.up.data == nullptr ? 1.0 : *a.up.at(n, i), x = *a.gate.at(n, i);
      const double y = a.act == Act::xielu ? xielu(x, a.parameters) : activation(a.act, x);
      *a.y.at(n, i) = static_cast<float>(y * factor);
    }
  }
}

void add(Queue&, ConstMat x, float scale, Mat y) noexcept {
  for (int64_t n = 0; n < y.rows(); ++n) {
    for (int64_t i = 0; i < y.cols(); ++i)
      *y.at(n, i) = static_cast<float>(*y.at(n, i) + double{scale} * *x.at(n, i));
  }
}

void scale_rows(Queue&, Mat x, Vec factors) noexcept {
  for (int64_t n = 0; n < x.rows(); ++n) {
    for (float& v : x.row(n)) v *= factors[n];
  }
}

void clamp(Queue&, Mat x, float limit) noexcept {
  for (int64_t n = 0; n < x.rows(); ++n) {
    for (float& v : x.row(n)) v = std::clamp(v, -limit, limit);
  }
}

void scale_softcap(Queue&, Mat x, float scale, float cap) noexcept {
  for (int64_t n = 0; n < x.rows(); ++n) {
    for (float& v : x.row(n)) {
      const double scaled = double{v} * scale;
      v = static_cast<float>(cap > 0 ? cap * std::tanh(scaled / cap) : scaled);
    }
  }
}

}  // namespace octavo::reference
