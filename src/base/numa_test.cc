#include "base/numa.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include "base/thread_pool.h"

namespace octavo {
namespace {

namespace fs = std::filesystem;
using Cpus = std::vector<int>;

// A folder in the form of /sys/devices/system/node, removed with the test.
class NumaTree : public testing::Test {
 protected:
  NumaTree() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    root_ = fs::path(testing::TempDir()) /
            (std::string("octavo_numa_") + info->name() + std::to_string(::getpid()));
    fs::create_directories(root_);
  }
  ~NumaTree() override { fs::remove_all(root_); }

  void write(const std::string& path, const std::string& text) const {
    fs::create_directories((root_ / path).parent_path());
    std::ofstream(root_ / path, std::ios::binary) << text;
  }
  void two_nodes() const {
    write("online", "0-1\n");
    write("node0/cpulist", "0-1,4-5\n");
    write("node1/cpulist", "2-3,6-7\n");
  }
  std::vector<NumaNode> nodes(const Cpus& allowed) const { return numa_nodes(allowed, root_); }

  const Cpus all_{0, 1, 2, 3, 4, 5, 6, 7};
  fs::path root_;
};

TEST(CpuList, reads_numbers_and_ranges) {
  EXPECT_EQ(parse_cpu_list("0-3,8,10-11\n"), (Cpus{0, 1, 2, 3, 8, 10, 11}));
  EXPECT_EQ(parse_cpu_list("5"), Cpus{5});
  EXPECT_EQ(parse_cpu_list("7-7"), Cpus{7});
  EXPECT_EQ(parse_cpu_list("\n"), Cpus{});
  EXPECT_EQ(parse_cpu_list(""), Cpus{});
  EXPECT_EQ(parse_cpu_list("65535"), Cpus{65535});
}

TEST(CpuList, refuses_what_is_no_list) {
  for (const char* text :
       {",",     "0,",      ",0",           "0,,1",       "-",
        "0-",    "-3",      "3-1",          "0-3-5",      "a",
        "0-b",   "0 1",     "0x1",          "1,1",        "2,1",
        "0-3,2", "\n\n",    "0\n1",         "+1",         " 1",
        "65536", "0-65536", "0-4294967295", "4294967296", "99999999999999999999"}) {
    EXPECT_EQ(parse_cpu_list(text), std::nullopt) << '"' << text << '"';
  }
  EXPECT_EQ(parse_cpu_list(std::string_view("0\0", 2)), std::nullopt);
}

TEST_F(NumaTree, gives_each_node_its_cpus) {
  two_nodes();
  EXPECT_EQ(nodes(all_), (std::vector<NumaNode>{{0, {0, 1, 4, 5}}, {1, {2, 3, 6, 7}}}));
}

TEST_F(NumaTree, is_cut_to_the_allowed_cpus) {
  two_nodes();
  EXPECT_EQ(nodes({1, 2, 3, 90}), (std::vector<NumaNode>{{0, {1}}, {1, {2, 3}}}));
  EXPECT_EQ(nodes({6}), (std::vector<NumaNode>{{1, {6}}}));
  EXPECT_EQ(nodes({}), std::vector<NumaNode>{});
}

TEST_F(NumaTree, leaves_out_nodes_of_memory_alone) {
  write("online", "0,2\n");
  write("node0/cpulist", "0-7\n");
  write("node2/cpulist", "\n");
  EXPECT_EQ(nodes(all_), (std::vector<NumaNode>{{0, all_}}));
}

TEST_F(NumaTree, knows_nothing_when_a_file_is_missing_or_broken) {
  EXPECT_TRUE(nodes(all_).empty());
  write("online", "0-1\n");
  write("node0/cpulist", "0-1\n");
  EXPECT_TRUE(nodes(all_).empty()) << "node1 is missing";
  fs::create_directories(root_ / "node1/cpulist");
  EXPECT_TRUE(nodes(all_).empty()) << "a folder";
  fs::remove_all(root_ / "node1");
  for (const std::string& text :
       {std::string("2-"), std::string("2-99999999"), std::string(1 << 20, '1')}) {
    write("node1/cpulist", text);
    EXPECT_TRUE(nodes(all_).empty()) << text.substr(0, 16);
  }
  write("node1/cpulist", "2-3\n");
  EXPECT_EQ(nodes(all_).size(), 2u);
  write("online", "0-");
  EXPECT_TRUE(nodes(all_).empty());
}

TEST(AllowedCpus, are_ascending_numbers) {
  const Cpus cpus = allowed_cpus();
  for (size_t i = 1; i < cpus.size(); ++i) EXPECT_LT(cpus[i - 1], cpus[i]);
}

TEST(NodesOfWorkers, are_runs_in_proportion_to_the_cpus) {
  const std::vector<NumaNode> even{{0, {0, 1}}, {1, {2, 3}}}, uneven{{0, {0, 1, 2}}, {3, {5}}};
  EXPECT_EQ(nodes_of_workers(even, 4), (Cpus{0, 0, 1, 1}));
  EXPECT_EQ(nodes_of_workers(even, 3), (Cpus{0, 1, 1}));
  EXPECT_EQ(nodes_of_workers(even, 1), Cpus{1});
  EXPECT_EQ(nodes_of_workers(uneven, 8), (Cpus{0, 0, 0, 0, 0, 0, 1, 1}));
  EXPECT_EQ(nodes_of_workers(std::span(even).first(1), 3), (Cpus{0, 0, 0}));
}

TEST(PinWorkers, does_nothing_on_one_node) {
  ThreadPool pool(3);
  EXPECT_EQ(pin_workers(pool, {}), 0);
  const std::vector<NumaNode> one{{0, allowed_cpus()}};
  EXPECT_EQ(pin_workers(pool, one), 0);
}

TEST(PinWorkers, ties_all_but_the_callers_thread) {
  const Cpus cpus = allowed_cpus();
  if (cpus.empty()) GTEST_SKIP() << "the kernel tells no affinity";
  // Works on one CPU as well: two nodes that share theirs.
  const std::vector<NumaNode> nodes{{0, {cpus.front()}}, {1, {cpus.back()}}};
  ThreadPool pool(4);
  ASSERT_EQ(pin_workers(pool, nodes), 3);
  std::vector<Cpus> of_worker(4);
  pool.run([&](int worker) { of_worker[worker] = allowed_cpus(); });
  EXPECT_EQ(of_worker, (std::vector<Cpus>{cpus, nodes[0].cpus, nodes[1].cpus, nodes[1].cpus}));
  EXPECT_EQ(allowed_cpus(), cpus);
}

}  // namespace
}  // namespace octavo
