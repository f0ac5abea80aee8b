#include "cache/prefix_files.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;
using Payload = std::vector<std::byte>;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("octavo-prefix-" + std::to_string(::getpid()))) {
    fs::remove_all(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }
  // The only file in it.
  fs::path only_file() const {
    fs::path found;
    for (const auto& entry : fs::recursive_directory_iterator(path_)) {
      if (!entry.is_regular_file()) continue;
      EXPECT_TRUE(found.empty());
      found = entry.path();
    }
    return found;
  }
  int64_t files() const {
    int64_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(path_)) {
      count += entry.is_regular_file();
    }
    return count;
  }

 private:
  fs::path path_;
};

constexpr int64_t kBytes = 1000, kFileBytes = 1124;

PrefixFiles::Options options(const Folder& folder, uint8_t identity = 1, int64_t blocks = 100) {
  PrefixFiles::Options options{
      .folder = folder.path(), .max_bytes = blocks * kFileBytes, .block_bytes = kBytes};
  options.identity.fill(identity);
  return options;
}

BlockKey key(int number) { return child_key({}, std::vector<TokenId>{number}); }

Payload payload(int number, int64_t bytes = kBytes) {
  std::mt19937 random(number);
  Payload bytes_of(bytes);
  for (std::byte& byte : bytes_of) byte = static_cast<std::byte>(random());
  return bytes_of;
}

bool reads(PrefixFiles& files, int number) {
  Payload got(kBytes);
  return files.read(key(number), got) && got == payload(number);
}

TEST(PrefixFiles, finds_blocks_again_after_a_restart) {
  const Folder folder;
  {
    PrefixFiles files(options(folder));
    EXPECT_TRUE(files.write(key(1), payload(1)));
    EXPECT_TRUE(files.write(key(2), payload(2)));
    EXPECT_TRUE(files.write(key(2), payload(2)));
    EXPECT_EQ(files.counts().written, 2);
  }
  PrefixFiles files(options(folder));
  EXPECT_EQ(files.counts().blocks, 2);
  EXPECT_EQ(files.counts().bytes, 2 * kFileBytes);
  EXPECT_TRUE(reads(files, 1));
  EXPECT_TRUE(reads(files, 2));
  EXPECT_FALSE(reads(files, 3));
  EXPECT_EQ(files.counts().read, 2);
}

TEST(PrefixFiles, rejects_counts_and_removes_a_file_with_any_byte_changed) {
  const Folder folder;
  PrefixFiles(options(folder)).write(key(1), payload(1));
  const fs::path path = folder.only_file();
  std::string whole(kFileBytes, '\0');
  std::ifstream(path, std::ios::binary).read(whole.data(), kFileBytes);
  for (size_t at = 0; at < whole.size(); at += at < 130 ? 1 : 97) {
    std::string damaged = whole;
    damaged[at] ^= 1 << at % 8;
    std::ofstream(path, std::ios::binary) << damaged;
    PrefixFiles files(options(folder));
    EXPECT_FALSE(reads(files, 1)) << "byte " << at;
    EXPECT_EQ(files.counts().rejected, 1);
    EXPECT_EQ(files.counts().blocks, 0);
    EXPECT_EQ(folder.files(), 0);
  }
  std::ofstream(path, std::ios::binary) << whole;
  PrefixFiles files(options(folder));
  EXPECT_TRUE(reads(files, 1));
}

TEST(PrefixFiles, rejects_a_file_of_another_length) {
  const Folder folder;
  PrefixFiles(options(folder)).write(key(1), payload(1));
  const fs::path path = folder.only_file();
  for (const int64_t length : {0, 1, 60, 123, 124, 700, 1123, 1125}) {
    fs::resize_file(path, length);
    PrefixFiles files(options(folder));
    EXPECT_FALSE(reads(files, 1)) << length;
    EXPECT_EQ(files.counts().rejected, 1);
    EXPECT_EQ(folder.files(), 0);
    files.write(key(1), payload(1));
  }
}

TEST(PrefixFiles, takes_no_block_under_another_key_or_of_another_identity) {
  const Folder folder;
  PrefixFiles first(options(folder, 1));
  first.write(key(1), payload(1));
  const fs::path path = folder.only_file();
  PrefixFiles second(options(folder, 2));
  EXPECT_EQ(second.counts().blocks, 0);
  EXPECT_FALSE(reads(second, 1));
  EXPECT_TRUE(reads(first, 1)) << "the other one's files stay";

  second.write(key(5), payload(5));
  fs::path other;
  for (const auto& entry : fs::recursive_directory_iterator(folder.path())) {
    if (entry.is_regular_file() && entry.path() != path) other = entry.path();
  }
  fs::copy_file(path, other.parent_path() / path.filename());  // another model's, moved in
  fs::rename(other, path.parent_path() / other.filename());    // and the other way
  PrefixFiles second_again(options(folder, 2)), first_again(options(folder, 1));
  EXPECT_FALSE(reads(second_again, 1));
  EXPECT_FALSE(reads(first_again, 5));
  EXPECT_EQ(second_again.counts().rejected, 1);
  EXPECT_EQ(first_again.counts().rejected, 1);
  EXPECT_TRUE(reads(first_again, 1));
}

TEST(PrefixFiles, follows_no_link_and_leaves_strange_names_alone) {
  const Folder folder;
  PrefixFiles(options(folder)).write(key(1), payload(1));
  const fs::path path = folder.only_file();
  const fs::path elsewhere = folder.path() / "elsewhere";
  fs::rename(path, elsewhere);
  fs::create_symlink(elsewhere, path);
  std::ofstream(path.parent_path() / "notes.txt") << "mine";
  PrefixFiles files(options(folder));
  EXPECT_FALSE(reads(files, 1));
  EXPECT_TRUE(fs::exists(elsewhere));
  EXPECT_TRUE(fs::exists(path.parent_path() / "notes.txt"));
}

TEST(PrefixFiles, drops_the_least_recently_used_beyond_its_size) {
  const Folder folder;
  PrefixFiles files(options(folder, 1, 3));
  for (int i = 1; i <= 3; ++i) files.write(key(i), payload(i));
  EXPECT_TRUE(reads(files, 1));
  files.write(key(4), payload(4));
  EXPECT_FALSE(files.has(key(2)));
  for (const int i : {1, 3, 4}) EXPECT_TRUE(reads(files, i)) << i;
  EXPECT_EQ(folder.files(), 3);
  EXPECT_LE(files.counts().bytes, 3 * kFileBytes);

  PrefixFiles other(options(folder, 2, 3));  // another model's are the oldest for it
  other.write(key(9), payload(9));
  EXPECT_EQ(folder.files(), 3);
  EXPECT_TRUE(reads(other, 9));
  EXPECT_FALSE(PrefixFiles(options(folder, 3, 0)).write(key(1), payload(1)));
  EXPECT_EQ(folder.files(), 0) << "a size of nothing keeps nothing";
}

TEST(PrefixFiles, survives_a_full_disk_and_leaves_nothing_of_the_block) {
  const Folder folder;
  PrefixFiles files(options(folder));
  files.write(key(1), payload(1));
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 500, .rlim_max = old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  const bool saved = files.write(key(2), payload(2));
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_FALSE(saved);
  EXPECT_EQ(files.counts().failures, 1);
  EXPECT_EQ(folder.files(), 1);
  EXPECT_TRUE(reads(files, 1));
  EXPECT_TRUE(files.write(key(2), payload(2))) << "there is room again";
}

TEST(PrefixFiles, removes_what_a_killed_writer_left) {
  const Folder folder;
  PrefixFiles(options(folder)).write(key(1), payload(1));
  const fs::path path = folder.only_file();
  std::ofstream(path.string() + ".tmp-2147483646-0") << "half";
  EXPECT_EQ(folder.files(), 2);
  PrefixFiles files(options(folder));
  EXPECT_EQ(folder.files(), 1);
  EXPECT_TRUE(reads(files, 1));
}

TEST(PrefixFiles, forgets_on_demand) {
  const Folder folder;
  PrefixFiles files(options(folder)), other(options(folder, 2));
  for (int i = 1; i <= 3; ++i) files.write(key(i), payload(i));
  other.write(key(1), payload(1));
  files.remove(key(2));
  EXPECT_FALSE(reads(files, 2));
  files.clear();
  EXPECT_EQ(files.counts().blocks, 0);
  EXPECT_EQ(folder.files(), 1);
}

TEST(PrefixFiles, says_when_the_folder_cannot_be_used) {
  const Folder folder;
  fs::create_directories(folder.path());
  std::ofstream(folder.path() / "file") << "x";
  PrefixFiles::Options wrong = options(folder);
  wrong.folder = folder.path() / "file";
  EXPECT_THROW(PrefixFiles{wrong}, Error);
}

TEST(PrefixFiles, is_used_by_many_threads) {
  const Folder folder;
  PrefixFiles files(options(folder, 1, 20));
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&files, t] {
      for (int i = 0; i < 100; ++i) {
        const int number = (i * 7 + t) % 40;
        Payload got(kBytes);
        if (files.read(key(number), got)) {
          EXPECT_EQ(got, payload(number));
        }
        files.write(key(number), payload(number));
        if (i % 10 == 0) files.remove(key(number));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(files.counts().bytes, 20 * kFileBytes);
  EXPECT_EQ(files.counts().rejected, 0);
}

}  // namespace
}  // namespace octavo
