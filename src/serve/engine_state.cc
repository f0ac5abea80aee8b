#include "serve/engine_state.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <nlohmann/json.hpp>

#include "serve/histogram.h"

namespace octavo::serve {
namespace {

constexpr size_t kMostCells = 4096;  // a picture of more than that shows nothing more

std::string_view name_of(RequestState state) {
  switch (state) {
    case RequestState::waiting:
      return "waiting";
    case RequestState::prefill:
      return "prefill";
    case RequestState::decode:
      return "decode";
    case RequestState::preempted:
      return "preempted";
    case RequestState::finished:
      break;
  }
  return "finished";
}

Json stats_json(const EngineStats& stats) {
  return {{"running", stats.running},
          {"waiting", stats.waiting},
          {"queued_tokens", stats.queued_tokens},
          {"steps", stats.steps},
          {"preemptions", stats.preemptions},
          {"prompt_tokens", stats.prompt_tokens},
          {"generation_tokens", stats.generation_tokens},
          {"prefix_queries_tokens", stats.prefix_queries_tokens},
          {"prefix_hits_tokens", stats.prefix_hits_tokens},
          {"step_rows", stats.step_rows},
          {"plan_s", stats.plan_s},
          {"forward_s", stats.forward_s},
          {"sample_s", stats.sample_s},
          {"deliver_s", stats.deliver_s}};
}

Json limits_json(const EngineOptions& options) {
  return {{"max_num_seqs", options.max_num_seqs},
          {"max_num_batched_tokens", options.max_num_batched_tokens},
          {"max_model_len", options.max_model_len},
          {"block_tokens", options.block_tokens},
          {"prefix_caching", options.prefix_caching}};
}

Json blocks_json(const std::vector<BlockUse>& blocks) {
  std::array<int64_t, 4> counts = {};
  for (const BlockUse use : blocks) ++counts[static_cast<size_t>(use)];
  const size_t per_cell = std::max<size_t>(1, (blocks.size() + kMostCells - 1) / kMostCells);
  const auto count = [&](BlockUse use) { return counts[static_cast<size_t>(use)]; };
  return {{"total", blocks.size()},
          {"free", count(BlockUse::free)},
          {"used", count(BlockUse::used)},
          {"cached", count(BlockUse::cached)},
          {"shared", count(BlockUse::shared)},
          {"per_cell", per_cell},
          {"cells", block_cells(blocks, per_cell)}};
}

Json request_json(const RequestView& request) {
  return {{"id", request.id},
          {"tenant", request.tenant},
          {"state", name_of(request.state)},
          {"prompt_tokens", request.prompt_tokens},
          {"computed_tokens", request.computed_tokens},
          {"output_tokens", request.output_tokens},
          {"cached_tokens", request.cached_tokens},
          {"priority", request.priority},
          {"preemptions", request.preemptions},
          {"blocks", request.blocks},
          {"age_s", request.age_s},
          {"waiting_s", request.waiting_s},
          {"prefill_s", request.prefill_s},
          {"decode_s", request.decode_s},
          {"preempted_s", request.preempted_s}};
}

Json ended_json(const EndedRequest& request, std::chrono::steady_clock::time_point now) {
  return {{"id", request.id},
          {"reason", request.reason},
          {"ago_s", std::chrono::duration<double>(now - request.when).count()},
          {"prompt_tokens", request.prompt_tokens},
          {"cached_tokens", request.cached_tokens},
          {"output_tokens", request.generated_tokens},
          {"waiting_s", request.queue_s},
          {"prefill_s", request.prefill_s},
          {"decode_s", request.decode_s},
          {"preempted_s", request.preempted_s}};
}

Json step_json(const StepView& step) {
  return {{"begin_s", step.begin_s},
          {"duration_s", step.duration_s},
          {"rows", step.rows},
          {"requests", step.requests},
          {"preempted", step.preempted}};
}

Json tenant_json(const TenantStats& tenant) {
  return {{"name", tenant.name},
          {"running", tenant.running},
          {"waiting", tenant.waiting},
          {"requests", tenant.requests},
          {"prompt_tokens", tenant.prompt_tokens},
          {"cached_tokens", tenant.cached_tokens},
          {"generation_tokens", tenant.generation_tokens}};
}

template <class Values, class ToJson>
Json list_json(const Values& values, ToJson to_json) {
  Json list = Json::array();
  for (const auto& value : values) list.push_back(to_json(value));
  return list;
}

}  // namespace

std::string block_cells(std::span<const BlockUse> blocks, size_t per_cell) {
  constexpr std::string_view kLetters = "fucs";  // in the order of BlockUse
  std::string cells;
  for (size_t begin = 0; begin < blocks.size(); begin += per_cell) {
    std::array<size_t, 4> counts = {};
    for (const BlockUse use : blocks.subspan(begin, std::min(per_cell, blocks.size() - begin))) {
      ++counts[static_cast<size_t>(use)];
    }
    const auto most = std::ranges::max_element(counts);
    cells += kLetters[static_cast<size_t>(most - counts.begin())];
  }
  return cells;
}

std::vector<double> fine_latency_bounds() {
  std::vector<double> bounds;
  for (int i = 0; i <= 8 * 23; ++i) bounds.push_back(1e-4 * std::exp2(i / 8.0));  // to 14 minutes
  return bounds;
}

Json engine_state_json(const EngineLook& look) {
  const EngineSnapshot& snapshot = look.snapshot;
  return {{"name", look.name},
          {"time_s", snapshot.time_s},
          {"stalled_s", look.stalled_s},
          {"limits", limits_json(look.options)},
          {"stats", stats_json(snapshot.stats)},
          {"blocks", blocks_json(snapshot.blocks)},
          {"steps", list_json(snapshot.steps, step_json)},
          {"requests", list_json(snapshot.requests, request_json)},
          {"requests_left_out", snapshot.requests_left_out},
          {"ended", list_json(look.ended,
                              [&](const EndedRequest& one) { return ended_json(one, look.now); })},
          {"tenants", list_json(snapshot.stats.tenants, tenant_json)},
          {"latency",
           {{"bounds_s", look.first_token.bounds()},
            {"first_token", look.first_token.counts()},
            {"between_tokens", look.between_tokens.counts()}}}};
}

}  // namespace octavo::serve
