#include "serve/engine_state.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "serve/histogram.h"
#include "serve/web_page.h"

namespace octavo::serve {
namespace {

using enum BlockUse;

TEST(BlockCells, one_letter_a_block) {
  const std::vector<BlockUse> blocks = {free, used, cached, shared, free};
  EXPECT_EQ(block_cells(blocks, 1), "fucsf");
}

TEST(BlockCells, tell_what_most_of_a_run_are) {
  const std::vector<BlockUse> blocks = {used, used, free, cached, shared, shared, used};
  EXPECT_EQ(block_cells(blocks, 3), "usu");
  EXPECT_EQ(block_cells({}, 3), "");
}

TEST(FineLatencyBounds, rise_by_an_eighth_of_a_doubling) {
  const std::vector<double> bounds = fine_latency_bounds();
  EXPECT_NEAR(bounds.front(), 1e-4, 1e-9);
  EXPECT_GT(bounds.back(), 600);
  for (size_t i = 8; i < bounds.size(); ++i) EXPECT_NEAR(bounds[i] / bounds[i - 8], 2, 1e-9);
}

TEST(RecentRequests, keeps_the_latest) {
  RecentRequests recent;
  for (RequestId id = 1; id <= RecentRequests::kMost + 2; ++id) recent.add({.id = id});
  const auto all = recent.all();
  EXPECT_EQ(all.size(), RecentRequests::kMost);
  EXPECT_EQ(all.front().id, 3u);
}

class EngineStateTest : public testing::Test {
 protected:
  Json state() {
    const auto when = std::chrono::steady_clock::time_point() + std::chrono::seconds(10);
    return engine_state_json({.name = name_,
                              .snapshot = snapshot_,
                              .options = options_,
                              .ended = {{.id = 4, .reason = "stop", .when = when}},
                              .now = when + std::chrono::seconds(2),
                              .first_token = first_,
                              .between_tokens = between_});
  }

  std::string name_ = "m";
  EngineSnapshot snapshot_;
  EngineOptions options_;
  Histogram first_{fine_latency_bounds()}, between_{fine_latency_bounds()};
};

TEST_F(EngineStateTest, counts_blocks_by_use) {
  snapshot_.blocks = {used, used, cached, free};
  const Json blocks = state()["blocks"];
  EXPECT_EQ(blocks["total"], 4);
  EXPECT_EQ(blocks["used"], 2);
  EXPECT_EQ(blocks["cached"], 1);
  EXPECT_EQ(blocks["cells"], "uucf");
}

TEST_F(EngineStateTest, draws_no_more_cells_than_a_picture_shows) {
  snapshot_.blocks.assign(1'000'000, used);
  const Json blocks = state()["blocks"];
  const auto cells = blocks["cells"].get<std::string>();
  EXPECT_LE(cells.size(), 4096u);
  EXPECT_GE(cells.size() * blocks["per_cell"].get<size_t>(), 1'000'000u);
}

TEST_F(EngineStateTest, tells_what_runs_and_what_ended) {
  snapshot_.requests = {{.id = 7, .tenant = "a", .state = RequestState::preempted}};
  const Json json = state();
  EXPECT_EQ(json["requests"][0]["state"], "preempted");
  EXPECT_EQ(json["ended"][0]["id"], 4);
  EXPECT_NEAR(json["ended"][0]["ago_s"].get<double>(), 2, 1e-9);
}

TEST_F(EngineStateTest, has_a_count_for_each_bound_and_one_above) {
  between_.observe(0.01, 3);
  const Json latency = state()["latency"];
  EXPECT_EQ(latency["bounds_s"].size() + 1, latency["between_tokens"].size());
  const auto counts = latency["between_tokens"].get<std::vector<int>>();
  EXPECT_EQ(std::accumulate(counts.begin(), counts.end(), 0), 3);
}

TEST(WebPage, every_file_that_the_page_names_is_there) {
  for (const WebFile& file : web_files()) {
    EXPECT_EQ(web_page(file.name).status, 200);
    EXPECT_FALSE(file.content.empty()) << file.name;
    for (const std::string_view quote : {"from './", "\"web/"}) {
      for (size_t at = file.content.find(quote); at != std::string_view::npos;
           at = file.content.find(quote, at + 1)) {
        const size_t begin = at + quote.size();
        const auto name =
            file.content.substr(begin, file.content.find_first_of("'\"", begin) - begin);
        EXPECT_EQ(web_page(name).status, 200) << file.name << " names " << name;
      }
    }
  }
}

TEST(WebPage, other_names_are_not_found) {
  for (const char* name : {"", "..", "../page.js", "page.js/", "PAGE.JS", "none"}) {
    EXPECT_EQ(web_page(name).status, 404) << name;
  }
}

TEST(WebPage, nothing_in_it_needs_an_exception_from_the_content_policy) {
  const auto page = web_page("page.html").body;
  for (const char* part : {"<style", " style=", " onclick", "javascript:", "http://", "https://"}) {
    EXPECT_EQ(page.find(part), std::string::npos) << part;
  }
  EXPECT_EQ(page.find("<script>"), std::string::npos);
}

}  // namespace
}  // namespace octavo::serve
