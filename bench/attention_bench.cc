// Attention of the CPU tables: decode as a share of the read bandwidth of the same process,
// prefill as multiplications a second. Medians of interleaved runs.
//   attention_bench [threads] [level]

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <numeric>
#include <string>
#include <vector>

#include "base/half.h"
#include "base/memory.h"
#include "cpu/cpu.h"

namespace octavo {
namespace {

constexpr int kRuns = 9;
constexpr int64_t kHugePage = int64_t{2} << 20;

double now(clockid_t clock) {
  timespec time{};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// Time of the clock on the wall; of the thread alone when it works alone, so that a busy machine
// takes its share of bandwidth but not of time.
double seconds(const ThreadPool& pool, const std::function<void()>& body) {
  const clockid_t clock = pool.threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const double begin = now(clock);
  body();
  return now(clock) - begin;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// Bytes a second of all workers reading `buffer` once.
double read_bandwidth(ThreadPool& pool, const HugeBuffer& buffer) {
  const auto* words = reinterpret_cast<const uint64_t*>(buffer.data());
  const auto count = static_cast<int64_t>(buffer.size_bytes() / sizeof(uint64_t));
  std::vector<uint64_t> sums(pool.threads() * 8);
  const double time = seconds(pool, [&] {
    pool.split(count, 1 << 16, [&](int64_t begin, int64_t end, int worker) {
      uint64_t lanes[8] = {};
      for (int64_t i = begin; i < end; i += 8) {
        for (int j = 0; j < 8; ++j) lanes[j] += words[i + j];
      }
      sums[worker * 8] = std::accumulate(lanes, lanes + 8, uint64_t{0});
    });
  });
  if (sums[0] == 1) std::puts("");  // the sums are used
  return static_cast<double>(buffer.size_bytes()) / time;
}

struct Shape {
  int64_t heads, kv_heads, head_dim, sequences, queries, tokens;
  DType dtype = DType::bf16;
  bool shared = false;  // all sequences hold the tokens but the last block in the same blocks
};

struct Case {
  Case(const Shape& s, Queue& queue, const Ops& ops)
      : shape(s),
        kv{.kv_heads = s.kv_heads, .head_dim = s.head_dim, .dtype = s.dtype},
        blocks(s.sequences * ((s.tokens + 31) / 32)),
        k(std::max(blocks * kv.block_bytes(), kHugePage)),  // as a layer's part of a real cache
        v(std::max(blocks * kv.block_bytes(), kHugePage)),
        q(s.sequences * s.queries * s.heads * s.head_dim),
        out(q.size()) {
    for (size_t i = 0; i < q.size(); ++i) q[i] = static_cast<float>(i * 7919 % 1000) * 0.002f - 1;
    std::vector<float> row(s.kv_heads * s.head_dim);
    for (size_t i = 0; i < row.size(); ++i) row[i] = static_cast<float>(i % 17) * 0.1f - 0.8f;
    for (int32_t slot = 0; slot < blocks * 32; ++slot) {
      const ConstHeads one(row.data(), {1, s.kv_heads, s.head_dim});
      ops.write_kv(queue, one, one, {&slot, 1}, {kv, k.data(), v.data()});
    }
    table.resize(blocks);
    std::iota(table.begin(), table.end(), 0);
    const int64_t each = blocks / s.sequences;
    for (int64_t i = each; s.shared && i < blocks; ++i) {
      if (i % each != each - 1) table[i] = static_cast<int32_t>(i % each);
    }
    for (int64_t i = 0; i <= s.sequences; ++i)
      row_begin.push_back(static_cast<int32_t>(i * s.queries));
    kv_tokens.assign(s.sequences, static_cast<int32_t>(s.tokens));
  }

  Attention attention() {
    const int64_t n = shape.sequences * shape.queries;
    return {.q = ConstHeads(q.data(), {n, shape.heads, shape.head_dim}),
            .kv = {kv, k.data(), v.data()},
            .row_begin = row_begin,
            .kv_tokens = kv_tokens,
            .block_table =
                View<const int32_t, 2>(table.data(), {shape.sequences, blocks / shape.sequences}),
            .scale = 0.1f,
            .out = Heads(out.data(), {n, shape.heads, shape.head_dim})};
  }

  Shape shape;
  KvShape kv;
  int64_t blocks;
  HugeBuffer k, v;
  std::vector<float> q, out;
  std::vector<int32_t> table, row_begin, kv_tokens;
};

void print_decode(Queue& queue, const Ops& ops, const Shape& shape, const HugeBuffer& memory) {
  Case c(shape, queue, ops);
  const double bytes = 2.0 * static_cast<double>(shape.sequences * shape.tokens * shape.kv_heads *
                                                 c.kv.token_bytes());
  std::vector<double> rates, shares;
  for (int run = 0; run < kRuns; ++run) {
    const double bandwidth = read_bandwidth(queue.pool(), memory);
    const Attention a = c.attention();
    const double rate = bytes / seconds(queue.pool(), [&] { ops.attention(queue, a); });
    rates.push_back(rate);
    shares.push_back(rate / bandwidth);
  }
  std::printf(
      "%-16s decode  %2d/%d heads of %3d, %s, %d x %5d tokens%s, %6.1f MB: %5.1f GB/s, %3.0f %% "
      "of reading\n",
      std::string(ops.name).c_str(), static_cast<int>(shape.heads),
      static_cast<int>(shape.kv_heads), static_cast<int>(shape.head_dim),
      std::string(name(shape.dtype)).c_str(), static_cast<int>(shape.sequences),
      static_cast<int>(shape.tokens), shape.shared ? " shared" : "", bytes / 1e6,
      median(rates) / 1e9, 100 * median(shares));
}

void print_prefill(Queue& queue, const Ops& ops, const Shape& shape) {
  Case c(shape, queue, ops);
  // Two products of the causal half: 2 · 2 · e a query and key.
  const double pairs =
      static_cast<double>(shape.queries) * static_cast<double>(shape.queries + 1) / 2;
  const double work = 4.0 * pairs * static_cast<double>(shape.heads * shape.head_dim);
  std::vector<double> rates;
  for (int run = 0; run < kRuns; ++run) {
    const Attention a = c.attention();
    rates.push_back(work / seconds(queue.pool(), [&] { ops.attention(queue, a); }));
  }
  std::printf(
      "%-16s prefill %2d/%d heads of %3d, %s, %5d tokens: median %6.1f, best %6.1f GFLOP/s\n",
      std::string(ops.name).c_str(), static_cast<int>(shape.heads),
      static_cast<int>(shape.kv_heads), static_cast<int>(shape.head_dim),
      std::string(name(shape.dtype)).c_str(), static_cast<int>(shape.queries), median(rates) / 1e9,
      *std::max_element(rates.begin(), rates.end()) / 1e9);
}

void run(int threads, const char* level) {
  ThreadPool pool(threads);
  Queue queue(pool);
  const Ops ops = cpu::ops(cpu::limit(cpu::detect(), level));
  HugeBuffer memory(size_t{256} << 20);
  for (size_t i = 0; i < memory.size_bytes(); i += 4096) memory.data()[i] = std::byte{1};
  std::printf("%d threads, reading %.1f GB/s\n", pool.threads(),
              read_bandwidth(pool, memory) / 1e9);
  for (int64_t head_dim : {64, 128}) {
    for (DType dtype : {DType::bf16, DType::i8, DType::f8_e4m3}) {
      print_decode(queue, ops, {14, 2, head_dim, 1, 1, 65536, dtype}, memory);
      print_decode(queue, ops, {32, 8, head_dim, 4, 1, 4096, dtype}, memory);
      print_decode(queue, ops, {8, 8, head_dim, 4, 1, 4096, dtype}, memory);
      print_decode(queue, ops, {8, 8, head_dim, 16, 1, 2048, dtype, true}, memory);
      print_decode(queue, ops, {14, 2, head_dim, 1, 1, 2048, dtype}, memory);
      print_prefill(queue, ops, {14, 2, head_dim, 1, 1024, 1024, dtype});
    }
    print_prefill(queue, ops, {14, 2, head_dim, 1, 1024, 1024, DType::f32});
  }
}

}  // namespace
}  // namespace octavo

int main(int argc, char** argv) {
  octavo::run(argc > 1 ? std::atoi(argv[1]) : 0, argc > 2 ? argv[2] : "auto");
  return 0;
}
