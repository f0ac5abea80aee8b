// Products of layer shapes in every format, against what the machine can do: for few rows the share
// of the bandwidth of a plain read loop, for many the share of the peak of a register-only loop of
// multiply-adds, all with the same threads, interleaved with the products, medians of the runs.
//   matmul_bench [--threads N] [--runs N] [--isa avx2|avx512|avx512-vnni|avx512-bf16|amx]
//                [--rows 1,16,256] [--formats bf16,int4,int4a8,int4sg32a8,q4_ka8] [--shapes
//                0.5B,7B]
//                [--onednn] [--cpu-time] [--cached]
// "s": one zero for all codes; "g32": groups of 32 (else 128); "a8" behind a format: x rounded to
// 8-bit integers (Compute::int8).
// --cached: one copy of a matrix, however few the rows: the kernel alone.
// --cpu-time counts the time of the main thread instead of the clock: use it with --threads 1 on a
// machine that others use.
#include <immintrin.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "cpu/features.h"
#include "cpu/matmul.h"
#include "cpu/random_weight.h"
#include "cpu/target.h"
#include "onednn_yardstick.h"

namespace octavo::cpu {
namespace {

double now_s(clockid_t clock) {
  timespec t{};
  clock_gettime(clock, &t);
  return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
}

double median(std::vector<double> values) {
  std::ranges::sort(values);
  return values[values.size() / 2];
}

struct Options {
  int threads = 0, runs = 7;
  std::string isa = strongest(detect());
  std::vector<std::string> rows{"1", "2", "4", "8", "16", "32", "64", "256", "512"};
  std::vector<std::string> formats{"bf16", "f32", "int4", "int4a8"};
  std::vector<std::string> shapes{"0.5B", "1.1B", "7B"};
  bool onednn = false;
  bool cpu_time = false;
  bool cached = false;
};

std::vector<std::string> words(const std::string& list) {
  std::vector<std::string> all;
  std::stringstream in(list);
  for (std::string word; std::getline(in, word, ',');) all.push_back(word);
  return all;
}

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--onednn") {
      o.onednn = true;
      continue;
    }
    if (key == "--cached") {
      o.cached = true;
      continue;
    }
    if (key == "--cpu-time") {
      o.cpu_time = true;
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    if (key == "--threads") o.threads = std::stoi(value);
    if (key == "--runs") o.runs = std::stoi(value);
    if (key == "--isa") o.isa = value;
    if (key == "--rows") o.rows = words(value);
    if (key == "--formats") o.formats = words(value);
    if (key == "--shapes") o.shapes = words(value);
  }
  return o;
}

Ops table_of(const std::string& isa) {
  if (isa == "avx2") return overlay_matmul_avx2(reference::ops());
  if (isa == "amx") return overlay_matmul_amx(reference::ops());
  if (isa == "avx512-vnni") return overlay_matmul_avx512_vnni(reference::ops());
  if (isa == "avx512") return overlay_matmul_avx512(reference::ops());
  return overlay_matmul_avx512_bf16(reference::ops());
}

// ---- What the machine can do.

constexpr int64_t kPeakSteps = 400000;

OCTAVO_TARGET_BEGIN(OCTAVO_AVX2)
[[gnu::noinline]] void peak_avx2() {
  __m256 s[10] = {};
  const __m256 x = _mm256_set1_ps(1);
  for (int64_t i = 0; i < kPeakSteps; ++i) {
#pragma GCC unroll 10
    for (__m256& v : s) asm volatile("vfmadd231ps %1, %1, %0" : "+x"(v) : "x"(x));
  }
}
[[gnu::noinline]] void read_all(const std::byte* p, size_t bytes) {
  __m256i s[8] = {};
  for (size_t i = 0; i + 256 <= bytes; i += 256) {
    for (int j = 0; j < 8; ++j)
      s[j] = _mm256_xor_si256(s[j],
                              _mm256_load_si256(reinterpret_cast<const __m256i*>(p + i + j * 32)));
  }
  for (__m256i& v : s) asm volatile("" : : "x"(v));
}
OCTAVO_TARGET_END

OCTAVO_TARGET_BEGIN(OCTAVO_AVX512_BF16)
[[gnu::noinline]] void peak_avx512() {
  __m512 s[24] = {};
  const __m512 x = _mm512_set1_ps(1);
  for (int64_t i = 0; i < kPeakSteps; ++i) {
#pragma GCC unroll 24
    for (__m512& v : s) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(v) : "v"(x));
  }
}
[[gnu::noinline]] void peak_bf16() {
  __m512 s[24] = {};
  const __m512i x = _mm512_set1_epi32(0x3F803F80);
  for (int64_t i = 0; i < kPeakSteps; ++i) {
#pragma GCC unroll 24
    for (__m512& v : s) asm volatile("vdpbf16ps %1, %1, %0" : "+v"(v) : "v"(x));
  }
}
OCTAVO_TARGET_END

OCTAVO_TARGET_BEGIN(OCTAVO_AVX512_VNNI)
[[gnu::noinline]] void peak_vnni() {
  __m512i s[24] = {};
  const __m512i x = _mm512_set1_epi32(0x01010101);
  for (int64_t i = 0; i < kPeakSteps; ++i) {
#pragma GCC unroll 24
    for (__m512i& v : s) asm volatile("vpdpbusd %1, %1, %0" : "+v"(v) : "v"(x));
  }
}
OCTAVO_TARGET_END

struct Peak {
  void (*run)();
  double flop;  // of one run of one thread
};

Peak peak_of(const std::string& isa, const Format& format, Compute compute) {
  if (compute == Compute::int8 && isa != "avx2" && isa != "avx512")
    return {peak_vnni, kPeakSteps * 24 * 128.0};
  if (isa == "avx2") return {peak_avx2, kPeakSteps * 10 * 16.0};
  if (isa == "avx512" || format.dtype == DType::f32) return {peak_avx512, kPeakSteps * 24 * 32.0};
  return {peak_bf16, kPeakSteps * 24 * 64.0};
}

// ---- Cases.

struct Shape {
  const char* name;
  int64_t out, in;
};

std::vector<Shape> shapes_of(const std::string& model) {
  if (model == "0.5B") return {{"0.5B gate", 4864, 896}, {"0.5B down", 896, 4864}};
  if (model == "1.1B")
    return {{"1.1B kv", 256, 2048}, {"1.1B qkvo", 2048, 2048}, {"1.1B gate", 5632, 2048}};
  return {{"7B qkvo", 4096, 4096}, {"7B gate", 11008, 4096}, {"7B down", 4096, 11008}};
}

Format format_of(const std::string& name) {
  if (name == "f32") return {.dtype = DType::f32};
  if (name == "f16") return {.dtype = DType::f16};
  if (name == "bf16") return {.dtype = DType::bf16};
  for (int i = 1; i <= static_cast<int>(BlockType::mxfp4); ++i) {
    const auto type = static_cast<BlockType>(i);
    std::string lower(traits(type).name);
    for (char& c : lower) c = static_cast<char>(std::tolower(c));
    if (name.starts_with(lower)) return block_format(type);
  }
  const size_t g = name.find('g');
  return {.scheme = Scheme::affine,
          .dtype = DType::f16,
          .bits = name[3] - '0',
          .group_size = g == std::string::npos ? 128 : std::stoi(name.substr(g + 1))};
}

Compute compute_of(const std::string& name) {
  if (name.ends_with("a8")) return Compute::int8;
  return name == "f32" ? Compute::f32 : Compute::bf16;
}

// Copies of one matrix, together more than the caches and the time slices of neighbours can hide.
std::vector<OwnedWeight> copies(const Ops& ops, const std::string& format_name, const Shape& shape,
                                size_t wanted) {
  const Format format = format_of(format_name);
  const Compute compute = compute_of(format_name);
  const Format own = ops.preferred(format, shape.out, shape.in, compute);
  const PlaneBytes bytes = ops.planes(own, shape.out, shape.in);
  std::vector<OwnedWeight> all;
  OwnedWeight source = random_weight(format, shape.out, shape.in, 1);
  if (format_name.find('s') != std::string::npos)
    std::memset(source.zeros.data(), 1 << (format.bits - 1), source.zeros.size_bytes());
  for (size_t held = 0; held < wanted; held += bytes.data) {
    all.emplace_back(own, shape.out, shape.in, bytes);
    if (all.size() == 1) {
      ops.pack(source.weight, 0, all[0].weight);
      continue;
    }
    std::memcpy(all.back().data.data(), all[0].data.data(), bytes.data);
    if (bytes.scales > 0) std::memcpy(all.back().scales.data(), all[0].scales.data(), bytes.scales);
    if (bytes.zeros > 0) std::memcpy(all.back().zeros.data(), all[0].zeros.data(), bytes.zeros);
  }
  return all;
}

struct Bench {
  Options options;
  Ops ops;
  ThreadPool pool;
  Queue queue;
  HugeBuffer memory;

  explicit Bench(const Options& o)
      : options(o), ops(table_of(o.isa)), pool(o.threads), queue(pool), memory(size_t{1} << 30) {
    std::memset(memory.data(), 1, memory.size_bytes());
  }

  double seconds(const std::function<void()>& run) const {
    const clockid_t clock = options.cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    const double begin = now_s(clock);
    run();
    return now_s(clock) - begin;
  }

  double read_rate() {
    const size_t part = memory.size_bytes() / pool.threads() / 256 * 256;
    const double s = seconds(
        [&] { pool.run([&](int worker) { read_all(memory.data() + worker * part, part); }); });
    return static_cast<double>(part * pool.threads()) / s;
  }

  double peak_rate(const Peak& peak) {
    return peak.flop * pool.threads() / seconds([&] { pool.run([&](int) { peak.run(); }); });
  }

  void run(const Shape& shape, const std::string& format_name, int64_t rows) {
    const Format format = format_of(format_name);
    const Compute compute = compute_of(format_name);
    const std::vector<OwnedWeight> weights =
        copies(ops, format_name, shape, rows <= 16 && !options.cached ? size_t{1200} << 20 : 1);
    std::vector<float> x(rows * shape.in), y(rows * shape.out);
    for (size_t i = 0; i < x.size(); ++i) x[i] = static_cast<float>(i % 17) / 16 - 0.5f;
    const auto multiply = [&](const OwnedWeight& w) {
      const Matmul m{.x = {x.data(), {rows, shape.in}},
                     .w = &w.weight,
                     .y = {y.data(), {rows, shape.out}},
                     .bias = {},
                     .compute = compute};
      ops.matmul(queue, {&m, 1});
    };
    const double flop = 2.0 * static_cast<double>(rows * shape.out * shape.in);
    const int repeat = static_cast<int>(std::clamp(1e10 / (flop * weights.size()), 1.0, 200.0));
    OnednnProduct yardstick(options.onednn, format.dtype, rows, shape.out, shape.in);
    std::vector<double> own, read, peak, other;
    for (const OwnedWeight& w : weights) multiply(w);
    for (int i = 0; i < options.runs; ++i) {
      const double calls = static_cast<double>(repeat) * weights.size();
      if (rows <= 16) read.push_back(read_rate());
      own.push_back(seconds([&] {
                      for (int r = 0; r < repeat; ++r) {
                        for (const OwnedWeight& w : weights) multiply(w);
                      }
                    }) /
                    calls);
      peak.push_back(peak_rate(peak_of(options.isa, format, compute)));
      if (yardstick.ready())
        other.push_back(seconds([&] {
                          for (int r = 0; r < repeat; ++r) yardstick.run();
                        }) /
                        repeat);
    }
    const double s = median(own), bytes = static_cast<double>(weights[0].weight.size_bytes());
    std::printf("%-10s %-7s M=%-4ld %9.1f us %7.2f GB/s", shape.name, format_name.c_str(),
                static_cast<long>(rows), s * 1e6, bytes / s / 1e9);
    if (rows <= 16) std::printf(" %4.0f %% of read", 100 * bytes / s / median(read));
    std::printf("  %7.1f GFLOP/s %4.0f %% of peak", flop / s / 1e9, 100 * flop / s / median(peak));
    if (!other.empty())
      std::printf("  oneDNN %7.1f GFLOP/s (%.2f x)", flop / median(other) / 1e9, median(other) / s);
    std::printf("\n");
    std::fflush(stdout);
  }
};

}  // namespace
}  // namespace octavo::cpu

int main(int argc, char** argv) {
  using namespace octavo::cpu;
  const Options options = parse(argc, argv);
  Bench bench(options);
  for (const std::string& model : options.shapes) {
    for (const Shape& shape : shapes_of(model)) {
      for (const std::string& format : options.formats) {
        for (const std::string& rows : options.rows) bench.run(shape, format, std::stol(rows));
      }
    }
  }
}
