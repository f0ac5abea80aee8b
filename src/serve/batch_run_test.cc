#include "serve/batch_run.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <vector>

#include "base/json.h"
#include "octavo/error.h"

namespace octavo::serve {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() : path(fs::temp_directory_path() / ("octavo-batch-" + std::to_string(::getpid()))) {
    fs::remove_all(path);
    fs::create_directories(path);
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
  fs::path in() const { return path / "in.jsonl"; }
  fs::path out() const { return path / "out.jsonl"; }

  void write(const std::string& text) const { std::ofstream(in()) << text; }
  std::vector<Json> records() const {
    std::vector<Json> found;
    std::ifstream file(out());
    for (std::string line; std::getline(file, line);) found.push_back(Json::parse(line));
    return found;
  }
};

std::string request(const std::string& custom_id, const std::string& more = "") {
  return R"({"custom_id": ")" + custom_id +
         R"(", "method": "POST", "url": "/v1/completions", "body": {"prompt": "a")" + more + "}}\n";
}

// Answers at once; the body tells the path.
void echo(HttpRequest http, const BatchRun::Done& done) {
  done({.body = R"({"id": "cmpl-7", "path": ")" + http.path + R"(", "asked": )" + http.body + "}"});
}

BatchRun::Result run(const Folder& folder, const BatchRun::Ask& ask = echo, int64_t in_flight = 4) {
  return BatchRun({.input = folder.in(), .output = folder.out(), .in_flight = in_flight}, ask)
      .run();
}

TEST(BatchRun, answers_each_line_with_status_id_and_body) {
  const Folder folder;
  folder.write(request("a") + "\n" + request("b", R"(, "max_tokens": 3)"));
  const auto result = run(folder);
  EXPECT_EQ(result.answered, 2);
  const auto records = folder.records();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0]["id"], "line-1");
  EXPECT_EQ(records[0]["custom_id"], "a");
  EXPECT_EQ(records[0]["response"]["status_code"], 200);
  EXPECT_EQ(records[0]["response"]["request_id"], "cmpl-7");
  EXPECT_EQ(records[0]["response"]["body"]["path"], "/v1/completions");
  EXPECT_TRUE(records[0]["error"].is_null());
  EXPECT_EQ(records[1]["id"], "line-3");
  EXPECT_EQ(records[1]["response"]["body"]["asked"]["max_tokens"], 3);
}

TEST(BatchRun, records_an_error_for_a_bad_line_and_goes_on) {
  const Folder folder;
  const std::vector<std::string> bad = {
      "not json\n",
      "[1]\n",
      R"({"custom_id": 7, "method": "POST", "url": "/v1/x", "body": {}})"
      "\n",
      R"({"custom_id": "get", "method": "GET", "url": "/v1/x", "body": {}})"
      "\n",
      R"({"custom_id": "url", "method": "POST", "url": "http://x/y", "body": {}})"
      "\n",
      R"({"custom_id": "body", "method": "POST", "url": "/v1/x", "body": 3})"
      "\n",
      request("stream", R"(, "stream": true)"),
      "\"\xff\"\n",
      std::string(100000, '[') + "\n"};
  std::string text;
  for (const std::string& line : bad) text += line;
  folder.write(text + request("good"));
  auto result = run(folder);
  EXPECT_EQ(result.failed, 9);
  EXPECT_EQ(result.answered, 1);
  for (const Json& record : folder.records()) {
    EXPECT_EQ(record["error"].is_null(), record["custom_id"] == "good");
    EXPECT_EQ(record["response"].is_null(), record["custom_id"] != "good");
  }
  result = run(folder);
  EXPECT_EQ(result.resumed, 10) << "bad lines are not recorded again";
  EXPECT_EQ(folder.records().size(), 10u);
}

TEST(BatchRun, keeps_the_answer_of_a_refused_request_as_its_record) {
  const Folder folder;
  folder.write(request("a"));
  run(folder, [](const HttpRequest&, const BatchRun::Done& done) {
    done({.status = 400, .body = R"({"error": {"message": "no", "code": 400}})"});
  });
  const Json record = folder.records().at(0);
  EXPECT_EQ(record["response"]["status_code"], 400);
  EXPECT_EQ(record["error"]["message"], "no");
}

TEST(BatchRun, asks_again_for_what_was_refused_for_load) {
  const Folder folder;
  folder.write(request("a") + request("b"));
  const auto result = run(folder, [](HttpRequest http, const BatchRun::Done& done) {
    static int count = 0;
    if (++count == 1) return done({.status = 503, .body = "{}"});
    echo(std::move(http), done);
  });
  EXPECT_TRUE(result.stopped);
  EXPECT_EQ(folder.records().size(), 1u);
  EXPECT_EQ(run(folder).answered, 1);
  EXPECT_EQ(folder.records().size(), 2u);
}

TEST(BatchRun, answers_a_custom_id_once_though_the_input_repeats_it) {
  const Folder folder;
  folder.write(request("a") + request("b") + request("a"));
  const auto result = run(folder);
  EXPECT_EQ(result.repeated, 1);
  EXPECT_EQ(folder.records().size(), 2u);
}

TEST(BatchRun, has_so_many_in_flight_and_writes_as_they_end) {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 50; ++i) text += request(std::to_string(i));
  folder.write(text);
  std::mutex mutex;
  int64_t now = 0, most = 0;
  std::vector<std::thread> threads;
  run(
      folder,
      [&](HttpRequest http, BatchRun::Done done) {
        {
          const std::lock_guard lock(mutex);
          most = std::max(most, ++now);
        }
        threads.emplace_back([&, http = std::move(http), done = std::move(done)] {
          {
            const std::lock_guard lock(mutex);
            --now;
          }
          echo(http, done);
        });
      },
      5);
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 5);
  EXPECT_EQ(folder.records().size(), 50u);
}

TEST(BatchRun, removes_a_torn_line_and_does_that_request_again) {
  const Folder folder;
  folder.write(request("a") + request("b") + request("c"));
  run(folder);
  const auto whole = fs::file_size(folder.out());
  for (uintmax_t cut = 0; cut <= whole; cut += 7) {
    fs::resize_file(folder.out(), whole - cut);
    run(folder);
    std::map<std::string, int> seen;
    for (const Json& record : folder.records()) ++seen[record["custom_id"]];
    EXPECT_EQ(seen, (std::map<std::string, int>{{"a", 1}, {"b", 1}, {"c", 1}})) << cut;
  }
}

// Killed again and again at moments that differ, then finished.
TEST(BatchRun, answers_each_once_though_it_is_killed) {
  const Folder folder;
  std::string text;
  for (int i = 0; i < 400; ++i) text += request("id" + std::to_string(i));
  folder.write(text);
  for (int round = 0; round < 12; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      int asked = 0;
      run(folder, [&](HttpRequest http, const BatchRun::Done& done) {
        if (++asked == 20 + round) ::kill(::getpid(), SIGKILL);
        echo(std::move(http), done);
      });
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    EXPECT_TRUE(WIFSIGNALED(status));
  }
  run(folder);
  std::map<std::string, int> seen;
  for (const Json& record : folder.records()) ++seen[record["custom_id"]];
  EXPECT_EQ(seen.size(), 400u);
  for (const auto& [id, count] : seen) EXPECT_EQ(count, 1) << id;
}

TEST(BatchRun, ends_in_an_error_on_a_full_disk_and_goes_on_later) {
  const Folder folder;
  folder.write(request("a") + request("b") + request("c"));
  rlimit old{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 300, .rlim_max = old.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  EXPECT_THROW(run(folder), Error);
  ::setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(folder.records().size(), 1u);
  EXPECT_EQ(run(folder).answered, 2);
}

TEST(BatchRun, refuses_files_that_are_not_a_batchs) {
  const Folder folder;
  EXPECT_THROW(run(folder), Error) << "no input";
  folder.write(request("a"));
  std::ofstream(folder.out()) << "my letter\n";
  EXPECT_THROW(run(folder), Error);
  EXPECT_EQ(fs::file_size(folder.out()), 10u) << "it is left alone";
  std::ofstream(folder.out()) << "my letter";
  EXPECT_THROW(run(folder), Error);
  EXPECT_EQ(fs::file_size(folder.out()), 9u) << "it is left alone, whole line or not";
  fs::remove(folder.out());
  fs::create_symlink(folder.in(), folder.out());
  EXPECT_THROW(run(folder), Error);
  fs::remove(folder.out());
  const BatchOutput held(folder.out());
  EXPECT_THROW(run(folder), Error) << "another run has it";
}

}  // namespace
}  // namespace octavo::serve
