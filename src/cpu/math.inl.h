// exp, tanh and the activations over the vectors of simd.h. Included inside a target region.

// e^x = 2^n · e^r with |r| <= ln 2 / 2 and 1 + r + r²·p(r), p interpolating (e^r - 1 - r) / r² at
// Chebyshev nodes: 1e-8 before rounding. NaN stays NaN: max and min return their second operand
// then.
inline F exp(F x) {
  x = min(set(89.0f), max(set(-104.0f), x));
  const F n = round(mul(x, set(1.44269504f)));
  F r = fnma(n, set(0.693359375f), x);  // ln 2 in two parts: the first has 9 significant bits
  r = fnma(n, set(-2.12194440e-4f), r);
  F p = fma(set(0.0013926176f), r, set(0.0083631733f));
  p = fma(p, r, set(0.041666556f));
  p = fma(p, r, set(0.16666578f));
  p = fma(p, r, set(0.5f));
  return scale_by_power(add(fma(mul(r, r), p, r), set(1.0f)), n);
}

// Odd polynomial near 0, where the quotient of exponentials would cancel.
inline F tanh(F x) {
  const F z = mul(x, x);
  F p = fma(set(0.0022695016f), z, set(-0.008323187f));
  p = fma(p, z, set(0.021762503f));
  p = fma(p, z, set(-0.05395846f));
  p = fma(p, z, set(0.13333300f));
  p = fma(p, z, set(-0.33333334f));
  const F small = fma(mul(p, z), x, x);
  const F e = exp(mul(abs(x), set(2.0f)));
  const F large = sub(set(1.0f), div(set(2.0f), add(e, set(1.0f))));
  return select_less(abs(x), set(0.625f), small, copy_sign(large, x));
}

// erfc(|x|), absolute error 1.5e-7: Abramowitz and Stegun, 7.1.26.
inline F erfc_of_abs(F x) {
  const F z = abs(x), t = div(set(1.0f), fma(set(0.3275911f), z, set(1.0f)));
  F p = fma(set(1.061405429f), t, set(-1.453152027f));
  p = fma(p, t, set(1.421413741f));
  p = fma(p, t, set(-0.284496736f));
  p = fma(p, t, set(0.254829592f));
  return mul(mul(p, t), exp(negate(mul(z, z))));
}

template <Act kAct>
inline F activation(F x) {
  if constexpr (kAct == Act::silu) {
    return div(x, add(set(1.0f), exp(negate(x))));
  } else if constexpr (kAct == Act::gelu) {
    const F tail = mul(set(0.5f), erfc_of_abs(mul(x, set(0.70710678f))));
    return mul(x, select_less(x, set(0.0f), tail, sub(set(1.0f), tail)));
  } else if constexpr (kAct == Act::gelu_tanh) {
    const F inner = mul(mul(set(0.79788456f), x), fma(mul(set(0.044715f), x), x, set(1.0f)));
    return mul(mul(set(0.5f), x), add(set(1.0f), tanh(inner)));
  } else if constexpr (kAct == Act::relu) {
    return max(set(0.0f), x);
  } else if constexpr (kAct == Act::relu2) {
    const F positive = max(set(0.0f), x);
    return mul(positive, positive);
  } else {
    return x;
  }
}

// With t = tanh(x / 2), e^x - 1 = 2t / (1 - t): exact near 0, where the exponential would cancel.
inline F expm1(F x) {
  const F t = tanh(mul(x, set(0.5f)));
  return div(add(t, t), sub(set(1.0f), t));
}

// p = {a_p, a_n, beta, eps}, see Act::xielu.
inline F xielu(F x, const float* p) {
  const F linear = mul(set(p[2]), x);
  const F above = fma(mul(set(p[0]), x), x, linear);
  const F below = fma(set(p[1]), sub(expm1(min(x, set(p[3]))), x), linear);
  return select_less(set(0.0f), x, above, below);
}
