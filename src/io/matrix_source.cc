#include "io/matrix_source.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "octavo/error.h"
#include "tensor/convert.h"

namespace octavo {
namespace {

std::string to_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

// Any dtype where `types` is empty.
void expect(const Checkpoint& checkpoint, const TensorEntry& entry,
            const std::vector<int64_t>& shape, std::initializer_list<DType> types) {
  if (entry.shape != shape) {
    throw Error("shape " + to_text(entry.shape) + " where config.json asks for " + to_text(shape),
                checkpoint.where(entry.name),
                "config.json and weights do not belong together (vocab_size, hidden_size, heads, "
                "group_size?)");
  }
  if (types.size() > 0 && std::find(types.begin(), types.end(), entry.dtype) == types.end()) {
    throw Error("unexpected dtype " + std::string(name(entry.dtype)), checkpoint.where(entry.name),
                "the checkpoint is damaged or of another format");
  }
}

}  // namespace

MatrixSource MatrixSource::open_blocks(MatrixSource source) {
  const TensorEntry& entry = *source.data_;
  if (source.shape_.transposed) {
    throw Error("a transposed matrix in blocks", source.checkpoint_->where(entry.name),
                "convert the model again");
  }
  expect(*source.checkpoint_, entry, {source.shape_.out, source.shape_.in}, {});
  source.format_ = block_format(entry.block);
  return source;
}

MatrixSource MatrixSource::open(const Checkpoint& checkpoint, const Quantization& quantization,
                                const std::string& name, const MatrixShape& shape) {
  MatrixSource source;
  source.checkpoint_ = &checkpoint;
  source.shape_ = shape;
  const TensorEntry* packed =
      quantization.packed ? checkpoint.find(name + ".weight_packed") : nullptr;
  if (packed == nullptr) {
    source.data_ = &checkpoint.get(name + ".weight");
    if (source.data_->block != BlockType::none) return open_blocks(std::move(source));
    const auto stored =
        shape.transposed ? std::vector{shape.in, shape.out} : std::vector{shape.out, shape.in};
    expect(checkpoint, *source.data_, stored, {});
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
  const CompressedTensors& settings = *quantization.packed;
  const int64_t group = settings.group_size > 0 ? settings.group_size : shape.in;
  const int64_t bits = settings.bits, groups = (shape.in + group - 1) / group;
  source.shape_.transposed = false;
  source.data_ = packed;
  expect(checkpoint, *packed, {shape.out, (shape.in * bits + 31) / 32}, {DType::i32});
  source.scales_ = &checkpoint.get(name + ".weight_scale");
  expect(checkpoint, *source.scales_, {shape.out, groups}, {DType::f32, DType::f16, DType::bf16});
  if (!settings.symmetric) {
    source.zeros_ = &checkpoint.get(name + ".weight_zero_point");
    expect(checkpoint, *source.zeros_, {(shape.out * bits + 31) / 32, groups}, {DType::i32});
  }
  source.format_ = {.scheme = Scheme::affine,
                    .dtype = source.scales_->dtype,
                    .bits = settings.bits,
                    .group_size = group};
  return source;
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
    read_stored(stored, stored + count, rows.data.data() + at * row.data,
                rows.scales.data() + at * row.scales, rows.zeros.data() + at * row.zeros);
    r += count;
  }
  rows.weight = {.format = format_,
                 .out = end - begin,
                 .in = shape_.in,
                 .data = rows.data,
                 .scales = rows.scales,
                 .zeros = rows.zeros};
}

void MatrixSource::read_stored(int64_t begin, int64_t end, std::byte* data, std::byte* scales,
                               std::byte* zeros) const {
  const PlaneBytes row = plane_bytes(format_, 1, shape_.in);
  const int64_t count = end - begin;
  if (format_.scheme == Scheme::block)
    return checkpoint_->read(*data_, begin * row.data, {data, count * row.data});
  if (format_.scheme == Scheme::dense) return read_dense(begin, end, data);
  // Stored rows are padded to whole 32-bit words.
  const size_t stored_bytes = data_->bytes / shape_.out;
  std::vector<std::byte> words(stored_bytes * count);
  checkpoint_->read(*data_, begin * stored_bytes, words);
  for (int64_t r = 0; r < count; ++r)
    std::memcpy(data + r * row.data, words.data() + r * stored_bytes, row.data);
  checkpoint_->read(*scales_, begin * row.scales, {scales, count * row.scales});
  if (zeros_ == nullptr) {
    std::memset(zeros, 1 << (format_.bits - 1), count * row.zeros);
  } else {
    unpack_zeros(begin, end, zeros);
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

// Zeros are packed along the outputs: word w of group g holds outputs of one little-endian bit
// string a group.
void MatrixSource::unpack_zeros(int64_t begin, int64_t end, std::byte* zeros) const {
  const int64_t groups = groups_of(format_, shape_.in), bits = format_.bits;
  const auto raw = checkpoint_->read_all(*zeros_);
  const auto word = [&](int64_t w, int64_t g) {
    uint32_t value = 0;
    const size_t at = static_cast<size_t>(w * groups + g) * 4;
    if (at + 4 <= raw.size()) std::memcpy(&value, raw.data() + at, 4);
    return static_cast<uint64_t>(value);
  };
  for (int64_t r = begin; r < end; ++r) {
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t bit = r * bits;
      const uint64_t pair = word(bit / 32, g) | word(bit / 32 + 1, g) << 32;
      zeros[(r - begin) * groups + g] =
          static_cast<std::byte>(pair >> (bit % 32) & ((1u << bits) - 1));
    }
  }
}

std::vector<std::string> MatrixSource::tensors() const {
  std::vector<std::string> names;
  for (const TensorEntry* entry : {data_, scales_, zeros_}) {
    if (entry != nullptr) names.push_back(entry->name);
  }
  if (element_scales_ != nullptr) names.push_back(element_scales_->tensor());
  return names;
}

void MatrixSource::drop() const { checkpoint_->drop(*data_); }

}  // namespace octavo
