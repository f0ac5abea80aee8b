#pragma once

#include "base/target_region.h"

// The instruction sets that kernels are written for, as target regions name them.
#define OCTAVO_AVX2 "avx2,fma,f16c,bmi2"
#define OCTAVO_AVX512 "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma,f16c,bmi2"
#define OCTAVO_AVX512_VNNI OCTAVO_AVX512 ",avx512vnni"
#define OCTAVO_AVX512_BF16 OCTAVO_AVX512 ",avx512bf16"
#define OCTAVO_AVX512_BF16_VNNI OCTAVO_AVX512_BF16 ",avx512vnni"
#define OCTAVO_AMX OCTAVO_AVX512_BF16_VNNI ",amx-tile,amx-bf16,amx-int8"
