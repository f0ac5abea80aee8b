#include "octavo/quantize.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>

#include "base/atomic_file.h"
#include "base/json.h"
#include "base/thread_pool.h"
#include "io/gguf.h"
#include "model/config.h"
#include "model/families.h"
#include "octavo/error.h"
#include "quant/plan.h"
#include "quant/report.h"
#include "quant/rtn.h"

namespace octavo {
namespace {

constexpr int64_t kRowsASlice = 256;
constexpr uint64_t kShardBytes = uint64_t{4} << 30;
constexpr uint64_t kCopyBytes = uint64_t{8} << 20;

// One matrix quantized whole: its codes are a fraction of the dense bytes, so a matrix at a time is
// "about one layer".
struct QuantizedMatrix {
  std::vector<std::byte> data, scales;
  std::vector<uint8_t> zeros;
  MatrixReport report;
};

void to_floats(const Weight& rows, std::vector<float>& out) {
  out.resize(static_cast<size_t>(rows.out * rows.in));
  for (int64_t r = 0; r < rows.out; ++r) {
    for (int64_t k = 0; k < rows.in; ++k) out[r * rows.in + k] = element(rows, r, k);
  }
}

class Job {
 public:
  Job(const Checkpoint& checkpoint, const quant::Plan& plan, const Recipe& recipe, ThreadPool& pool)
      : checkpoint_(checkpoint), plan_(plan), recipe_(recipe), pool_(pool) {}

  QuantizeReport run(const std::filesystem::path& directory, const QuantizeProgress& progress) {
    const auto all = static_cast<int64_t>(checkpoint_.total_bytes());
    int64_t done = 0;
    const auto shards = split_shards();
    for (size_t i = 0; i < shards.size(); ++i) {
      std::vector<TensorPlan> tensors;
      for (const quant::Step* step : shards[i])
        tensors.insert(tensors.end(), step->outputs.begin(), step->outputs.end());
      SafetensorsWriter writer(directory / shard_name(i, shards.size()), tensors,
                               {{"format", "pt"}});
      for (const quant::Step* step : shards[i]) {
        step->matrix.empty() ? copy(*step, writer) : quantize_matrix(*step, writer);
        done += static_cast<int64_t>(step->source->bytes);
        if (progress.report) progress.report(step->source->name, done, all);
      }
      writer.finish();
      for (const TensorPlan& tensor : tensors) {
        report_.bytes_after += tensor.bytes();
        map_.emplace_back(tensor.name, shard_name(i, shards.size()));
      }
    }
    report_.bytes_before = checkpoint_.total_bytes();
    if (shards.size() > 1) write_index(directory);
    return std::move(report_);
  }

 private:
  std::vector<std::vector<const quant::Step*>> split_shards() const {
    std::vector<std::vector<const quant::Step*>> shards(1);
    uint64_t bytes = 0;
    for (const quant::Step& step : plan_.steps) {
      uint64_t more = 0;
      for (const TensorPlan& tensor : step.outputs) more += tensor.bytes();
      if (bytes > 0 && bytes + more > kShardBytes) {
        shards.emplace_back();
        bytes = 0;
      }
      bytes += more;
      shards.back().push_back(&step);
    }
    return shards;
  }

  static std::string shard_name(size_t i, size_t count) {
    if (count == 1) return "model.safetensors";
    char text[64];
    std::snprintf(text, sizeof text, "model-%05zu-of-%05zu.safetensors", i + 1, count);
    return text;
  }

  void write_index(const std::filesystem::path& directory) const {
    std::string text = "{\"metadata\":{\"total_size\":" + std::to_string(report_.bytes_after) +
                       "},\"weight_map\":{";
    for (size_t i = 0; i < map_.size(); ++i)
      text += (i ? "," : "") + to_line(Json(map_[i].first)) + ":" + to_line(Json(map_[i].second));
    write_file_atomically(directory / "model.safetensors.index.json", text + "}}\n");
  }

  void copy(const quant::Step& step, SafetensorsWriter& writer) const {
    std::vector<std::byte> piece;
    for (uint64_t at = 0; at < step.source->bytes; at += piece.size()) {
      piece.resize(std::min(kCopyBytes, step.source->bytes - at));
      checkpoint_.read(*step.source, at, piece);
      writer.append(piece);
    }
    checkpoint_.drop(*step.source);
  }

  void quantize_matrix(const quant::Step& step, SafetensorsWriter& writer) {
    QuantizedMatrix matrix = round(step);
    append_rows(matrix.data, step, writer);
    writer.append(matrix.scales);
    const int64_t shape[] = {step.shape.out, step.shape.in};
    writer.append(std::as_bytes(std::span(shape)));
    if (!recipe_.symmetric) append_zeros(matrix.zeros, step, writer);
    report_.matrices.push_back(std::move(matrix.report));
  }

  // Slices of rows in parallel; each writes its own place, so the bytes do not depend on the
  // threads.
  QuantizedMatrix round(const quant::Step& step) {
    const MatrixSource source = MatrixSource::open(checkpoint_, {}, step.matrix, step.shape);
    const int64_t out = step.shape.out, in = step.shape.in, groups = step.groups;
    const int64_t row_bytes = (in * recipe_.bits + 7) / 8,
                  scale_bytes = groups * size_bytes(step.scale_dtype);
    QuantizedMatrix matrix{.data = std::vector<std::byte>(out * row_bytes),
                           .scales = std::vector<std::byte>(out * scale_bytes),
                           .zeros = std::vector<uint8_t>(out * groups),
                           .report = {}};
    const int64_t slices = (out + kRowsASlice - 1) / kRowsASlice;
    std::vector<quant::PackedRows> parts(slices);
    std::mutex mutex;  // guards `problem`
    std::exception_ptr problem;
    pool_.each(slices, [&](int64_t slice, int) {
      try {
        const int64_t begin = slice * kRowsASlice, end = std::min(out, begin + kRowsASlice);
        quant::PackedRows& part = parts[slice] = round_slice(source, step, begin, end);
        std::ranges::copy(part.data, matrix.data.begin() + begin * row_bytes);
        std::ranges::copy(part.scales, matrix.scales.begin() + begin * scale_bytes);
        std::ranges::copy(part.zeros, matrix.zeros.begin() + begin * groups);
        part.data = {}, part.scales = {}, part.zeros = {};
      } catch (...) {
        const std::lock_guard lock(mutex);
        problem = std::current_exception();
      }
    });
    if (problem) std::rethrow_exception(problem);
    source.drop();
    matrix.report = summarize(step, parts);
    return matrix;
  }

  quant::PackedRows round_slice(const MatrixSource& source, const quant::Step& step, int64_t begin,
                                int64_t end) const {
    MatrixSource::Rows rows;
    std::vector<float> values;
    source.read({}, begin, end, rows);
    to_floats(rows.weight, values);
    if (!std::ranges::all_of(values, [](float v) { return std::isfinite(v); })) {
      throw Error("weights that are not numbers", checkpoint_.where(step.source->name),
                  "the checkpoint is damaged: fetch it again", Error::Kind::failure);
    }
    return quant::round_rows(values, step.shape.in, recipe_.bits, step.group_size,
                             recipe_.symmetric, step.scale_dtype);
  }

  MatrixReport summarize(const quant::Step& step,
                         const std::vector<quant::PackedRows>& parts) const {
    double error = 0, norm = 0, largest = 0;
    for (const quant::PackedRows& part : parts) {
      error += part.squared_error;
      norm += part.squared_norm;
      largest = std::max(largest, part.largest_error);
    }
    return {.name = step.matrix,
            .out = step.shape.out,
            .in = step.shape.in,
            .bits = recipe_.bits,
            .relative_error = norm > 0 ? std::sqrt(error / norm) : 0,
            .largest_error = largest};
  }

  // Rows are padded to whole 32-bit words.
  void append_rows(const std::vector<std::byte>& data, const quant::Step& step,
                   SafetensorsWriter& writer) const {
    const int64_t row_bytes = (step.shape.in * recipe_.bits + 7) / 8,
                  word_bytes = (step.shape.in * recipe_.bits + 31) / 32 * 4;
    if (row_bytes == word_bytes) return writer.append(data);
    std::vector<std::byte> padded(word_bytes * step.shape.out);
    for (int64_t r = 0; r < step.shape.out; ++r)
      std::memcpy(padded.data() + r * word_bytes, data.data() + r * row_bytes, row_bytes);
    writer.append(padded);
  }

  // Zeros of a group are one little-endian bit string along the outputs: [ceil(out · bits / 32),
  // groups].
  void append_zeros(const std::vector<uint8_t>& zeros, const quant::Step& step,
                    SafetensorsWriter& writer) const {
    const int64_t groups = step.groups, words = (step.shape.out * recipe_.bits + 31) / 32;
    std::vector<uint32_t> packed((words + 1) *
                                 groups);  // a value may straddle into the word after the last
    for (int64_t r = 0; r < step.shape.out; ++r) {
      const int64_t bit = r * recipe_.bits;
      for (int64_t g = 0; g < groups; ++g) {
        const uint64_t value = static_cast<uint64_t>(zeros[r * groups + g]) << (bit % 32);
        packed[bit / 32 * groups + g] |= static_cast<uint32_t>(value);
        packed[(bit / 32 + 1) * groups + g] |= static_cast<uint32_t>(value >> 32);
      }
    }
    writer.append(std::as_bytes(std::span(packed).first(words * groups)));
  }

  const Checkpoint& checkpoint_;
  const quant::Plan& plan_;
  const Recipe& recipe_;
  ThreadPool& pool_;
  QuantizeReport report_;
  std::vector<std::pair<std::string, std::string>> map_;
};

// Everything beside weights and config travels along: tokenizer, template, generation settings,
// licence.
void copy_companions(const std::filesystem::path& from, const std::filesystem::path& to) {
  constexpr uint64_t kMaxBytes = uint64_t{128} << 20;
  for (const auto& entry : std::filesystem::directory_iterator(from)) {
    const std::string name = entry.path().filename().string();
    const bool weights = name.ends_with(".safetensors") || name.ends_with(".bin") ||
                         name.ends_with(".gguf") || name.ends_with(".pt") ||
                         name.ends_with(".pth") || name.ends_with(".index.json");
    if (!entry.is_regular_file() || weights || name == "config.json" ||
        name.starts_with("quantization_report.") || entry.file_size() > kMaxBytes)
      continue;
    write_file_atomically(to / name, read_file(entry.path(), kMaxBytes));
  }
}

}  // namespace

QuantizeReport quantize(const std::filesystem::path& model, const std::filesystem::path& out,
                        const Recipe& recipe, ThreadPool& pool, const QuantizeProgress& progress) {
  const auto start = std::chrono::steady_clock::now();
  if (is_gguf(model)) {
    throw Error("a GGUF file cannot be quantized again", model.string(),
                "give the model's full-precision directory");
  }
  const Config config = Config::read(model / "config.json");
  if (config.has("quantization_config"))
    throw Error("the model is quantized already", config.where(), "give the full-precision model");
  const Checkpoint checkpoint = Checkpoint::open(model);
  const quant::Plan plan = quant::make_plan(spec_of(config), checkpoint, recipe);
  AtomicDirectory directory(out, "quantize", AtomicDirectory::Start::fresh);
  try {
    QuantizeReport report = Job(checkpoint, plan, recipe, pool).run(directory.path(), progress);
    Json written = config.json();
    written["quantization_config"] = plan.settings.to_json();
    write_file_atomically(directory.path() / "config.json", written.dump(2) + "\n");
    copy_companions(model, directory.path());
    report.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    quant::write_report(directory.path(), recipe, report);
    directory.commit();
    return report;
  } catch (...) {
    directory.discard();
    throw;
  }
}

}  // namespace octavo
