#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "cpu/cpu.h"
#include "io/safetensors.h"
#include "model/model.h"
#include "model/session.h"
#include "octavo/error.h"
#include "octavo/quantize.h"

// Every family against logits of transformers (tests/data/parity, made by
// tools/make_parity_fixtures.py), on every kernel table of this machine; and the promises that hold
// for any model: same bits for any chunking and thread count.

namespace octavo {
namespace {

namespace fs = std::filesystem;

const fs::path kCases = "tests/data/parity";

std::vector<std::string> case_names() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kCases)) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

// What this machine can run, by OCTAVO_ISA's names; at least AVX2.
std::vector<cpu::Features> feature_sets() {
  std::vector<cpu::Features> all;
  for (const char* isa : {"avx2", "avx512", "avx512-bf16", "amx"}) {
    try {
      all.push_back(cpu::limit(cpu::detect(), isa));
    } catch (const Error&) {
      continue;  // not on this machine
    }
  }
  return all;
}

// The reference and these.
std::vector<Ops> tables() {
  std::vector<Ops> all{reference::ops()};
  for (const cpu::Features& features : feature_sets()) all.push_back(cpu::ops(features));
  return all;
}

template <class T>
std::vector<T> read_tensor(const fs::path& file, const std::string& name) {
  const File opened(file);
  for (const TensorEntry& entry : read_safetensors_header(opened)) {
    if (entry.name != name) continue;
    std::vector<T> values(entry.bytes / sizeof(T));
    opened.read(entry.begin, std::as_writable_bytes(std::span(values)));
    return values;
  }
  throw std::runtime_error("no tensor " + name);
}

std::vector<TokenId> read_ids(const std::string& name) {
  const auto ids = read_tensor<int64_t>(kCases / name / "reference.safetensors", "ids");
  return {ids.begin(), ids.end()};
}

struct Setting {
  int threads = 2;
  int64_t rows_a_step = 128;
  DTypeChoice dtype = DTypeChoice::float32;
};

std::vector<float> logits_of(const fs::path& directory, const Ops& ops,
                             std::span<const TokenId> ids, const Setting& setting = {}) {
  ThreadPool pool(setting.threads);
  const auto model = load_model(directory, ops, pool, {.dtype = setting.dtype});
  Session session(*model, pool, static_cast<int64_t>(ids.size()), setting.rows_a_step);
  std::vector<float> all;
  session.run(ids, [&](int64_t, Mat logits) {
    all.insert(all.end(), logits.data, logits.data + logits.rows() * logits.cols());
  });
  return all;
}

// Largest difference in units of the reference's spread.
double distance(std::span<const float> mine, std::span<const float> wanted) {
  if (mine.size() != wanted.size()) return INFINITY;
  double sum = 0, squares = 0, worst = 0;
  for (size_t i = 0; i < mine.size(); ++i) {
    sum += wanted[i];
    squares += static_cast<double>(wanted[i]) * wanted[i];
    if (!std::isfinite(mine[i])) return INFINITY;
    worst = std::max(worst, std::abs(static_cast<double>(mine[i]) - wanted[i]));
  }
  const auto n = static_cast<double>(wanted.size());
  return worst / std::sqrt(squares / n - sum / n * (sum / n));
}

class Family : public testing::TestWithParam<std::string> {};

TEST_P(Family, gives_the_logits_of_transformers_on_every_table) {
  const auto ids = read_ids(GetParam());
  const auto wanted = read_tensor<float>(kCases / GetParam() / "reference.safetensors", "logits");
  for (const Ops& ops : tables())
    EXPECT_LE(distance(logits_of(kCases / GetParam(), ops, ids), wanted), 1e-4) << ops.name;
}

// The llama fixture as a GGUF file (tools/make_gguf_fixtures.py).
TEST(Gguf, gives_the_logits_of_transformers_on_every_table) {
  const auto ids = read_ids("llama");
  const auto wanted = read_tensor<float>(kCases / "llama" / "reference.safetensors", "logits");
  for (const Ops& ops : tables()) {
    const auto mine = logits_of("tests/data/gguf/llama.gguf", ops, ids);
    EXPECT_LE(distance(mine, wanted), 1e-4) << ops.name;
    EXPECT_EQ(logits_of("tests/data/gguf/llama.gguf", ops, ids, {1, 7}), mine) << ops.name;
  }
}

TEST_P(Family, gives_the_same_bits_for_any_chunking_and_thread_count) {
  const auto ids = read_ids(GetParam());
  for (const Ops& ops : tables()) {
    for (DTypeChoice dtype : {DTypeChoice::float32, DTypeChoice::bfloat16}) {
      const auto whole = logits_of(kCases / GetParam(), ops, ids,
                                   {.threads = 2, .rows_a_step = 128, .dtype = dtype});
      for (const Setting& other :
           {Setting{1, 128, dtype}, Setting{2, 7, dtype}, Setting{3, 1, dtype}}) {
        EXPECT_EQ(logits_of(kCases / GetParam(), ops, ids, other), whole)
            << ops.name << ", " << other.threads << " threads, chunks of " << other.rows_a_step;
      }
    }
  }
}

TEST_P(Family, loses_little_in_bfloat16) {
  const auto ids = read_ids(GetParam());
  const auto wanted = read_tensor<float>(kCases / GetParam() / "reference.safetensors", "logits");
  for (const Ops& ops : tables())
    EXPECT_LE(distance(logits_of(kCases / GetParam(), ops, ids, {.dtype = DTypeChoice::bfloat16}),
                       wanted),
              0.2)
        << ops.name;
}

// Packed weights on every table against the reference's plain loops over the same codes: the
// quantizer's error is the same in all of them, so only rounding of sums is left.
TEST_P(Family, runs_packed_weights_alike_on_every_table) {
  const auto ids = read_ids(GetParam());
  const auto dense = read_tensor<float>(kCases / GetParam() / "reference.safetensors", "logits");
  const fs::path out = fs::path(testing::TempDir()) / ("octavo_parity_" + GetParam());
  for (bool symmetric : {false, true}) {
    fs::remove_all(out);
    ThreadPool pool(2);
    quantize({.model = kCases / GetParam(),
              .out = out,
              .recipe = {.bits = symmetric ? 8 : 4, .group_size = 16, .symmetric = symmetric}},
             reference::ops(), pool);
    const auto wanted = logits_of(out, reference::ops(), ids);
    if (symmetric) {
      EXPECT_LE(distance(wanted, dense), 0.5);  // 8 bits are near the dense model
    }
    for (const Ops& ops : tables())
      EXPECT_LE(distance(logits_of(out, ops, ids), wanted), 1e-4) << ops.name;
  }
  fs::remove_all(out);
}

// Scales that were folded wrongly, or Hessians of the wrong input, show as a model that computes
// something else: at 8 bits hardly anything may change.
TEST_P(Family, computes_the_same_after_every_method_at_8_bits) {
  const auto ids = read_ids(GetParam());
  const auto dense = read_tensor<float>(kCases / GetParam() / "reference.safetensors", "logits");
  const fs::path out = fs::path(testing::TempDir()) / ("octavo_methods_" + GetParam());
  using Method = Recipe::Method;
  for (const Method method : {Method::awq, Method::gptq, Method::awq_gptq}) {
    fs::remove_all(out);
    ThreadPool pool(2);
    const QuantizeReport report =
        quantize({.model = kCases / GetParam(),
                  .out = out,
                  .recipe = {.method = method, .bits = 8, .group_size = 16},
                  .samples = {{ids.begin(), ids.end()}, {ids.begin() + 1, ids.end()}}},
                 tables().back(), pool);
    const double far = distance(logits_of(out, reference::ops(), ids), dense);
    EXPECT_LE(far, 0.5) << static_cast<int>(method);
    for (const LayerReport& layer : report.layers) EXPECT_LT(layer.output_error, 1e-3);
  }
  fs::remove_all(out);
}

INSTANTIATE_TEST_SUITE_P(families, Family, testing::ValuesIn(case_names()), [](const auto& info) {
  std::string name = info.param;
  std::ranges::replace(name, '-', '_');
  return name;
});

QuantizeJob small_job(const fs::path& out) {
  return {.model = kCases / "llama", .out = out, .recipe = {.bits = 4, .group_size = 16}};
}

TEST(Quantize, gives_the_same_bytes_for_any_thread_count_and_table) {
  const auto ids = read_ids("llama");
  using Method = Recipe::Method;
  for (const Method method : {Method::rtn, Method::awq, Method::gptq, Method::awq_gptq}) {
    std::vector<std::vector<std::byte>> files;
    for (const cpu::Features& features : feature_sets()) {
      for (int threads : {1, 3}) {
        const fs::path out = fs::path(testing::TempDir()) / "octavo_threads";
        fs::remove_all(out);
        ThreadPool pool(threads);
        QuantizeJob job = small_job(out);
        job.recipe.method = method;
        job.samples = {{ids.begin(), ids.end()}, {ids.begin() + 1, ids.end()}};
        quantize(job, cpu::exact_ops(features), pool);
        const File file(out / "model.safetensors");
        files.emplace_back(file.size_bytes());
        file.read(0, files.back());
        fs::remove_all(out);
      }
    }
    for (const auto& file : files) EXPECT_EQ(files[0], file) << static_cast<int>(method);
  }
}

TEST(Quantize, gives_the_same_bytes_however_little_memory_it_may_use) {
  const auto ids = read_ids("llama");
  using Method = Recipe::Method;
  for (const Method method : {Method::awq, Method::gptq, Method::awq_gptq}) {
    std::vector<std::vector<std::byte>> files;
    for (const uint64_t memory : {uint64_t{0}, uint64_t{1}}) {
      const fs::path out = fs::path(testing::TempDir()) / "octavo_memory";
      fs::remove_all(out);
      ThreadPool pool(2);
      QuantizeJob job = small_job(out);
      job.recipe.method = method;
      job.memory_bytes = memory;
      job.samples = {{ids.begin(), ids.end()}, {ids.begin() + 1, ids.end()}, {ids[0], ids[2]}};
      quantize(job, tables().back(), pool);
      const File file(out / "model.safetensors");
      files.emplace_back(file.size_bytes());
      file.read(0, files.back());
      fs::remove_all(out);
    }
    EXPECT_EQ(files[0], files[1]) << static_cast<int>(method);
  }
}

TEST(Quantize, quantizes_the_head_too_where_asked) {
  const auto ids = read_ids("llama");
  const auto dense = read_tensor<float>(kCases / "llama" / "reference.safetensors", "logits");
  const fs::path out = fs::path(testing::TempDir()) / "octavo_head";
  using Method = Recipe::Method;
  for (const Method method : {Method::rtn, Method::awq, Method::gptq}) {
    fs::remove_all(out);
    ThreadPool pool(2);
    QuantizeJob job = small_job(out);
    job.recipe.method = method;
    job.recipe.bits = 8;
    job.recipe.head = true;
    job.samples = {{ids.begin(), ids.end()}};
    const QuantizeReport report = quantize(job, reference::ops(), pool);
    EXPECT_EQ(report.matrices.back().layer, -1);
    EXPECT_EQ(report.matrices.back().bits, 8);
    EXPECT_LE(distance(logits_of(out, reference::ops(), ids), dense), 0.5);
  }
  fs::remove_all(out);
}

TEST(Quantize, refuses_what_does_not_fit_and_leaves_nothing) {
  const fs::path out = fs::path(testing::TempDir()) / "octavo_refused";
  for (const char* end : {"", "2", ".tmp-quantize"}) fs::remove_all(out.string() + end);
  ThreadPool pool(1);
  const auto run = [&](const QuantizeJob& job) { quantize(job, reference::ops(), pool); };
  QuantizeJob job = small_job(out);
  job.recipe.bits = 9;
  EXPECT_THROW(run(job), Error);
  job = small_job(out);
  job.recipe.method = Recipe::Method::gptq;  // without samples
  EXPECT_THROW(run(job), Error);
  job = small_job(out);
  job.model = kCases / "nowhere";
  EXPECT_THROW(run(job), Error);
  EXPECT_FALSE(fs::exists(out));
  EXPECT_FALSE(fs::exists(out.string() + ".tmp-quantize"));
  run(small_job(out));
  job = small_job(out.string() + "2");
  job.model = out;  // quantized already
  EXPECT_THROW(run(job), Error);
  EXPECT_THROW(run(small_job(out)), Error);  // there already
  fs::remove_all(out);
}

}  // namespace
}  // namespace octavo
