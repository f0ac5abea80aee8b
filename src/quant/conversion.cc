#include "quant/conversion.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <exception>
#include <mutex>

#include "base/atomic_file.h"
#include "base/json.h"
#include "io/companion_files.h"
#include "io/quantization_section.h"
#include "io/shard_writer.h"
#include "octavo/error.h"
#include "quant/conversion_step.h"
#include "quant/stored_matrices.h"
#include "quant/target_layout.h"
#include "tensor/convert.h"

namespace octavo::quant {
namespace {

constexpr int64_t kSliceRows = 256;  // that one thread reads at a time
constexpr uint64_t kPieceBytes = uint64_t{8} << 20;

bool is_float(DType type) {
  return type == DType::f64 || type == DType::f32 || type == DType::f16 || type == DType::bf16;
}

std::optional<DType> float_type(const std::string& name) {
  if (name == "float32") return DType::f32;
  if (name == "float16") return DType::f16;
  if (name == "bfloat16") return DType::bf16;
  return std::nullopt;
}

const char* torch_name(DType type) {
  return type == DType::f32 ? "float32" : type == DType::f16 ? "float16" : "bfloat16";
}

// What config.json calls its type: transformers 5 says `dtype`.
const char* dtype_key(const Config& config) {
  return config.has("dtype") ? "dtype" : "torch_dtype";
}

// A tensor that is no part of a quantized matrix, as floats of `type` where it has any.
ConversionStep copy_step(const Checkpoint& checkpoint, const TensorEntry& entry,
                         std::optional<DType> type) {
  const DType kept = type && is_float(entry.dtype) ? *type : entry.dtype;
  const auto run = [&checkpoint, &entry, kept](const ConversionStep::Write& write) {
    std::vector<std::byte> piece, converted;
    std::vector<float> values;
    uint64_t to = 0;
    for (uint64_t at = 0; at < entry.bytes; at += piece.size()) {
      piece.resize(std::min(kPieceBytes, entry.bytes - at));
      checkpoint.read(entry, at, piece);
      if (kept != entry.dtype) {
        values.resize(piece.size() / static_cast<size_t>(size_bytes(entry.dtype)));
        to_floats(entry.dtype, piece, values);
        converted.resize(values.size() * static_cast<size_t>(size_bytes(kept)));
        from_floats(kept, values, converted);
      }
      const auto& bytes = kept == entry.dtype ? piece : converted;
      write(entry.name, to, bytes);
      to += bytes.size();
    }
    checkpoint.drop(entry);
  };
  return {.tensors = {{entry.name, kept, entry.shape}}, .run = run};
}

// ---- To a dense matrix

// Values of `source` in its stored order, rows in parallel.
std::vector<float> dense_values(const MatrixSource& source, ThreadPool& pool) {
  const int64_t out = source.shape().out, in = source.shape().in;
  std::vector<float> values(static_cast<size_t>(out * in));
  std::mutex mutex;  // guards `problem`
  std::exception_ptr problem;
  pool.each((out + kSliceRows - 1) / kSliceRows, [&](int64_t slice, int) {
    try {
      const int64_t begin = slice * kSliceRows, end = std::min(out, begin + kSliceRows);
      std::vector<float> rows;
      source.read_values(begin, end, rows);
      std::ranges::copy(rows, values.begin() + begin * in);
    } catch (...) {
      const std::lock_guard lock(mutex);
      problem = std::current_exception();
    }
  });
  if (problem) std::rethrow_exception(problem);
  source.drop();
  return values;
}

void transpose(std::vector<float>& values, int64_t out, int64_t in) {
  std::vector<float> turned(values.size());
  for (int64_t o = 0; o < out; ++o) {
    for (int64_t k = 0; k < in; ++k)
      turned[static_cast<size_t>(k * out + o)] = values[static_cast<size_t>(o * in + k)];
  }
  values = std::move(turned);
}

ConversionStep dense_step(const std::string& name, const MatrixSource& source, bool transposed,
                          DType type, ThreadPool& pool) {
  const int64_t out = source.shape().out, in = source.shape().in;
  const auto run = [=, &source, &pool](const ConversionStep::Write& write) {
    std::vector<float> values = dense_values(source, pool);
    if (transposed) transpose(values, out, in);
    std::vector<std::byte> bytes(values.size() * static_cast<size_t>(size_bytes(type)));
    from_floats(type, values, bytes);
    write(name + ".weight", 0, bytes);
  };
  const auto shape = transposed ? std::vector{in, out} : std::vector{out, in};
  return {.tensors = {{name + ".weight", type, shape}}, .run = run};
}

// The type of dense matrices: what was asked for, what config.json says, or what scales are in.
DType dense_type(const StoredMatrices& model, const std::optional<DType>& asked) {
  if (asked) return *asked;
  if (const auto said = float_type(model.config.text_or(dtype_key(model.config), ""))) return *said;
  const PackedMatrix* packed = model.sources.begin()->second.packed();
  return packed != nullptr ? packed->layout().scale_dtype : DType::bf16;
}

// ---- The folder around the weights

int64_t write_weights(const std::filesystem::path& directory,
                      const std::vector<ConversionStep>& steps, const ConversionOptions& options) {
  std::vector<TensorPlan> tensors;
  for (const ConversionStep& step : steps)
    tensors.insert(tensors.end(), step.tensors.begin(), step.tensors.end());
  ShardWriter writer(directory, std::move(tensors), options.shard_bytes);
  const auto all = static_cast<int64_t>(writer.tensor_bytes());
  int64_t done = 0;
  for (const ConversionStep& step : steps) {
    step.run([&](std::string_view tensor, uint64_t offset, std::span<const std::byte> bytes) {
      writer.write(tensor, offset, bytes);
      done += static_cast<int64_t>(bytes.size());
      if (options.progress) options.progress(done, all);
    });
  }
  writer.finish();
  return all;
}

struct Folder {
  const std::filesystem::path &model, &out;
  const char* key;  // of the work folder
};

ConversionReport write_folder(const Folder& folder, const StoredMatrices& source,
                              const std::vector<ConversionStep>& steps, const Json& config,
                              const ConversionOptions& options) {
  constexpr std::array<std::string_view, 2> kSections{"quantize_config.json", "quant_config.json"};
  const auto start = std::chrono::steady_clock::now();
  ConversionReport report{.matrices = static_cast<int64_t>(source.sources.size()),
                          .bytes_before = static_cast<int64_t>(source.checkpoint.total_bytes())};
  AtomicDirectory directory(folder.out, folder.key, AtomicDirectory::Start::fresh);
  try {
    report.bytes_after = write_weights(directory.path(), steps, options);
    write_file_atomically(directory.path() / "config.json", config.dump(2) + "\n");
    copy_companions(folder.model, directory.path(), kSections);
    const auto section = config.find("quantization_config");
    if (section != config.end() && section->value("quant_method", "") == "gptq")
      write_file_atomically(directory.path() / "quantize_config.json", section->dump(2) + "\n");
    directory.commit();
  } catch (...) {
    directory.discard();
    throw;
  }
  report.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return report;
}

}  // namespace

ConversionReport dequantize(const std::filesystem::path& model, const std::filesystem::path& out,
                            ThreadPool& pool, const ConversionOptions& options) {
  const auto source = StoredMatrices::open(model);
  const DType type = dense_type(*source, options.dtype);
  std::vector<ConversionStep> steps;
  for (const auto& [name, matrix] : source->sources)
    steps.push_back(dense_step(name, matrix, source->transposed.contains(name), type, pool));
  for (const std::string& tensor : source->checkpoint.names()) {
    if (!source->parts.contains(tensor))
      steps.push_back(copy_step(source->checkpoint, source->checkpoint.get(tensor), options.dtype));
  }
  Json config = source->config.json();
  config.erase("quantization_config");
  if (options.dtype) config[dtype_key(source->config)] = torch_name(*options.dtype);
  return write_folder({.model = model, .out = out, .key = "dequantize"}, *source, steps, config,
                      options);
}

ConversionReport export_layout(const std::filesystem::path& model, const std::filesystem::path& out,
                               QuantFormat format, ThreadPool&, const ConversionOptions& options) {
  const auto source = StoredMatrices::open(model);
  const TargetLayout target(*source, format);
  std::vector<ConversionStep> steps;
  for (const auto& [name, matrix] : source->sources) steps.push_back(target.step(name, matrix));
  for (const std::string& tensor : source->checkpoint.names()) {
    if (!source->parts.contains(tensor))
      steps.push_back(copy_step(source->checkpoint, source->checkpoint.get(tensor), {}));
  }
  Json config = source->config.json();
  config["quantization_config"] = target.section();
  return write_folder({.model = model, .out = out, .key = "export"}, *source, steps, config,
                      options);
}

}  // namespace octavo::quant
