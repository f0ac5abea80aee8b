#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "cpu/cpu.h"
#include "model/model.h"
#include "model/session.h"
#include "octavo/tokenizer.h"

// What a coarser KV cache costs the demo model in perplexity.

namespace octavo {
namespace {

constexpr int64_t kWindow = 512;

double log_of_token(std::span<const float> row, TokenId next) {
  double most = row[0], sum = 0;
  for (const float x : row) most = std::max(most, double{x});
  for (const float x : row) sum += std::exp(x - most);
  return row[next] - most - std::log(sum);
}

double perplexity(const Model& model, ThreadPool& pool, const std::vector<TokenId>& ids) {
  Session session(model, pool, kWindow);
  double loss = 0;
  int64_t count = 0;
  for (size_t at = 0; at + kWindow <= ids.size(); at += kWindow) {
    const auto window = std::span(ids).subspan(at, kWindow);
    session.run(window, [&](int64_t first, Mat logits) {
      for (int64_t i = 0; i < logits.rows() && first + i + 1 < kWindow; ++i, ++count)
        loss -= log_of_token(logits.row(i), window[first + i + 1]);
    });
  }
  return std::exp(loss / static_cast<double>(count));
}

TEST(KvCache, in_8_bits_loses_next_to_nothing) {
  // Another model and its text, to measure; the limits are the demo model's.
  const char* const folder = std::getenv("OCTAVO_KV_MODEL");
  const std::filesystem::path path = folder == nullptr ? "models/demo" : folder;
  std::ifstream file("models/demo/heldout.txt");
  std::stringstream text;
  text << file.rdbuf();
  const std::vector<TokenId> all = Tokenizer::load(path).encode(text.str());
  const std::vector<TokenId> ids(all.begin(),
                                 all.begin() + std::min<size_t>(all.size(), 8 * kWindow));

  ThreadPool pool(2);
  const std::unique_ptr<Model> model = load_model(path, cpu::ops(cpu::detect()), pool);
  model->kv_dtype = DType::f32;
  const double exact = perplexity(*model, pool, ids);
  const auto change = [&](DType dtype) {
    model->kv_dtype = dtype;
    const double percent = 100 * (perplexity(*model, pool, ids) / exact - 1);
    RecordProperty(std::string(name(dtype)) + " percent", std::to_string(percent));
    std::printf("%s: perplexity %+.4f %% of %.4f\n", std::string(name(dtype)).c_str(), percent,
                exact);
    return percent;
  };
  EXPECT_LT(std::abs(change(DType::bf16)), 0.1);
  EXPECT_LT(std::abs(change(DType::i8)), 0.2);
  EXPECT_LT(std::abs(change(DType::f8_e4m3)), 2);
  EXPECT_LT(std::abs(change(DType::f8_e5m2)), 4);
}

}  // namespace
}  // namespace octavo
