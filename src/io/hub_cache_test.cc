#include "io/hub_cache.h"

#include <gtest/gtest.h>

#include <fstream>

#include "io/file_digest.h"
#include "octavo/error.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;

const std::string kCommit(40, 'a');

class HubCache : public testing::Test {
 protected:
  HubCache()
      : cache_(fs::path(testing::TempDir()) /
               testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(cache_);
  }
  ~HubCache() override { fs::remove_all(cache_); }

  void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }

  fs::path cache_;
};

TEST_F(HubCache, parses_names_and_revisions) {
  const auto name = HubName::parse("some-org/Model_1.5-7B");
  ASSERT_TRUE(name);
  EXPECT_EQ(name->repository, "some-org/Model_1.5-7B");
  EXPECT_EQ(name->revision, "main");
  EXPECT_EQ(HubName::parse("a/b@refs/pr/1")->revision, "refs/pr/1");
}

TEST_F(HubCache, refuses_names_that_leave_their_folder) {
  for (const char* text :
       {"a",      "a/b/c",       "../b",      "a/..",     "a/.",    "/b",     "a/",
        "a/b@",   "a/b@../../c", "a/b@x//y",  "a/b@/etc", "a/b@x/", "a b/c",  "a/b\n",
        "a/b%2e", "-a/b",        "a/.hidden", "a..b/c",   "~/b",    "a\\b/c", ""})
    EXPECT_FALSE(HubName::parse(text)) << text;
}

TEST_F(HubCache, follows_a_reference_to_its_snapshot) {
  const HubName name{.repository = "org/model"};
  const HubSettings settings{.endpoint = "", .token = "", .cache = cache_};
  EXPECT_THROW(find_in_hub_cache(settings, name), Error);
  const fs::path root = cache_ / "models--org--model";
  write(root / "snapshots" / kCommit / "config.json", "{}");
  EXPECT_THROW(find_in_hub_cache(settings, name), Error);  // no reference yet: not whole
  write(root / "refs" / "main", kCommit + "\n");
  EXPECT_EQ(find_in_hub_cache(settings, name), root / "snapshots" / kCommit);
  EXPECT_EQ(find_in_hub_cache(settings, {.repository = "org/model", .revision = kCommit}),
            root / "snapshots" / kCommit);
  EXPECT_THROW(find_in_hub_cache(settings, {.repository = "org/model", .revision = "v2"}), Error);
}

TEST_F(HubCache, trusts_no_reference_that_is_no_commit) {
  const HubSettings settings{.endpoint = "", .token = "", .cache = cache_};
  const fs::path root = cache_ / "models--org--model";
  fs::create_directories(root / "snapshots");
  write(root / "refs" / "main", "../../..");
  EXPECT_THROW(find_in_hub_cache(settings, {.repository = "org/model"}), Error);
}

TEST_F(HubCache, says_how_to_fetch_what_is_missing) {
  try {
    find_in_hub_cache({.endpoint = "", .token = "", .cache = cache_},
                      {.repository = "org/model", .revision = "v2"});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("octavo pull org/model --revision v2"),
              std::string::npos)
        << error.what();
  }
}

TEST_F(HubCache, digests_files_as_git_and_sha256sum_do) {
  write(cache_ / "hello", "hello\n");
  EXPECT_EQ(git_blob_id_of(cache_ / "hello"), "ce013625030ba8dba906f756967f9e9ca394464a");
  EXPECT_EQ(sha256_of(cache_ / "hello"),
            "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  write(cache_ / "empty", "");
  EXPECT_EQ(git_blob_id_of(cache_ / "empty"), "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

}  // namespace
}  // namespace octavo
