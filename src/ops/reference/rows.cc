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
  }
  return x;
}

}  // namespace

void rms_norm(Queue&, const Norm& norm) noexcept {
  for (int64_t n = 0; n < norm.x.rows(); ++n) rms_norm_row(norm.x.row(n), norm, norm.y.row(n));
}

void layer_norm(Queue&, const Norm& norm) noexcept {
  for (int64_t n = 0; n < norm.x.rows(); ++n) {
    const std::span<const float> x = norm.x.row(n);
    const auto count = static_cast<double>(x.size());
    double sum = 0, squares = 0;
    for (float v : x) sum += v;
    const double mean = sum / count;
    for (float v : x) squares += (v - mean) * (v - mean);
    const double scale = 1 / std::sqrt(squares / count + norm.eps);
    for (size_t i = 0; i < x.size(); ++i) {
      const double factor = norm.weight.empty() ? 1.0 : double{norm.weight[i]} + norm.offset;
      const double bias = norm.bias.empty() ? 0.0 : norm.bias[i];
      norm.y.row(n)[i] = static_cast<float>((x[i] - mean) * scale * factor + bias);
    }
  }
}

void head_rms_norm(Queue&, Heads x, Vec weight, float eps, float offset) noexcept {
  for (int64_t n = 0; n < x.extent[0]; ++n) {
    for (int64_t h = 0; h < x.extent[1]; ++h) {
      const std::span<float> head(x.at(n, h), x.extent[2]);
      rms_norm_row(head,
                   {.x = {}, .weight = weight, .bias = {}, .eps = eps, .offset = offset, .y = {}},
                   head);
    }
  }
}

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

void activate(Queue&, Act act, ConstMat gate, ConstMat up, Mat y) noexcept {
  for (int64_t n = 0; n < y.rows(); ++n) {
    for (int64_t i = 0; i < y.cols(); ++i) {
      const double factor = up.data == nullptr ? 1.0 : *up.at(n, i);
      *y.at(n, i) = static_cast<float>(activation(act, *gate.at(n, i)) * factor);
    }
  }
}

void add(Queue&, ConstMat x, float scale, Mat y) noexcept {
  for (int64_t n = 0; n < y.rows(); ++n) {
    for (int64_t i = 0; i < y.cols(); ++i)
      *y.at(n, i) = static_cast<float>(*y.at(n, i) + double{scale} * *x.at(n, i));
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
