#pragma once

// Code for one ISA lives in a target region, never behind per-file -m flags: an inline function
// compiled there could win at link time and put its instructions into the baseline program. Include
// everything first, then open the region, in a namespace of that ISA.
//   OCTAVO_TARGET_BEGIN("avx2,fma,f16c") ... OCTAVO_TARGET_END
#define OCTAVO_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define OCTAVO_TARGET_BEGIN(isa) \
  OCTAVO_PRAGMA(clang attribute push(__attribute__((target(isa))), apply_to = function))
#define OCTAVO_TARGET_END OCTAVO_PRAGMA(clang attribute pop)
#else
#define OCTAVO_TARGET_BEGIN(isa) OCTAVO_PRAGMA(GCC push_options) OCTAVO_PRAGMA(GCC target(isa))
#define OCTAVO_TARGET_END OCTAVO_PRAGMA(GCC pop_options)
#endif

#define OCTAVO_AVX2 "avx2,fma,f16c,bmi2"
#define OCTAVO_AVX512 "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,bmi2"
#define OCTAVO_AVX512_VNNI OCTAVO_AVX512 ",avx512vnni"
#define OCTAVO_AVX512_BF16 OCTAVO_AVX512 ",avx512bf16"
#define OCTAVO_AMX OCTAVO_AVX512_BF16 ",amx-tile,amx-bf16"
