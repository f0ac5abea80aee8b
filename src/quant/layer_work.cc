#include "quant/layer_work.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <mutex>

#include "base/half.h"
#include "io/matrix_source.h"
#include "octavo/error.h"
#include "tensor/convert.h"

namespace octavo::quant {
namespace {

constexpr int64_t kRowsASlice = 64;  // rows that one task converts or packs

std::vector<StoredMatrix> stored_matrices(const ModelSpec& spec, int64_t layer,
                                          const std::string& root) {
  std::vector<StoredMatrix> matrices;
  for (const MatrixPart& part : layer_matrices(spec, layer, root)) {
    const auto same = [&](const StoredMatrix& m) { return m.name == part.name; };
    auto found = std::ranges::find_if(matrices, same);
    if (found == matrices.end()) {
      matrices.push_back({.name = part.name, .shape = part.stored});
      found = matrices.end() - 1;
    }
    found->parts.push_back(part);
  }
  return matrices;
}

}  // namespace

float round_to(DType type, float value) {
  if (type == DType::bf16) return to_float(to_bfloat16(value));
  if (type == DType::f16) return to_float(to_float16(value));
  return value;
}

bool StoredMatrix::has(Role role) const {
  return std::ranges::any_of(parts, [&](const MatrixPart& part) { return part.role == role; });
}

std::vector<int64_t> StoredMatrix::rows(const MatrixPart& part) const {
  std::vector<int64_t> rows(static_cast<size_t>(part.out));
  const int64_t run = part.rows.run > 0 ? part.rows.run : shape.out;
  for (int64_t r = 0; r < part.out; ++r)
    rows[static_cast<size_t>(r)] = part.rows.first + r / run * part.rows.stride + r % run;
  return rows;
}

void DenseWeight::set(const Ops& ops, ThreadPool& pool, std::span<const float> values, int64_t out,
                      int64_t in) {
  const Format rows_format{.scheme = Scheme::dense, .dtype = DType::f32};
  if (weight_.empty()) {
    weight_ = {.format = ops.preferred(rows_format, out, in, Compute::f32), .out = out, .in = in};
    const size_t bytes = ops.planes(weight_.format, out, in).data;
    memory_ = HugeBuffer(bytes);
    weight_.data = {memory_.data(), bytes};
  }
  OCTAVO_CHECK(weight_.out == out && weight_.in == in);
  pool.each((out + kRowsASlice - 1) / kRowsASlice, [&](int64_t slice, int) {
    const int64_t begin = slice * kRowsASlice, end = std::min(out, begin + kRowsASlice);
    const auto rows =
        values.subspan(static_cast<size_t>(begin * in), static_cast<size_t>((end - begin) * in));
    ops.pack({.format = rows_format, .out = end - begin, .in = in, .data = std::as_bytes(rows)},
             begin, weight_);
  });
}

LayerWork::LayerWork(const ModelSource& source, const Ops& ops, ThreadPool& pool, int64_t layer)
    : source_(source),
      ops_(ops),
      pool_(pool),
      layer_(layer),
      root_(root_in_use(source.spec, source.checkpoint)),
      model_(load_part(source, ops, pool, {.layer_begin = layer, .layer_end = layer + 1},
                       {.dtype = DTypeChoice::float32})),
      matrices_(stored_matrices(source.spec, layer, root_)) {}

StoredMatrix* LayerWork::find(Role role) {
  const auto found =
      std::ranges::find_if(matrices_, [&](const StoredMatrix& m) { return m.has(role); });
  return found == matrices_.end() ? nullptr : &*found;
}

std::vector<float> read_values(const ModelSource& source, ThreadPool& pool,
                               const StoredMatrix& matrix) {
  const MatrixSource stored =
      MatrixSource::open(source.checkpoint, source.quantization, matrix.name, matrix.shape);
  const int64_t out = matrix.shape.out, in = matrix.shape.in;
  std::vector<float> values(static_cast<size_t>(out * in));
  std::vector<MatrixSource::Rows> buffers(static_cast<size_t>(pool.threads()));
  std::mutex mutex;  // guards `problem`
  std::exception_ptr problem;
  pool.each((out + kRowsASlice - 1) / kRowsASlice, [&](int64_t slice, int worker) {
    try {
      const int64_t begin = slice * kRowsASlice, end = std::min(out, begin + kRowsASlice);
      MatrixSource::Rows& rows = buffers[static_cast<size_t>(worker)];
      stored.read({}, begin, end, rows);
      for (int64_t r = begin; r < end; ++r) {
        const std::span<float> row(values.data() + r * in, static_cast<size_t>(in));
        reference::ops().unpack_row(rows.weight, r - begin, row);
        if (!std::ranges::all_of(row, [](float v) { return std::isfinite(v); })) {
          throw Error("weights that are not numbers",
                      source.checkpoint.where(matrix.name + ".weight"),
                      "the checkpoint is damaged: fetch it again", Error::Kind::failure);
        }
        if (!matrix.row_divisors.empty()) {
          for (float& v : row) v /= matrix.row_divisors[static_cast<size_t>(r)];
        }
        if (!matrix.column_factors.empty()) {
          for (size_t k = 0; k < row.size(); ++k) row[k] *= matrix.column_factors[k];
        }
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      problem = std::current_exception();
    }
  });
  if (problem) std::rethrow_exception(problem);
  stored.drop();
  return values;
}

std::vector<float> LayerWork::part_of(const StoredMatrix& matrix, const MatrixPart& part,
                                      std::span<const float> values) {
  const auto in = static_cast<size_t>(matrix.shape.in);
  std::vector<float> rows(static_cast<size_t>(part.out) * in);
  size_t at = 0;
  for (const int64_t row : matrix.rows(part)) {
    std::ranges::copy(values.subspan(static_cast<size_t>(row) * in, in), rows.begin() + at);
    at += in;
  }
  return rows;
}

void LayerWork::replace(const StoredMatrix& matrix, std::span<const float> values) {
  for (const MatrixPart& part : matrix.parts) {
    DenseWeight& dense = replaced_[part.role];
    const bool whole = matrix.parts.size() == 1;
    if (whole) {
      dense.set(ops_, pool_, values, part.out, part.in);
    } else {
      dense.set(ops_, pool_, part_of(matrix, part, values), part.out, part.in);
    }
    loaded_.emplace(part.role, exchange(part.role, dense.weight()));
  }
}

void LayerWork::restore() {
  for (const auto& [role, weight] : loaded_) exchange(role, weight);
  loaded_.clear();
}

Weight LayerWork::exchange(Role role, const Weight& weight) {
  return std::exchange(model_->layers[static_cast<size_t>(layer_)].linear(role).weight, weight);
}

std::string LayerWork::full_name(const std::string& suffix) const {
  return layer_name(model_->spec, layer_, root_, suffix);
}

std::vector<float> LayerWork::as_stored(const std::string& tensor,
                                        std::span<const float> values) const {
  const DType type = source_.checkpoint.get(tensor).dtype;
  std::vector<float> rounded(values.begin(), values.end());
  for (float& v : rounded) v = round_to(type, v);
  return rounded;
}

Vec LayerWork::keep(const std::string& tensor, std::vector<float> model_values,
                    std::vector<float> file_values) {
  changed_[tensor] = std::move(file_values);
  vectors_.push_back(std::make_unique<std::vector<float>>(std::move(model_values)));
  return *vectors_.back();
}

void LayerWork::divide_norm(NormWeights LayerWeights::*norm, const NormSpec& spec,
                            const std::string& name, std::span<const float> divisors) {
  NormWeights& weights = model_->layers[static_cast<size_t>(layer_)].*norm;
  std::vector<float> file(weights.weight.begin(), weights.weight.end());
  for (size_t i = 0; i < file.size(); ++i)
    file[i] = (file[i] + spec.offset) / divisors[i] - spec.offset;
  file = as_stored(name + ".weight", file);
  weights.weight = keep(name + ".weight", file, file);
  if (weights.bias.empty()) return;
  std::vector<float> bias(weights.bias.begin(), weights.bias.end());
  for (size_t i = 0; i < bias.size(); ++i) bias[i] /= divisors[i];
  bias = as_stored(name + ".bias", bias);
  weights.bias = keep(name + ".bias", bias, bias);
}

void LayerWork::divide_bias(Role role, std::span<const float> divisors) {
  Linear& linear = model_->layers[static_cast<size_t>(layer_)].linear(role);
  if (linear.bias.empty()) return;
  StoredMatrix* const matrix = find(role);
  const auto part =
      std::ranges::find_if(matrix->parts, [&](const MatrixPart& p) { return p.role == role; });
  std::vector<float> bias(linear.bias.begin(), linear.bias.end());
  for (size_t i = 0; i < bias.size(); ++i) bias[i] /= divisors[i];
  const std::string tensor = matrix->name + ".bias";
  bias = as_stored(tensor, bias);
  // The stored vector, where the part is one of several, keeps its other elements.
  std::vector<float> file;
  if (const auto found = changed_.find(tensor); found != changed_.end()) {
    file = found->second;
  } else {
    const TensorEntry& entry = source_.checkpoint.get(tensor);
    file.resize(static_cast<size_t>(entry.elements()));
    to_floats(entry.dtype, source_.checkpoint.read_all(entry), file);
  }
  const std::vector<int64_t> rows = matrix->rows(*part);
  for (size_t i = 0; i < rows.size(); ++i) file[static_cast<size_t>(rows[i])] = bias[i];
  linear.bias = keep(tensor, std::move(bias), std::move(file));
}

}  // namespace octavo::quant
