#pragma once

#include <cstdint>
#include <cstring>

namespace octavo::quant {

// Four floats as every 64-bit machine has them: what the solvers' own loops are written in. Plain
// operators, never fused, so their bits do not depend on the machine's extensions.
typedef float F4 __attribute__((vector_size(16)));
typedef int32_t I4 __attribute__((vector_size(16)));

inline F4 load4(const float* p) {
  F4 v;
  std::memcpy(&v, p, sizeof(v));
  return v;
}
inline void store4(float* p, F4 v) { std::memcpy(p, &v, sizeof(v)); }
inline F4 splat(float v) { return F4{v, v, v, v}; }
inline F4 min4(F4 a, F4 b) { return a < b ? a : b; }  // b where either is NaN
inline F4 max4(F4 a, F4 b) { return a > b ? a : b; }
inline F4 abs4(F4 v) { return (F4)((I4)v & 0x7FFFFFFF); }

// To the nearest whole number, ties to even. REQUIRES: |v| < 2^22.
inline F4 round4(F4 v) {
  const F4 shift = splat(0x1.8p23f);
  return (v + shift) - shift;
}

// |v|^power to about 1e-5 times the power, 0 for 0: by polynomials for log2 on [0.75, 1.5) and 2^x
// on [0, 1).
inline F4 power4(F4 v, float power) {
  const I4 bits = (I4)abs4(v);
  const I4 exponent = (bits - 0x3F400000) >> 23;
  const F4 m = (F4)(bits - (exponent << 23)) - 1.0f;
  const F4 log_of_mantissa =
      m * (1.44269163f +
           m * (-0.72117036f +
                m * (0.48122278f + m * (-0.36951500f + m * (0.29547858f + m * -0.15277585f)))));
  F4 x = (__builtin_convertvector(exponent, F4) + log_of_mantissa) * power;
  x = max4(min4(x, splat(126.0f)), splat(-126.0f));
  const F4 whole = round4(x - 0.5f), part = x - whole;
  const F4 fraction =
      1.0f +
      part * (0.69296955f + part * (0.24162132f + part * (0.05171774f + part * 0.01368398f)));
  const I4 scale = (__builtin_convertvector(whole, I4) + 127) << 23;
  return bits == 0 ? splat(0) : fraction * (F4)scale;
}

}  // namespace octavo::quant
