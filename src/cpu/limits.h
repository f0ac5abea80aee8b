#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/thread_pool.h"
#include "cpu/features.h"

// What this machine can do, timed by loops that do nothing else: the figures that kernels are held
// against. Shared machines change from second to second, so whoever compares measures both sides by
// turns and takes medians.

namespace octavo::cpu {

// What multiplies and adds: vectors of floats; dot products of pairs of bf16; dot products of fours
// of bytes (vpdpbusd, or maddubs with its two companions); tiles of bf16 and of bytes.
enum class Unit : uint8_t { f32, bf16, int8, amx_bf16, amx_int8 };

// "f32 FMA", "vdpbf16ps", ...
std::string_view name(Unit unit);

// Those that a table for these features may use, in the order of the enum; none without AVX2.
std::vector<Unit> units(const Features& features);

// Operations a second, a multiply-add counted as two, with every worker at it in registers alone;
// takes some milliseconds. REQUIRES: one of units(features).
double peak_rate(ThreadPool& pool, const Features& features, Unit unit);

// Bytes a second of a plain read loop over `bytes`, a contiguous part for each worker. Means memory
// only when `bytes` is larger than all caches: take a gigabyte. REQUIRES: 64-byte aligned.
double read_rate(ThreadPool& pool, const Features& features, std::span<const std::byte> bytes);

}  // namespace octavo::cpu
