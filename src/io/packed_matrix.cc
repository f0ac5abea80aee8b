#include "io/packed_matrix.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "io/awq_layout.h"
#include "io/gptq_layout.h"
#include "io/marlin_layout.h"
#include "io/strings_layout.h"
#include "io/tensor_check.h"
#include "octavo/error.h"
#include "tensor/convert.h"

namespace octavo {

bool PackedMatrix::present(const Checkpoint& checkpoint, const std::string& name) {
  return checkpoint.find(name + ".weight_packed") != nullptr ||
         checkpoint.find(name + ".qweight") != nullptr;
}

std::pair<int64_t, int64_t> PackedMatrix::shape_in(const Checkpoint& checkpoint,
                                                   const QuantSettings& settings,
                                                   const std::string& name) {
  const bool strings = settings.format == QuantFormat::compressed_tensors;
  const TensorEntry& codes = checkpoint.get(name + (strings ? ".weight_packed" : ".qweight"));
  // So many that products with a width stay within 64 bits.
  constexpr int64_t kMost = int64_t{1} << 40;
  if (codes.shape.size() != 2 || codes.shape[0] < 1 || codes.shape[1] < 1 ||
      codes.shape[0] > kMost || codes.shape[1] > kMost) {
    throw Error("no matrix", checkpoint.where(codes.name),
                "the checkpoint is damaged or of another format");
  }
  const int64_t rows = codes.shape[0], columns = codes.shape[1], bits = settings.bits;
  switch (settings.format) {
    case QuantFormat::compressed_tensors: {
      const TensorEntry& shape = checkpoint.get(name + ".weight_shape");
      expect_tensor(checkpoint, shape, {2}, {DType::i64});
      int64_t extents[2] = {};
      checkpoint.read(shape, 0, std::as_writable_bytes(std::span(extents)));
      if (extents[0] != rows || extents[1] < 1 || extents[1] > columns * 32)
        throw Error("shape unlike that of the codes", checkpoint.where(shape.name),
                    "the checkpoint is damaged: fetch it again");
      return {extents[0], extents[1]};
    }
    case QuantFormat::awq_gemm:
      return {columns * 8, rows};
    case QuantFormat::awq_gemv:
      return {rows, columns * 8};
    case QuantFormat::awq_gemv_fast:
      return {rows * 4, columns};
    case QuantFormat::awq_marlin:
      return {(columns + 1) / 2, rows * 16};
    default:
      return {columns, rows * 32 / bits};
  }
}

std::shared_ptr<const PackedMatrix> PackedMatrix::open(const Checkpoint& checkpoint,
                                                       const QuantSettings& settings,
                                                       const std::string& name, int64_t out,
                                                       int64_t in, OnceLog& log) {
  const MatrixLayout layout{.settings = settings, .out = out, .in = in};
  switch (settings.format) {
    case QuantFormat::compressed_tensors:
      return open_strings(checkpoint, name, layout);
    case QuantFormat::awq_gemm:
      return open_awq_gemm(checkpoint, name, layout);
    case QuantFormat::awq_gemv:
      return open_awq_gemv(checkpoint, name, layout);
    case QuantFormat::awq_gemv_fast:
      return open_awq_gemv_fast(checkpoint, name, layout);
    case QuantFormat::awq_marlin:
      return open_marlin(checkpoint, name, layout);
    default:
      return open_gptq(checkpoint, name, layout, log);
  }
}

PackedMatrix::PackedMatrix(const Checkpoint& checkpoint, std::string name,
                           const MatrixLayout& layout, int64_t granule)
    : checkpoint_(checkpoint), name_(std::move(name)), layout_(layout), granule_(granule) {
  OCTAVO_CHECK(layout.out > 0 && layout.in > 0);
}

const TensorEntry* PackedMatrix::find(const char* suffix) const {
  return checkpoint_.find(name_ + "." + suffix);
}

void PackedMatrix::fail(const char* suffix, const std::string& problem,
                        const std::string& mend) const {
  throw Error(problem, checkpoint_.where(name_ + "." + suffix), mend);
}

const TensorEntry& PackedMatrix::take(const char* suffix, const std::vector<int64_t>& shape,
                                      std::initializer_list<DType> types) {
  const TensorEntry& entry = checkpoint_.get(name_ + "." + suffix);
  expect_tensor(checkpoint_, entry, shape, types);
  entries_.push_back(&entry);
  return entry;
}

const TensorEntry& PackedMatrix::take_scales(const char* suffix, const std::vector<int64_t>& shape,
                                             std::initializer_list<DType> types) {
  const TensorEntry& entry = take(suffix, shape, types);
  layout_.scale_dtype = entry.dtype;
  scales_ = &entry;
  return entry;
}

void PackedMatrix::take_note(const char* suffix) {
  if (const TensorEntry* entry = find(suffix)) entries_.push_back(entry);
}

void PackedMatrix::take_group_index(const char* suffix) {
  if (find(suffix) == nullptr) return;
  const TensorEntry& entry = take(suffix, {layout_.in}, {DType::i32});
  group_index_.resize(static_cast<size_t>(layout_.in));
  checkpoint_.read(entry, 0, std::as_writable_bytes(std::span(group_index_)));
  // Writers leave it so where there is no order.
  const auto all = [&](int32_t value) {
    return std::ranges::all_of(group_index_, [=](int32_t g) { return g == value; });
  };
  if (all(0) || all(-1)) return group_index_.clear();
  check_group_index(suffix);  // clears what is in order
}

// Every group must have its number of inputs: kernels walk over groups of one size.
void PackedMatrix::check_group_index(const char* suffix) {
  const int64_t groups = layout_.groups(), group = layout_.group();
  std::vector<int64_t> members(static_cast<size_t>(groups));
  bool plain = true;
  for (int64_t k = 0; k < layout_.in; ++k) {
    const int64_t g = group_index_[static_cast<size_t>(k)];
    if (g < 0 || g >= groups) {
      fail(suffix,
           "input " + std::to_string(k) + " is of group " + std::to_string(g) + " of " +
               std::to_string(groups),
           "the checkpoint is damaged: fetch it again");
    }
    ++members[static_cast<size_t>(g)];
    plain = plain && g == k / group;
  }
  for (int64_t g = 0; g < groups; ++g) {
    if (members[static_cast<size_t>(g)] == std::min(group, layout_.in - g * group)) continue;
    fail(suffix,
         "group " + std::to_string(g) + " has " + std::to_string(members[static_cast<size_t>(g)]) +
             " inputs",
         "groups of other than group_size inputs are not supported");
  }
  if (plain) group_index_.clear();
}

void PackedMatrix::read_strip(const TensorEntry& entry, const Strip& strip,
                              std::span<std::byte> out) const {
  const int64_t columns = entry.shape.back();
  OCTAVO_CHECK(strip.row >= 0 && strip.begin >= 0 && strip.begin + strip.count <= columns);
  const auto row_bytes = static_cast<uint64_t>(columns * strip.size);
  const uint64_t begin = static_cast<uint64_t>(strip.row) * row_bytes +
                         static_cast<uint64_t>(strip.begin * strip.size);
  const auto bytes = static_cast<size_t>(strip.count * strip.size);
  if (strip.count == columns) return checkpoint_.read(entry, begin, out);
  for (int64_t r = 0; r < strip.rows; ++r)
    checkpoint_.read(entry, begin + static_cast<uint64_t>(r) * row_bytes,
                     out.subspan(static_cast<size_t>(r) * bytes, bytes));
}

std::vector<float> PackedMatrix::group_floats(const TensorEntry& entry, int64_t begin,
                                              int64_t end) const {
  const int64_t groups = layout_.groups(), count = end - begin;
  std::vector<std::byte> raw(static_cast<size_t>(groups * count * size_bytes(entry.dtype)));
  read_strip(
      entry,
      {.row = 0, .rows = groups, .begin = begin, .count = count, .size = size_bytes(entry.dtype)},
      raw);
  std::vector<float> stored(static_cast<size_t>(groups * count)), turned(stored.size());
  to_floats(entry.dtype, raw, stored);
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t o = 0; o < count; ++o)
      turned[static_cast<size_t>(o * groups + g)] = stored[static_cast<size_t>(g * count + o)];
  }
  return turned;
}

void PackedMatrix::read(int64_t begin, int64_t end, CodeRows& rows) const {
  OCTAVO_CHECK(begin >= 0 && begin < end && end <= layout_.out);
  const int64_t first = begin / granule_ * granule_;
  const int64_t last = std::min(layout_.out, (end + granule_ - 1) / granule_ * granule_);
  const int64_t groups = layout_.groups();
  rows.codes.resize(static_cast<size_t>((last - first) * layout_.in));
  resize_groups(last - first, rows);
  read_granules(first, last, rows);
  const auto trim = [&](auto& values, int64_t width) {
    if (values.empty()) return;
    values.erase(values.begin(), values.begin() + (begin - first) * width);
    values.resize(static_cast<size_t>((end - begin) * width));
  };
  trim(rows.codes, layout_.in);
  trim(rows.scales, groups);
  trim(rows.zeros, groups);
  trim(rows.offsets, groups);
  check_groups(rows);
}

QuantizedMatrix PackedMatrix::read_all() const {
  CodeRows rows;
  read(0, layout_.out, rows);
  return {.out = layout_.out,
          .in = layout_.in,
          .bits = layout_.settings.bits,
          .group_size = layout_.group(),
          .symmetric = layout_.settings.symmetric,
          .scale_dtype = layout_.scale_dtype,
          .codes = std::move(rows.codes),
          .scales = std::move(rows.scales),
          .zeros = std::move(rows.zeros),
          .group_index = group_index_};
}

bool PackedMatrix::read_strings(int64_t, int64_t, std::byte*, CodeRows&) const { return false; }

void PackedMatrix::resize_groups(int64_t count, CodeRows& rows) const {
  rows.scales.resize(static_cast<size_t>(count * layout_.groups()));
  rows.zeros.resize(rows.scales.size());
  rows.offsets.clear();
}

void PackedMatrix::check_groups(const CodeRows& rows) const {
  const auto finite = [](float v) { return std::isfinite(v); };
  if (std::ranges::all_of(rows.scales, finite) && std::ranges::all_of(rows.offsets, finite)) return;
  throw Error("scales that are not finite", checkpoint_.where(scales_->name),
              "the checkpoint is damaged: fetch it again");
}

}  // namespace octavo
