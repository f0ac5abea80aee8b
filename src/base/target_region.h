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
