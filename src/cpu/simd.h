#pragma once

// What the shared loops (*.inl.h) are written against. An ISA file includes this header (all that
// the loops need from outside), opens its target region and namespace, and includes
// simd_<isa>.inl.h, which defines
//   kLanes            floats of a vector; F the vector
//   set, load, store  and load_partial, store_partial of the first `count` lanes; first: the rest 0
//   even_bf16, odd_bf16  the two bf16 of each 32-bit lane as floats
//   add, sub, mul, div, min, max (the second where either is NaN), fma(a, b, c) = a·b + c, fnma,
//   reduce_add, reduce_max, and what rope and math.inl.h (exp, tanh, activations) need.
// then the loops. Partial vectors take the same instructions as whole ones, so an element's bits do
// not depend on where a row was cut.

#if defined(__aarch64__)
#include <arm_neon.h>
#else
// GCC 12 takes the "undefined" operand inside its own AVX-512 intrinsics for a variable without a
// value (GCC bug 105593).
#if !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if !defined(__clang__)
#pragma GCC diagnostic pop
#endif
#endif

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "base/half.h"
#include "cpu/target.h"
#include "ops/ops.h"
#include "ops/reference/reference.h"

// Loops over a few rows held in registers.
#if defined(__clang__)
#define OCTAVO_UNROLL OCTAVO_PRAGMA(unroll)
#else
#define OCTAVO_UNROLL OCTAVO_PRAGMA(GCC unroll 16)
#endif
