#include "engine/prefix_store.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "engine/fake_model.h"
#include "engine/loop.h"
#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("octavo-store-" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  std::vector<fs::path> files() const {
    std::vector<fs::path> found;
    for (const auto& entry : fs::recursive_directory_iterator(path_)) {
      if (entry.is_regular_file()) found.push_back(entry.path());
    }
    return found;
  }

 private:
  fs::path path_;
};

struct Answer {
  std::vector<TokenId> tokens;
  Event last;
};

// An engine with a directory; the clock gains a second a step, so the rate allows every block.
struct Bench {
  explicit Bench(const Folder& folder) {
    options.prefix_files.directory = folder.path();
    options.prefix_files.model = "fake";
  }

  FakeModel fake = {.identity = 1};
  EngineOptions options = {.max_model_len = 128,
                           .max_num_seqs = 4,
                           .max_num_batched_tokens = 64,
                           .num_blocks = 16,
                           .block_tokens = 16};
  double time = 0;
  ThreadPool pool{1};
  std::unique_ptr<EngineLoop> loop;

  EngineLoop& engine() {
    if (!loop) {
      fake.before_step = [this](const Batch&) { time += 1; };
      loop =
          std::make_unique<EngineLoop>(fake.step_model(16), pool, options, [this] { return time; });
    }
    return *loop;
  }
  Answer run(std::vector<TokenId> prompt, int64_t max_tokens, const std::string& salt = "") {
    Request request{.prompt = std::move(prompt)};
    request.sampling.temperature = 0;
    request.sampling.max_tokens = max_tokens;
    request.cache_salt = salt;
    Answer answer;
    engine().submit(std::move(request), [&answer](const Event& event) {
      answer.tokens.insert(answer.tokens.end(), event.tokens.begin(), event.tokens.end());
      answer.last = event;
    });
    engine().run_until_idle();
    return answer;
  }
  // Until the store's thread has opened the files: only then they are looked for.
  void wait_open() {
    while (engine().stats().disk_blocks == 0) std::this_thread::yield();
  }
};

std::vector<TokenId> prompt(uint32_t seed, int64_t length) {
  std::mt19937 random(seed);
  std::vector<TokenId> tokens(length);
  for (TokenId& token : tokens) token = static_cast<TokenId>(random() % 50);
  return tokens;
}

TEST(PrefixStore, keeps_prefixes_over_a_restart_with_the_same_answer) {
  const Folder folder;
  const auto tokens = prompt(1, 70);
  Answer before;
  {
    Bench bench(folder);
    before = bench.run(tokens, 30);
    EXPECT_EQ(before.last.cached_tokens, 0);
    bench.engine().drain(0);
    EXPECT_EQ(bench.engine().stats().disk_blocks, 6) << "99 tokens computed";
  }
  EXPECT_EQ(folder.files().size(), 6u);
  Bench bench(folder);
  bench.wait_open();
  const Answer after = bench.run(tokens, 30);
  EXPECT_EQ(after.tokens, before.tokens);
  EXPECT_EQ(after.last.cached_tokens, 64);
  EXPECT_EQ(after.last.cached_disk_tokens, 64);
  const Answer again = bench.run(tokens, 30);
  EXPECT_EQ(again.tokens, before.tokens);
  EXPECT_EQ(again.last.cached_tokens, 64);
  EXPECT_EQ(again.last.cached_disk_tokens, 0) << "they are in memory now";
  EXPECT_EQ(bench.engine().stats().prefix_hits_disk_tokens, 64);
  EXPECT_EQ(bench.engine().stats().disk_blocks_read, 4);
}

TEST(PrefixStore, saves_in_the_destructor_too) {
  const Folder folder;
  { Bench(folder).run(prompt(2, 40), 2); }
  EXPECT_EQ(folder.files().size(), 2u);
}

TEST(PrefixStore, finds_nothing_for_another_salt_or_model) {
  const Folder folder;
  const auto tokens = prompt(3, 40);
  { Bench(folder).run(tokens, 2, "mine"); }
  Bench same(folder);
  same.wait_open();
  EXPECT_EQ(same.run(tokens, 2).last.cached_tokens, 0);
  EXPECT_EQ(same.run(tokens, 2, "yours").last.cached_tokens, 0);
  EXPECT_EQ(same.run(tokens, 2, "mine").last.cached_tokens, 32);
  Bench other(folder);
  other.fake.identity = 2;
  other.run(prompt(4, 40), 2);
  other.wait_open();
  const Answer answer = other.run(tokens, 2, "mine");
  EXPECT_EQ(answer.last.finish, Finish::length);
  EXPECT_EQ(answer.last.cached_tokens, 0);
}

TEST(PrefixStore, computes_again_what_a_damaged_file_held) {
  const Folder folder;
  const auto tokens = prompt(5, 100);
  Answer before;
  { before = Bench(folder).run(tokens, 20); }
  for (const fs::path& path : folder.files()) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(300);
    file.put('\x55');
  }
  Bench bench(folder);
  bench.wait_open();
  const Answer after = bench.run(tokens, 20);
  EXPECT_EQ(after.tokens, before.tokens);
  EXPECT_EQ(after.last.cached_tokens, 0);
  EXPECT_EQ(bench.engine().stats().disk_files_rejected, 1) << "the first one ends the search";
}

TEST(PrefixStore, brings_back_what_memory_had_no_room_for) {
  const Folder folder;
  Bench bench(folder);
  const auto tokens = prompt(6, 100);
  const Answer before = bench.run(tokens, 4);
  for (uint32_t i = 0; i < 4; ++i) bench.run(prompt(10 + i, 100), 4);  // evicts all of it
  bench.wait_open();
  while (bench.engine().stats().disk_blocks < 6 * 5) std::this_thread::yield();
  const Answer after = bench.run(tokens, 4);
  EXPECT_EQ(after.tokens, before.tokens);
  EXPECT_EQ(after.last.cached_tokens, 96);
  EXPECT_GT(after.last.cached_disk_tokens, 0);
  EXPECT_EQ(bench.engine().cache().pool().free(), 16);
}

TEST(PrefixStore, keeps_nothing_that_a_broken_request_computed) {
  const Folder folder;
  {
    Bench bench(folder);
    bench.fake.poison = 51;
    auto tokens = prompt(7, 90);
    tokens[80] = 51;
    EXPECT_EQ(bench.run(tokens, 4).last.finish, Finish::error);
    EXPECT_EQ(bench.engine().stats().corrupted_requests, 1);
    bench.engine().drain(0);
  }
  EXPECT_TRUE(folder.files().empty());
}

TEST(PrefixStore, forgets_with_the_cache) {
  const Folder folder;
  Bench bench(folder);
  const auto tokens = prompt(8, 40);
  bench.run(tokens, 2);
  bench.wait_open();
  EXPECT_TRUE(bench.engine().reset_prefix_cache(Engine::Running::keep));
  EXPECT_TRUE(folder.files().empty());
  EXPECT_EQ(bench.run(tokens, 2).last.cached_tokens, 0);
}

TEST(PrefixStore, does_without_a_directory_that_fails_while_it_runs) {
  const Folder folder;
  Bench bench(folder);
  const auto tokens = prompt(9, 60);
  const Answer before = bench.run(tokens, 8);
  bench.wait_open();
  fs::remove_all(folder.path());
  for (uint32_t i = 0; i < 8; ++i) bench.run(prompt(20 + i, 100), 4);
  EXPECT_EQ(bench.run(tokens, 8).tokens, before.tokens);
  bench.engine().drain(0);
  EXPECT_GT(bench.engine().stats().disk_write_failures, 0);
}

TEST(PrefixStore, refuses_a_directory_that_cannot_be) {
  const Folder folder;
  std::ofstream(folder.path()) << "a file";
  Bench bench(folder);
  EXPECT_THROW(bench.engine(), Error);
}

}  // namespace
}  // namespace octavo
