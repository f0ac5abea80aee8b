#include "io/matrix_source.h"

#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/check.h"
#include "base/half.h"
#include "io/bit_string.h"
#include "io/tensor_check.h"
#include "octavo/error.h"
#include "tensor/convert.h"

namespace octavo {
namespace {

constexpr int64_t kBlockInputs = 32;  // of Q4_1

// Widths that kernels have.
int kept_bits(int bits) { return bits > 4 ? 8 : bits; }

// Inputs by their group, in their own order within one: code k of a row belongs to input order[k].
std::shared_ptr<const std::vector<int32_t>> order_of(std::span<const int32_t> group_index) {
  if (group_index.empty()) return nullptr;
  auto order = std::make_shared<std::vector<int32_t>>(group_index.size());
  std::iota(order->begin(), order->end(), 0);
  std::ranges::stable_sort(*order, {},
                           [&](int32_t k) { return group_index[static_cast<size_t>(k)]; });
  return order;
}

}  // namespace

MatrixSource MatrixSource::open_blocks(MatrixSource source) {
  const TensorEntry& entry = *source.data_;
  if (source.shape_.transposed) {
    throw Error("a transposed matrix in blocks", source.checkpoint_->where(entry.name),
                "convert the model again");
  }
  expect_tensor(*source.checkpoint_, entry, {source.shape_.out, source.shape_.in}, {});
  source.format_ = block_format(entry.block);
  return source;
}

MatrixSource MatrixSource::open_packed(MatrixSource source, const Quantization& quantization,
                                       const std::string& name) {
  std::optional<QuantSettings> settings = quantization.settings_of(name);
  if (!settings) settings = quantization.packed;  // packed although a rule says dense
  if (!settings) {
    throw Error("a matrix in codes without settings", source.checkpoint_->where(name),
                "config.json lacks its quantization_config: fetch it again");
  }
  source.shape_.transposed = false;
  source.packed_ = PackedMatrix::open(*source.checkpoint_, *settings, name, source.shape_.out,
                                      source.shape_.in, *quantization.log);
  source.data_ = &source.packed_->codes();
  source.order_ = order_of(source.packed_->group_index());
  const MatrixLayout& layout = source.packed_->layout();
  if (layout.settings.format == QuantFormat::awq_gemv_fast && layout.group() % kBlockInputs == 0) {
    source.format_ = block_format(BlockType::q4_1);
    return source;
  }
  source.format_ = {.scheme = Scheme::affine,
                    .dtype = layout.scale_dtype,
                    .bits = kept_bits(layout.settings.bits),
                    .group_size = layout.group(),
                    .ordered = source.order_ != nullptr};
  return source;
}

bool MatrixSource::present(const Checkpoint& checkpoint, const std::string& name) {
  return checkpoint.find(name + ".weight") != nullptr || PackedMatrix::present(checkpoint, name);
}

MatrixSource MatrixSource::open(const Checkpoint& checkpoint, const Quantization& quantization,
                                const std::string& name, const MatrixShape& shape) {
  MatrixSource source;
  source.checkpoint_ = &checkpoint;
  source.shape_ = shape;
  if (PackedMatrix::present(checkpoint, name))
    return open_packed(std::move(source), quantization, name);
  source.data_ = &checkpoint.get(name + ".weight");
  if (source.data_->block != BlockType::none) return open_blocks(std::move(source));
  const auto stored =
      shape.transposed ? std::vector{shape.in, shape.out} : std::vector{shape.out, shape.in};
  expect_tensor(checkpoint, *source.data_, stored, {});
  const DType type = source.data_->dtype;
  const bool direct = type == DType::f32 || type == DType::f16 || type == DType::bf16;
  if (size_bytes(type) == 1) {
    if (auto scales =
            ElementScales::find(checkpoint, name, shape.out, shape.in, quantization.block))
      source.element_scales_ = std::make_shared<const ElementScales>(std::move(*scales));
  }
  source.format_ = {.scheme = Scheme::dense, .dtype = direct ? type : DType::f32};
  return source;
}

int64_t MatrixSource::least_rows() const {
  if (packed_ == nullptr) return 1;
  switch (packed_->layout().settings.format) {
    case QuantFormat::compressed_tensors:
    case QuantFormat::awq_gemv:
    case QuantFormat::awq_gemv_fast:
      return 1;
    default:
      return 1024;  // codes lie by inputs: a row of the tensor gives these rows' share of each word
  }
}

void MatrixSource::read(const RowMap& map, int64_t begin, int64_t end, Rows& rows) const {
  const PlaneBytes bytes = plane_bytes(format_, end - begin, shape_.in);
  rows.data.resize(bytes.data);
  rows.scales.resize(bytes.scales);
  rows.zeros.resize(bytes.zeros);
  const PlaneBytes row = plane_bytes(format_, 1, shape_.in);
  const int64_t run = map.run > 0 ? map.run : shape_.out;
  for (int64_t r = begin; r < end;) {
    const int64_t stored = map.first + r / run * map.stride + r % run;
    const int64_t count = std::min(end - r, run - r % run);
    OCTAVO_CHECK(stored + count <= shape_.out);
    const int64_t at = r - begin;
    const Planes planes{.data = rows.data.data() + at * row.data,
                        .scales = rows.scales.data() + at * row.scales,
                        .zeros = rows.zeros.data() + at * row.zeros};
    read_stored(stored, stored + count, planes, rows.codes);
    r += count;
  }
  rows.weight = {.format = format_,
                 .out = end - begin,
                 .in = shape_.in,
                 .data = rows.data,
                 .scales = rows.scales,
                 .zeros = rows.zeros,
                 .order = order()};
}

void MatrixSource::read_stored(int64_t begin, int64_t end, const Planes& planes,
                               CodeRows& codes) const {
  if (format_.scheme == Scheme::affine) return read_codes(begin, end, planes, codes);
  if (packed_ != nullptr) return read_blocks(begin, end, planes.data, codes);
  if (format_.scheme == Scheme::dense) return read_dense(begin, end, planes.data);
  const PlaneBytes row = plane_bytes(format_, 1, shape_.in);
  checkpoint_->read(*data_, begin * row.data, {planes.data, (end - begin) * row.data});
}

void MatrixSource::read_codes(int64_t begin, int64_t end, const Planes& planes,
                              CodeRows& codes) const {
  const int64_t in = shape_.in, count = end - begin;
  const PlaneBytes row = plane_bytes(format_, 1, in);
  if (!packed_->read_strings(begin, end, planes.data, codes)) {
    packed_->read(begin, end, codes);
    std::vector<uint8_t> ordered(order().size());
    std::vector<uint32_t> words(static_cast<size_t>((in * format_.bits + 31) / 32));
    for (int64_t r = 0; r < count; ++r) {
      const std::span<const uint8_t> own = std::span(codes.codes).subspan(r * in, in);
      for (size_t k = 0; k < ordered.size(); ++k) ordered[k] = own[order()[k]];
      pack_string(ordered.empty() ? own : ordered, format_.bits, words);
      std::memcpy(planes.data + r * row.data, words.data(), row.data);
    }
  }
  from_floats(format_.dtype, codes.scales, {planes.scales, count * row.scales});
  std::memcpy(planes.zeros, codes.zeros.data(), codes.zeros.size());
}

// Codes with an offset a group are what Q4_1 holds: scale and offset in f16, then 16 bytes with the
// first 16 codes in their low nibbles.
void MatrixSource::read_blocks(int64_t begin, int64_t end, std::byte* data, CodeRows& codes) const {
  packed_->read(begin, end, codes);
  const int64_t blocks = shape_.in / kBlockInputs, groups = packed_->layout().groups();
  const int64_t group_blocks = packed_->layout().group() / kBlockInputs;
  for (int64_t i = 0; i < (end - begin) * blocks; ++i) {
    const int64_t group = i / blocks * groups + i % blocks / group_blocks;
    const uint8_t* const code = codes.codes.data() + i * kBlockInputs;
    const Float16 parts[2] = {to_float16(codes.scales[group]), to_float16(codes.offsets[group])};
    std::memcpy(data, parts, 4);
    for (int k = 0; k < 16; ++k) data[4 + k] = static_cast<std::byte>(code[k] | code[k + 16] << 4);
    data += 20;
  }
}

void MatrixSource::read_values(int64_t begin, int64_t end, std::vector<float>& values) const {
  const int64_t in = shape_.in, count = end - begin;
  values.resize(static_cast<size_t>(count * in));
  if (packed_ == nullptr) {
    Rows rows;
    read({}, begin, end, rows);
    for (int64_t r = 0; r < count; ++r) {
      for (int64_t k = 0; k < in; ++k) values[r * in + k] = element(rows.weight, r, k);
    }
    return;
  }
  CodeRows rows;
  packed_->read(begin, end, rows);
  const int64_t groups = packed_->layout().groups(), group = packed_->layout().group();
  const std::span<const int32_t> index = packed_->group_index();
  for (int64_t r = 0; r < count; ++r) {
    for (int64_t k = 0; k < in; ++k) {
      const int64_t at = r * groups + (index.empty() ? k / group : index[k]);
      const float scale = rows.scales[at];
      const int code = rows.codes[r * in + k];
      values[r * in + k] = rows.offsets.empty()
                               ? static_cast<float>(code - rows.zeros[at]) * scale
                               : static_cast<float>(code) * scale + rows.offsets[at];
    }
  }
}

void MatrixSource::read_dense(int64_t begin, int64_t end, std::byte* data) const {
  if (data_->dtype == format_.dtype) return read_elements(begin, end, data);
  const auto count = static_cast<size_t>((end - begin) * shape_.in);
  std::vector<std::byte> stored(count * static_cast<size_t>(size_bytes(data_->dtype)));
  read_elements(begin, end, stored.data());
  const std::span<float> values(reinterpret_cast<float*>(data), count);
  to_floats(data_->dtype, stored, values);
  if (element_scales_ != nullptr) element_scales_->apply(begin, end, values);
}

// Rows of the matrix in the stored type.
void MatrixSource::read_elements(int64_t begin, int64_t end, std::byte* data) const {
  const size_t size = size_bytes(data_->dtype), count = end - begin;
  if (!shape_.transposed) {
    const size_t row_bytes = shape_.in * size;
    return checkpoint_->read(*data_, begin * row_bytes, {data, count * row_bytes});
  }
  std::vector<std::byte> column(count * size);
  for (int64_t k = 0; k < shape_.in; ++k) {
    checkpoint_->read(*data_, (k * shape_.out + begin) * size, column);
    for (size_t r = 0; r < count; ++r)
      std::memcpy(data + (r * shape_.in + k) * size, column.data() + r * size, size);
  }
}

std::vector<std::string> MatrixSource::tensors() const {
  if (packed_ == nullptr) {
    std::vector<std::string> names{data_->name};
    if (element_scales_ != nullptr) names.push_back(element_scales_->tensor());
    return names;
  }
  std::vector<std::string> names;
  for (const TensorEntry* entry : packed_->tensors()) names.push_back(entry->name);
  return names;
}

void MatrixSource::drop() const {
  if (packed_ == nullptr) return checkpoint_->drop(*data_);
  for (const TensorEntry* entry : packed_->tensors()) checkpoint_->drop(*entry);
}

}  // namespace octavo
