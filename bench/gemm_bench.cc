// Dense float products (Ops::gemm) of the sizes that quantization needs, against the peak of a
// register-only loop of multiply-adds with the same threads, interleaved, medians of the runs.
//   gemm_bench [--threads N] [--runs N] [--isa avx2|avx512] [--cpu-time]
// --cpu-time counts the time of the main thread instead of the clock: use it with --threads 1 on a
// machine that others use.
#include <immintrin.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <functional>
#include <string>
#include <vector>

#include "cpu/cpu.h"
#include "cpu/target.h"

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
  int threads = 0, runs = 5;
  std::string isa;
  bool cpu_time = false;
};

Options parse(int argc, char** argv) {
  Options o;
  for (int i = 1; i < argc; ++i) {
    const std::string key = argv[i];
    if (key == "--cpu-time") {
      o.cpu_time = true;
      continue;
    }
    const std::string value = i + 1 < argc ? argv[++i] : "";
    if (key == "--threads") o.threads = std::stoi(value);
    if (key == "--runs") o.runs = std::stoi(value);
    if (key == "--isa") o.isa = value;
  }
  return o;
}

// ---- What the machine can do.

constexpr int64_t kPeakSteps = 1000000;

OCTAVO_TARGET_BEGIN(OCTAVO_AVX2)
[[gnu::noinline]] void peak_avx2() {
  __m256 s[10] = {};
  const __m256 x = _mm256_set1_ps(1);
  for (int64_t i = 0; i < kPeakSteps; ++i) {
#pragma GCC unroll 10
    for (__m256& v : s) asm volatile("vfmadd231ps %1, %1, %0" : "+x"(v) : "x"(x));
  }
}
OCTAVO_TARGET_END

OCTAVO_TARGET_BEGIN(OCTAVO_AVX512)
[[gnu::noinline]] void peak_avx512() {
  __m512 s[24] = {};
  const __m512 x = _mm512_set1_ps(1);
  for (int64_t i = 0; i < kPeakSteps; ++i) {
#pragma GCC unroll 24
    for (__m512& v : s) asm volatile("vfmadd231ps %1, %1, %0" : "+v"(v) : "v"(x));
  }
}
OCTAVO_TARGET_END

struct Case {
  const char* name;
  GemmForm form;
  GemmPart part;
  int64_t m, n, k;
};

// Hessians of 8192 tokens, outputs of a layer, and GPTQ's updates behind a block of 128 columns.
constexpr Case kCases[] = {
    {"hessian 896", GemmForm::atb, GemmPart::all, 896, 896, 8192},
    {"hessian 896 upper", GemmForm::atb, GemmPart::upper, 896, 896, 8192},
    {"hessian 4864 upper", GemmForm::atb, GemmPart::upper, 4864, 4864, 8192},
    {"outputs 4864", GemmForm::abt, GemmPart::all, 8192, 4864, 896},
    {"outputs 896", GemmForm::abt, GemmPart::all, 8192, 896, 4864},
    {"update 896 x 4736", GemmForm::ab, GemmPart::all, 896, 4736, 128},
    {"update 4736 upper", GemmForm::atb, GemmPart::upper, 4736, 4736, 128},
};

struct Bench {
  Options options;
  bool wide;
  Ops ops;
  ThreadPool pool;
  Queue queue;

  explicit Bench(const Options& o)
      : options(o),
        wide(o.isa != "avx2" && detect().avx512),
        ops(cpu::ops(o.isa.empty() ? detect() : limit(detect(), o.isa))),
        pool(o.threads),
        queue(pool) {}

  double seconds(const std::function<void()>& run) const {
    const clockid_t clock = options.cpu_time ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
    const double begin = now_s(clock);
    run();
    return now_s(clock) - begin;
  }

  double peak_rate() {
    const double flop = static_cast<double>(kPeakSteps) * (wide ? 24 * 32.0 : 10 * 16.0);
    return flop * pool.threads() /
           seconds([&] { pool.run([&](int) { wide ? peak_avx512() : peak_avx2(); }); });
  }

  void run(const Case& c) {
    const bool atb = c.form == GemmForm::atb, abt = c.form == GemmForm::abt;
    std::vector<float> a(c.m * c.k), b(c.k * c.n), y(c.m * c.n);
    for (size_t i = 0; i < a.size(); ++i) a[i] = static_cast<float>(i % 17) / 16 - 0.5f;
    for (size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 13) / 16 - 0.4f;
    const Gemm g{.a = {a.data(), {atb ? c.k : c.m, atb ? c.m : c.k}},
                 .b = {b.data(), {abt ? c.n : c.k, abt ? c.k : c.n}},
                 .c = {y.data(), {c.m, c.n}},
                 .form = c.form,
                 .part = c.part};
    double flop =
        2.0 * static_cast<double>(c.m) * static_cast<double>(c.n) * static_cast<double>(c.k);
    if (c.part == GemmPart::upper) flop /= 2;
    const int repeat = static_cast<int>(std::clamp(5e10 / flop, 1.0, 20.0));
    std::vector<double> own, peak;
    ops.gemm(queue, g);
    for (int i = 0; i < options.runs; ++i) {
      own.push_back(seconds([&] {
                      for (int r = 0; r < repeat; ++r) ops.gemm(queue, g);
                    }) /
                    repeat);
      peak.push_back(peak_rate());
    }
    const double s = median(own);
    std::printf("%-20s %9.2f ms %8.1f GFLOP/s %4.0f %% of peak (%.1f)\n", c.name, s * 1e3,
                flop / s / 1e9, 100 * flop / s / median(peak), median(peak) / 1e9);
    std::fflush(stdout);
  }
};

}  // namespace
}  // namespace octavo::cpu

int main(int argc, char** argv) {
  octavo::cpu::Bench bench(octavo::cpu::parse(argc, argv));
  for (const auto& c : octavo::cpu::kCases) bench.run(c);
}
