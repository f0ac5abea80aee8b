#include "base/atomic_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string>

#include "base/file.h"
#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

class AtomicFileTest : public testing::Test {
 protected:
  AtomicFileTest() {
    std::string name = testing::TempDir() + "/octavo_atomic_XXXXXX";
    dir = ::mkdtemp(name.data());
  }
  ~AtomicFileTest() override { fs::remove_all(dir); }
  long entries() const { return std::distance(fs::directory_iterator(dir), {}); }
  fs::path dir;
};

TEST_F(AtomicFileTest, appears_whole_and_replaces_the_old_one) {
  write_file_atomically(dir / "a", "old");
  AtomicFile file(dir / "a");
  file.write("____new text");
  file.write_at(0, std::as_bytes(std::span("head", 4)));
  file.write("!");
  EXPECT_EQ(read_file(dir / "a", 100), "old");
  EXPECT_EQ(file.size_bytes(), 13U);
  file.commit();
  EXPECT_EQ(read_file(dir / "a", 100), "headnew text!");
  EXPECT_EQ(entries(), 1);
}

TEST_F(AtomicFileTest, leaves_nothing_without_commit) {
  { AtomicFile(dir / "a").write("half"); }
  EXPECT_EQ(entries(), 0);
}

TEST_F(AtomicFileTest, names_the_file_when_the_disk_is_full) {
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 4096, .rlim_max = old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  std::string message;
  try {
    AtomicFile(dir / "big").write(std::string(10000, 'x'));
  } catch (const Error& error) {
    message = error.what();
    EXPECT_EQ(error.kind(), Error::Kind::failure);
  }
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_NE(message.find("big"), std::string::npos) << message;
  EXPECT_EQ(entries(), 0);
}

TEST_F(AtomicFileTest, refuses_a_missing_folder_and_a_folder_as_file) {
  EXPECT_THROW(AtomicFile(dir / "none" / "a"), Error);
  EXPECT_THROW(AtomicFile{dir}, Error);
}

TEST_F(AtomicFileTest, directory_appears_whole_even_with_a_trailing_slash) {
  AtomicDirectory out(dir / "out/", "job", AtomicDirectory::Start::fresh);
  write_file_atomically(out.path() / "x", "1");
  EXPECT_FALSE(fs::exists(dir / "out"));
  out.commit();
  EXPECT_EQ(read_file(dir / "out" / "x", 10), "1");
  EXPECT_EQ(entries(), 1);
}

TEST_F(AtomicFileTest, directory_resumes_what_an_interrupted_job_left) {
  {
    AtomicDirectory out(dir / "out", "job", AtomicDirectory::Start::resume);
    EXPECT_FALSE(out.resumed());
    write_file_atomically(out.path() / "x", "1");
  }
  EXPECT_FALSE(fs::exists(dir / "out"));
  {
    const AtomicDirectory again(dir / "out", "job", AtomicDirectory::Start::resume);
    EXPECT_TRUE(again.resumed());
    EXPECT_TRUE(fs::exists(again.path() / "x"));
  }
  AtomicDirectory fresh(dir / "out", "job", AtomicDirectory::Start::fresh);
  EXPECT_FALSE(fs::exists(fresh.path() / "x"));
  fresh.discard();
  EXPECT_EQ(entries(), 0);
}

TEST_F(AtomicFileTest, directory_never_replaces_a_full_folder) {
  fs::create_directories(dir / "out");
  write_file_atomically(dir / "out" / "mine", "1");
  EXPECT_THROW(AtomicDirectory(dir / "out", "job", AtomicDirectory::Start::fresh), Error);
  EXPECT_EQ(read_file(dir / "out" / "mine", 10), "1");
}

}  // namespace
}  // namespace octavo
