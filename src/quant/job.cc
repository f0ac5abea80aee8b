#include "quant/job.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <memory>
#include <set>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/log.h"
#include "cache/kv_cache.h"
#include "io/companion_files.h"
#include "io/quantization_section.h"
#include "io/shard_writer.h"
#include "octavo/error.h"
#include "quant/bit_budget.h"
#include "quant/head.h"
#include "quant/journal.h"
#include "quant/layer_job.h"
#include "quant/plan.h"
#include "quant/probe.h"
#include "quant/recipe_json.h"
#include "quant/report.h"
#include "quant/validate.h"
#include "tensor/convert.h"

namespace octavo::quant {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

constexpr uint64_t kCopyBytes = uint64_t{8} << 20;
constexpr uint64_t kMemoryBytes = uint64_t{1} << 30;    // where nobody knows how much is free
constexpr int64_t kRangeRows = 2048, kFewestRows = 64;  // of a range where not all rows fit

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool needs_samples(const Recipe& recipe) { return recipe.method != Recipe::Method::rtn; }

// Refuses what cannot be done before any work. Returns what the user should know.
std::vector<std::string> checked(const QuantizeJob& job, const ModelSource& source) {
  CalibrationFacts facts{.samples = static_cast<int64_t>(job.samples.size()),
                         .tokens = row_count(job.samples)};
  for (const auto& sample : job.samples)
    facts.longest = std::max(facts.longest, static_cast<int64_t>(sample.size()));
  return refuse_problems(validate(job.recipe, source, facts));
}

// What makes two jobs the same: the recipe, the tensors and files of the model, the samples.
std::string fingerprint(const QuantizeJob& job, const ModelSource& source) {
  uint64_t hash = 0xCBF29CE484222325u;
  const auto mix = [&](uint64_t value) { hash = (hash ^ value) * 0x100000001B3u; };
  const auto mix_text = [&](const std::string& text) {
    for (const char c : text) mix(static_cast<unsigned char>(c));
    mix(256);
  };
  for (const std::string& name : source.checkpoint.names()) {
    const TensorEntry& entry = source.checkpoint.get(name);
    mix_text(name);
    mix(static_cast<uint64_t>(entry.dtype));
    mix(entry.begin), mix(entry.bytes);
  }
  std::set<fs::path> files;  // in the order of their names
  for (const auto& entry : fs::directory_iterator(job.model)) {
    if (entry.is_regular_file()) files.insert(entry.path());
  }
  for (const fs::path& file : files) {
    mix_text(file.filename().string());
    mix(fs::file_size(file));
    mix(static_cast<uint64_t>(fs::last_write_time(file).time_since_epoch().count()));
  }
  mix_text(source.config.json().dump());
  for (const auto& sample : job.samples) {
    for (const TokenId id : sample) mix(static_cast<uint64_t>(id) + 1);
    mix(0);
  }
  mix(job.shard_bytes);
  return "1 " + std::to_string(hash) + " " + to_line(to_json(job.recipe));
}

uint64_t peak_bytes() {
  rusage usage = {};
  return ::getrusage(RUSAGE_SELF, &usage) == 0 ? static_cast<uint64_t>(usage.ru_maxrss) * 1024 : 0;
}

class Runner {
 public:
  Runner(const QuantizeJob& job, const Ops& ops, ThreadPool& pool, const QuantizeProgress& progress)
      : job_(job),
        recipe_(job.recipe),
        ops_(ops),
        pool_(pool),
        queue_(pool),
        progress_(progress),
        source_(open_full_precision(job.model)),
        notes_(checked(job, source_)),
        plan_(make_plan(source_, job.recipe)),
        walk_(queue_, job.samples),
        start_(Clock::now()) {
    const auto free = static_cast<uint64_t>(available_memory_bytes());
    memory_ = job.memory_bytes > 0 ? job.memory_bytes : free > 0 ? free / 2 : kMemoryBytes;
  }

  QuantizeReport run() {
    AtomicDirectory folder(
        job_.out, "quantize",
        job_.resume ? AtomicDirectory::Start::resume : AtomicDirectory::Start::fresh);
    try {
      run_in(folder.path());
      folder.commit();
      return std::move(report_);
    } catch (const Error& error) {
      // What failed on the way (a full disk) may be gone on with, and so may layers that are done.
      const bool begun = journal_ != nullptr && layers_done() > 0;
      if (error.kind() == Error::Kind::request && !begun) folder.discard();
      throw;
    }
  }

 private:
  void run_in(const fs::path& folder) {
    journal_ = std::make_unique<Journal>(folder, fingerprint(job_, source_));
    if (recipe_.average_bits > 0) buy_bits();
    write_config(folder);
    shards_ = std::make_unique<ShardWriter>(folder, plan_.tensors, job_.shard_bytes);
    copy_rest();
    if (needs_samples(recipe_)) prepare_states(folder);
    for (const Journal::Layer& layer : journal_->layers()) collect(layer.report);
    while (layers_done() < plan_.layers) run_layer(layers_done());
    if (recipe_.head && !plan_.matrices.back().dense) run_head();
    shards_->finish();
    finish_report(folder);
    clean(folder);
  }

  int64_t layers_done() const { return static_cast<int64_t>(journal_->layers().size()); }
  bool gptaq() const {
    return recipe_.gptaq_alpha.has_value() && recipe_.method == Recipe::Method::gptq;
  }

  void buy_bits() {
    Json bought;
    if (const Json* done = journal_->step("bits")) {
      bought = *done;
    } else {
      const auto units =
          measure_units({.queue = queue_,
                         .ops = ops_,
                         .recipe = recipe_,
                         .plan = plan_,
                         .source = source_,
                         .samples = job_.samples,
                         .progress = [&](int64_t layer) { say("measuring", layer); }});
      bought = spend_bits(units, recipe_.average_bits);
      journal_->finish_step("bits", bought);
    }
    recipe_ = with_bits(recipe_, bought.get<std::map<std::string, int>>());
    plan_ = make_plan(source_, recipe_);
  }

  // Everything beside weights travels along: tokenizer, template, generation settings, licence.
  // First, so that what is done so far can be opened as a model.
  void write_config(const fs::path& folder) const {
    Json config = source_.config.json();
    const Json section = config_section(plan_, recipe_);
    config["quantization_config"] = section;
    write_file_atomically(folder / "config.json", config.dump(2) + "\n");
    if (const std::string file = section_file(recipe_.format); !file.empty())
      write_file_atomically(folder / file, section.dump(2) + "\n");
    copy_companions(job_.model, folder, {});
  }

  void copy_rest() {
    if (journal_->step("copied") != nullptr) return;
    std::vector<std::byte> piece;
    for (const std::string& name : plan_.copied) {
      const TensorEntry& entry = source_.checkpoint.get(name);
      say("copying", 0);
      for (uint64_t at = 0; at < entry.bytes; at += piece.size()) {
        piece.resize(std::min(kCopyBytes, entry.bytes - at));
        source_.checkpoint.read(entry, at, piece);
        shards_->write(name, at, piece);
      }
      source_.checkpoint.drop(entry);
    }
    shards_->sync();
    journal_->finish_step("copied", true);
  }

  // Ranges of samples and the hidden states before the first layer that is not done.
  void prepare_states(const fs::path& folder) {
    const auto ends =
        load_part(source_, ops_, pool_, {.embedding = true}, {.dtype = DTypeChoice::float32});
    const int64_t rows = row_count(job_.samples), hidden = source_.spec.hidden;
    const uint64_t state_bytes = static_cast<uint64_t>(rows * hidden) * sizeof(float);
    const bool whole = LayerWalk::bytes(*ends, 0, rows) + state_bytes <= memory_;
    int64_t range_rows = whole ? rows : kRangeRows;
    while (!whole && range_rows > kFewestRows &&
           LayerWalk::bytes(*ends, 0, range_rows) > memory_ / 8)
      range_rows /= 2;
    ranges_ = split_samples(job_.samples, range_rows);
    const States::Limits limits{.memory_bytes = whole ? memory_ : memory_ / 3, .keep = true};
    const auto begin = [&] {
      states_ = std::make_unique<States>(folder, "layer", rows, hidden, limits);
      if (gptaq()) float_states_ = std::make_unique<States>(folder, "float", rows, hidden, limits);
    };
    begin();
    if (restore()) return;
    begin();
    for (States* states : {states_.get(), float_states_.get()}) {
      if (states == nullptr) continue;
      std::vector<float> buffer;
      for (const SampleRange& range : ranges_) {
        const Mat x = rows_of(buffer, range);
        walk_.embed(*ends, range, x);
        states->write(range.first_row, x);
      }
      states->advance(0);
    }
    if (layers_done() > 0) recompute(folder);
  }

  Mat rows_of(std::vector<float>& buffer, const SampleRange& range) const {
    buffer.resize(static_cast<size_t>(range.rows * source_.spec.hidden));
    return {buffer.data(), {range.rows, source_.spec.hidden}};
  }

  bool restore() {
    if (layers_done() == 0) return false;
    const Journal::Layer& last = journal_->layers().back();
    if (!last.states || !states_->restore(layers_done(), *last.states)) return false;
    return float_states_ == nullptr ||
           (last.float_states && float_states_->restore(layers_done(), *last.float_states));
  }

  // The states were not kept: through the layers that are done once more, as they are by now.
  void recompute(const fs::path& folder) {
    const ModelSource quantized = ModelSource::open(folder);
    const bool sees_float = recipe_.method == Recipe::Method::awq;
    for (int64_t layer = 0; layer < layers_done(); ++layer) {
      say("reading again", layer);
      LayerWork work(sees_float ? source_ : quantized, ops_, pool_, layer);
      if (!sees_float) {  // the very weights that the first run went on with
        for (const StoredMatrix& matrix : work.matrices())
          work.replace(matrix, work.values(matrix));
      }
      pass(work, *states_);
      if (float_states_ != nullptr) pass(LayerWork(source_, ops_, pool_, layer), *float_states_);
    }
  }

  void pass(const LayerWork& work, States& states) {
    std::vector<float> buffer;
    for (const SampleRange& range : ranges_) {
      const Mat x = rows_of(buffer, range);
      states.read(range.first_row, x);
      walk_.layer(work.model(), work.layer(), range, x);
      states.write(range.first_row, x);
    }
    states.advance(work.layer() + 1);
  }

  void run_layer(int64_t layer) {
    say("layer " + std::to_string(layer) + last_error(), layer);
    const auto begin = Clock::now();
    LayerWork work(source_, ops_, pool_, layer);
    LayerJob job{.queue = queue_,
                 .ops = ops_,
                 .recipe = recipe_,
                 .plan = plan_,
                 .samples = job_.samples,
                 .ranges = ranges_,
                 .walk = walk_,
                 .work = work,
                 .states = states_.get()};
    std::optional<Probe> probe;
    if (states_ != nullptr) probe.emplace(job);
    switch (recipe_.method) {
      case Recipe::Method::rtn:
        round_layer(job);
        break;
      case Recipe::Method::awq:
        awq_layer(job);
        break;
      case Recipe::Method::gptq:
        gptq_layer(job, float_states_.get());
        break;
      case Recipe::Method::awq_gptq:
        search_layer(job);
        gptq_layer(job, nullptr);
        break;
    }
    if (probe) probe->measure(job.report.layer);
    write(job);
    shards_->sync();
    job.report.layer.layer = layer;
    job.report.layer.seconds = seconds_since(begin);
    Journal::Layer done{.report = std::move(job.report)};
    if (states_ != nullptr) done.states = states_->advance(layer + 1);
    if (float_states_ != nullptr) done.float_states = float_states_->advance(layer + 1);
    collect(done.report);
    journal_->finish_layer(std::move(done));
  }

  // How the layer before went, for the progress bar.
  std::string last_error() const {
    if (report_.layers.empty() || report_.layers.back().output_error < 0) return "";
    char text[64];
    std::snprintf(text, sizeof text, ", error of the last %.2g",
                  report_.layers.back().output_error);
    return text;
  }

  void run_head() {
    if (journal_->step("head") != nullptr) return;
    say("head", plan_.layers);
    const MatrixPlan& plan = plan_.matrices.back();
    HeadOutcome outcome = quantize_head({.queue = queue_,
                                         .ops = ops_,
                                         .recipe = recipe_,
                                         .plan = plan,
                                         .source = source_,
                                         .samples = job_.samples,
                                         .ranges = ranges_,
                                         .walk = walk_,
                                         .states = states_.get()});
    write(plan, outcome.matrix);
    shards_->sync();
    report_.matrices.push_back(std::move(outcome.report));
    journal_->finish_step("head", true);
  }

  void write(const LayerJob& job) {
    for (const auto& [name, matrix] : job.matrices) write(*plan_.find(name), matrix);
    for (const auto& [name, values] : job.work.changed_vectors()) write_floats(name, values);
    for (const StoredMatrix& matrix : job.work.matrices()) {
      const bool folded = !matrix.row_divisors.empty() || !matrix.column_factors.empty();
      if (job.plan_of(matrix).dense && folded) write_dense(job.work, matrix);
    }
  }

  void write(const MatrixPlan& plan, const QuantizedMatrix& matrix) {
    const auto tensors = layout_tensors(plan.layout, plan.name);
    const auto planes = pack_layout(plan.layout.settings.format, matrix);
    for (size_t i = 0; i < tensors.size(); ++i) shards_->write(tensors[i].name, 0, planes[i]);
  }

  void write_floats(const std::string& tensor, std::span<const float> values) {
    const DType type = source_.checkpoint.get(tensor).dtype;
    std::vector<std::byte> bytes(values.size() * static_cast<size_t>(size_bytes(type)));
    from_floats(type, values, bytes);
    shards_->write(tensor, 0, bytes);
  }

  // A matrix that stays dense, with the scales that were folded into it.
  void write_dense(const LayerWork& work, const StoredMatrix& matrix) {
    std::vector<float> values = work.values(matrix);
    if (matrix.shape.transposed) {
      std::vector<float> turned(values.size());
      for (int64_t o = 0; o < matrix.shape.out; ++o) {
        for (int64_t k = 0; k < matrix.shape.in; ++k)
          turned[static_cast<size_t>(k * matrix.shape.out + o)] =
              values[static_cast<size_t>(o * matrix.shape.in + k)];
      }
      values = std::move(turned);
    }
    write_floats(matrix.name + ".weight", values);
  }

  void collect(const LayerOutcome& outcome) {
    report_.layers.push_back(outcome.layer);
    for (const MatrixReport& matrix : outcome.matrices) report_.matrices.push_back(matrix);
    for (const ScaleReport& scale : outcome.scales) report_.scales.push_back(scale);
  }

  void finish_report(const fs::path& folder) {
    report_.bytes_before = source_.checkpoint.total_bytes();
    report_.bytes_after = shards_->tensor_bytes();
    report_.peak_bytes = peak_bytes();
    report_.notes = notes_;
    report_.calibration = job_.calibration;
    report_.samples = static_cast<int64_t>(job_.samples.size());
    report_.tokens = row_count(job_.samples);
    report_.seconds = seconds_since(start_);
    write_report(folder, recipe_, report_);
  }

  static void clean(const fs::path& folder) {
    std::vector<fs::path> ours{folder / Journal::kName};
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string name = entry.path().filename().string();
      if (name.ends_with(".states") || name.find(".tmp-") != std::string::npos)
        ours.push_back(entry.path());
    }
    for (const fs::path& path : ours) fs::remove(path);
  }

  void say(const std::string& what, int64_t done) const {
    if (progress_.report) progress_.report(what, done, plan_.layers);
  }

  const QuantizeJob& job_;
  Recipe recipe_;  // the job's; widths that a budget bought become rules
  const Ops& ops_;
  ThreadPool& pool_;
  Queue queue_;
  const QuantizeProgress& progress_;
  ModelSource source_;
  std::vector<std::string> notes_;
  Plan plan_;
  LayerWalk walk_;
  Clock::time_point start_;
  uint64_t memory_ = 0;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<ShardWriter> shards_;
  std::unique_ptr<States> states_, float_states_;  // null: the method needs none
  std::vector<SampleRange> ranges_;
  QuantizeReport report_;
};

}  // namespace

QuantizeReport run_job(const QuantizeJob& job, const Ops& ops, ThreadPool& pool,
                       const QuantizeProgress& progress) {
  return Runner(job, ops, pool, progress).run();
}

}  // namespace octavo::quant
