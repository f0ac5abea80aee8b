#include "io/gguf.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <optional>
#include <set>

#include "base/checked.h"
#include "octavo/error.h"

namespace octavo {
namespace {

constexpr uint32_t kMagic = 0x46554747;  // "GGUF"
// Several times the largest vocabularies; together they bound the memory that a header takes.
constexpr uint64_t kMaxHeaderBytes = uint64_t{512} << 20, kMaxElements = uint64_t{1} << 24;
constexpr uint64_t kMaxKeys = 1 << 16, kMaxTensors = 1 << 20, kMaxNameBytes = 1 << 16;
constexpr int kMaxDepth = 4;  // of lists in lists
constexpr uint32_t kMaxRank = 4;
constexpr int64_t kDefaultAlignment = 32, kMaxAlignment = 1 << 20;

// Types of metadata values, as the file numbers them.
enum class Kind : uint32_t {
  u8,
  i8,
  u16,
  i16,
  u32,
  i32,
  f32,
  boolean,
  text,
  list,
  u64,
  i64,
  f64,
  count
};

constexpr std::string_view kDamaged = "the file is damaged or no GGUF file: fetch it again";

// Reads a file front to back in pieces of its own.
class Reader {
 public:
  explicit Reader(const File& file) : file_(file), buffer_(kBuffer) {}

  uint64_t position() const { return begin_ + at_; }
  uint64_t left() const { return file_.size_bytes() - position(); }

  template <class T>
  T take(const char* what) {
    T value;
    take_bytes(std::as_writable_bytes(std::span(&value, 1)), what);
    return value;
  }
  std::string take_text(uint64_t max_bytes, const char* what) {
    const auto length = take<uint64_t>(what);
    if (length > max_bytes || length > left())
      fail(std::string(what) + " of " + std::to_string(length) + " bytes");
    std::string text(length, '\0');
    take_bytes(std::as_writable_bytes(std::span(text)), what);
    return text;
  }

  [[noreturn]] void fail(const std::string& problem, const std::string& where = {}) const {
    throw Error(problem, file_.path().string() + where, std::string(kDamaged));
  }

 private:
  static constexpr size_t kBuffer = 1 << 16;

  void take_bytes(std::span<std::byte> out, const char* what) {
    if (out.size() > left()) fail(std::string("the file ends within ") + what);
    if (position() + out.size() > kMaxHeaderBytes) fail("a header of more than 512 MiB");
    while (!out.empty()) {
      if (at_ == filled_) refill();
      const size_t count = std::min(out.size(), filled_ - at_);
      std::memcpy(out.data(), buffer_.data() + at_, count);
      at_ += count;
      out = out.subspan(count);
    }
  }
  void refill() {
    begin_ += filled_;
    filled_ = static_cast<size_t>(std::min<uint64_t>(kBuffer, file_.size_bytes() - begin_));
    at_ = 0;
    file_.read(begin_, {buffer_.data(), filled_});
  }

  const File& file_;
  std::vector<std::byte> buffer_;
  uint64_t begin_ = 0;
  size_t at_ = 0, filled_ = 0;
};

// Bytes of a value of this kind; of a text or a list at least.
uint64_t least_bytes(Kind kind) {
  static constexpr uint8_t kBytes[] = {1, 1, 2, 2, 4, 4, 4, 1, 8, 12, 8, 8, 8};
  return kBytes[static_cast<size_t>(kind)];
}

Kind take_kind(Reader& in) {
  const auto kind = in.take<uint32_t>("the type of a value");
  if (kind >= static_cast<uint32_t>(Kind::count))
    in.fail("unknown type " + std::to_string(kind) + " of a metadata value");
  return static_cast<Kind>(kind);
}

// Any whole number; what exceeds 63 bits is no number that a model has.
int64_t take_whole(Reader& in, Kind kind) {
  constexpr const char* kWhat = "a whole number";
  switch (kind) {
    case Kind::u8:
      return in.take<uint8_t>(kWhat);
    case Kind::i8:
      return in.take<int8_t>(kWhat);
    case Kind::u16:
      return in.take<uint16_t>(kWhat);
    case Kind::i16:
      return in.take<int16_t>(kWhat);
    case Kind::u32:
      return in.take<uint32_t>(kWhat);
    case Kind::i32:
      return in.take<int32_t>(kWhat);
    case Kind::u64:
      return static_cast<int64_t>(std::min<uint64_t>(in.take<uint64_t>(kWhat), INT64_MAX));
    default:
      return in.take<int64_t>(kWhat);
  }
}

bool take_flag(Reader& in) { return in.take<uint8_t>("a flag") != 0; }

template <class T, class Take>
std::vector<T> take_many(uint64_t count, Take take) {
  std::vector<T> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) values.push_back(static_cast<T>(take()));
  return values;
}

GgufMetadata::Value take_list(Reader& in, int depth) {
  const Kind kind = take_kind(in);
  const auto count = in.take<uint64_t>("the length of a list");
  if (count > kMaxElements || count > in.left() / least_bytes(kind))
    in.fail("a list of " + std::to_string(count) + " values does not fit the file");
  switch (kind) {
    case Kind::f32:
      return take_many<float>(count, [&] { return in.take<float>("a number"); });
    case Kind::f64:
      return take_many<float>(count, [&] { return in.take<double>("a number"); });
    case Kind::text:
      return take_many<std::string>(count, [&] { return in.take_text(in.left(), "a text"); });
    case Kind::list:
      if (depth == kMaxDepth) in.fail("lists nested too deep");
      for (uint64_t i = 0; i < count; ++i) take_list(in, depth + 1);
      return GgufMetadata::Nothing{};
    case Kind::boolean:
      return take_many<int64_t>(count, [&] { return take_flag(in); });
    default:
      return take_many<int64_t>(count, [&] { return take_whole(in, kind); });
  }
}

GgufMetadata::Value take_value(Reader& in) {
  const Kind kind = take_kind(in);
  switch (kind) {
    case Kind::f32:
      return static_cast<double>(in.take<float>("a number"));
    case Kind::f64:
      return in.take<double>("a number");
    case Kind::boolean:
      return take_flag(in);
    case Kind::text:
      return in.take_text(in.left(), "a text");
    case Kind::list:
      return take_list(in, 0);
    default:
      return take_whole(in, kind);
  }
}

// How the file numbers the types of tensors.
struct TensorKind {
  uint32_t number;
  DType dtype;
  BlockType block = BlockType::none;
};
constexpr TensorKind kTensorKinds[] = {
    {0, DType::f32},
    {1, DType::f16},
    {2, DType::u8, BlockType::q4_0},
    {3, DType::u8, BlockType::q4_1},
    {6, DType::u8, BlockType::q5_0},
    {7, DType::u8, BlockType::q5_1},
    {8, DType::u8, BlockType::q8_0},
    {10, DType::u8, BlockType::q2_k},
    {11, DType::u8, BlockType::q3_k},
    {12, DType::u8, BlockType::q4_k},
    {13, DType::u8, BlockType::q5_k},
    {14, DType::u8, BlockType::q6_k},
    {20, DType::u8, BlockType::iq4_nl},
    {23, DType::u8, BlockType::iq4_xs},
    {24, DType::i8},
    {25, DType::i16},
    {26, DType::i32},
    {27, DType::i64},
    {28, DType::f64},
    {30, DType::bf16},
    {34, DType::u8, BlockType::tq1_0},
    {35, DType::u8, BlockType::tq2_0},
    {39, DType::u8, BlockType::mxfp4},
};
// Known, but not read: their values lie in code books.
constexpr std::pair<uint32_t, std::string_view> kUnread[] = {
    {9, "Q8_1"},   {15, "Q8_K"},  {16, "IQ2_XXS"}, {17, "IQ2_XS"}, {18, "IQ3_XXS"}, {19, "IQ1_S"},
    {21, "IQ3_S"}, {22, "IQ2_S"}, {29, "IQ1_M"},   {40, "NVFP4"},  {41, "Q1_0"}};

const TensorKind& tensor_kind(const Reader& in, uint32_t number, const std::string& tensor) {
  for (const TensorKind& kind : kTensorKinds) {
    if (kind.number == number) return kind;
  }
  for (const auto& [known, name] : kUnread) {
    if (known != number) continue;
    throw Error("format " + std::string(name) + " is not supported", tensor,
                "use a file in Q2_K to Q8_0, IQ4, MXFP4, F16, BF16 or F32");
  }
  in.fail("unknown tensor type " + std::to_string(number), ", tensor " + tensor);
}

// Where a tensor's data lies, from the begin of all data.
struct Stored {
  TensorEntry entry;
  uint64_t offset = 0;
};

Stored take_tensor(Reader& in, const std::string& file) {
  Stored stored;
  TensorEntry& entry = stored.entry;
  entry.name = in.take_text(kMaxNameBytes, "the name of a tensor");
  const std::string where = ", tensor " + entry.name;
  const auto rank = in.take<uint32_t>("a tensor's rank");
  if (rank > kMaxRank) in.fail("a tensor of " + std::to_string(rank) + " dimensions", where);
  uint64_t elements = 1;
  for (uint32_t i = 0; i < rank; ++i) {
    const auto extent = in.take<uint64_t>("a tensor's shape");
    const auto product = checked_mul(elements, extent);
    if (extent > INT64_MAX || !product || *product > INT64_MAX)
      in.fail("a tensor larger than any memory", where);
    elements = *product;
    entry.shape.insert(entry.shape.begin(), static_cast<int64_t>(extent));
  }
  const auto number = in.take<uint32_t>("a tensor's type");
  const TensorKind& kind = tensor_kind(in, number, file + where);
  entry.dtype = kind.dtype;
  entry.block = kind.block;
  if (kind.block != BlockType::none) {
    const BlockTraits& t = traits(kind.block);
    const int64_t in_extent = entry.shape.empty() ? 1 : entry.shape.back();
    if (in_extent % t.elements != 0) {
      in.fail("rows of " + std::to_string(in_extent) + " elements in blocks of " +
                  std::to_string(t.elements),
              where);
    }
    entry.bytes = elements / static_cast<uint64_t>(t.elements) * static_cast<uint64_t>(t.bytes);
  } else {
    const auto bytes = checked_mul(elements, static_cast<uint64_t>(size_bytes(kind.dtype)));
    if (!bytes) in.fail("a tensor larger than any memory", where);
    entry.bytes = *bytes;
  }
  stored.offset = in.take<uint64_t>("a tensor's offset");
  return stored;
}

// "NAME-00002-of-00005.gguf" in its parts.
struct PartName {
  std::string stem;
  int64_t number, count;
};
std::optional<PartName> part_name(const std::string& file) {
  constexpr std::string_view kShape = "-00000-of-00000.gguf";
  if (file.size() <= kShape.size()) return std::nullopt;
  const std::string tail = file.substr(file.size() - kShape.size());
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = tail[i] >= '0' && tail[i] <= '9';
    if (kShape[i] == '0' ? !digit : tail[i] != kShape[i]) return std::nullopt;
  }
  return PartName{.stem = file.substr(0, file.size() - kShape.size()),
                  .number = std::stoll(tail.substr(1, 5)),
                  .count = std::stoll(tail.substr(10, 5))};
}

std::string five_digits(int64_t number) {
  const std::string digits = std::to_string(number);
  return std::string(5 - std::min<size_t>(5, digits.size()), '0') + digits;
}

void check_version(Reader& in) {
  if (in.left() < 24 || in.take<uint32_t>("the magic") != kMagic)
    in.fail("the file does not begin as GGUF");
  const auto version = in.take<uint32_t>("the version");
  if (version == 2 || version == 3) return;
  if ((version & 0xFFFF) == 0) in.fail("a big-endian GGUF file is not supported");
  in.fail("GGUF version " + std::to_string(version) + " is not supported");
}

}  // namespace

GgufHeader read_gguf_header(const File& file) {
  Reader in(file);
  check_version(in);
  const auto tensors = in.take<uint64_t>("the number of tensors");
  const auto keys = in.take<uint64_t>("the number of keys");
  if (tensors > kMaxTensors || tensors > in.left() / 24)
    in.fail(std::to_string(tensors) + " tensors do not fit the file");
  if (keys > kMaxKeys || keys > in.left() / 13)
    in.fail(std::to_string(keys) + " keys do not fit the file");
  GgufHeader header{GgufMetadata(file.path().string()), {}};
  for (uint64_t i = 0; i < keys; ++i) {
    std::string key = in.take_text(kMaxNameBytes, "a key");
    const std::string where = ", key " + key;
    if (!header.metadata.add(std::move(key), take_value(in))) in.fail("a key occurs twice", where);
  }
  const int64_t alignment =
      header.metadata.integer_or("general.alignment", 1, kMaxAlignment, kDefaultAlignment);
  std::set<std::string_view> names;
  std::vector<uint64_t> offsets;
  header.tensors.reserve(tensors);
  for (uint64_t i = 0; i < tensors; ++i) {
    Stored stored = take_tensor(in, file.path().string());
    offsets.push_back(stored.offset);
    header.tensors.push_back(std::move(stored.entry));
    if (!names.insert(header.tensors.back().name).second)
      in.fail("a tensor occurs twice", ", tensor " + header.tensors.back().name);
  }
  const auto step = static_cast<uint64_t>(alignment);
  const uint64_t data = (in.position() + step - 1) / step * step;
  for (size_t i = 0; i < offsets.size(); ++i) {
    TensorEntry& entry = header.tensors[i];
    const auto begin = checked_add(data, offsets[i]);
    if (!begin || *begin > file.size_bytes() || entry.bytes > file.size_bytes() - *begin)
      in.fail("its data lies outside the file", ", tensor " + entry.name);
    entry.begin = *begin;
  }
  return header;
}

bool is_gguf(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  if (path.extension() == ".gguf") return true;
  const File file(path);
  if (file.size_bytes() < 4) return false;
  uint32_t magic = 0;
  file.read(0, std::as_writable_bytes(std::span(&magic, 1)));
  return magic == kMagic;
}

std::vector<std::filesystem::path> gguf_parts(const std::filesystem::path& path,
                                              const GgufMetadata& metadata) {
  const int64_t count = metadata.integer_or("split.count", 0, 99999, 1);
  if (count <= 1) return {path};
  const auto name = part_name(path.filename().string());
  if (!name || name->count != count) {
    throw Error("one of " + std::to_string(count) + " parts under a name that does not say so",
                path.string(),
                "give the parts their names NAME-00001-of-" + five_digits(count) + ".gguf back");
  }
  std::vector<std::filesystem::path> parts;
  for (int64_t i = 1; i <= count; ++i) {
    parts.push_back(path.parent_path() /
                    (name->stem + "-" + five_digits(i) + "-of-" + five_digits(count) + ".gguf"));
    std::error_code ignored;
    if (!std::filesystem::exists(parts.back(), ignored))
      throw Error("a part of the model is missing", parts.back().string(), "fetch it");
  }
  return parts;
}

void check_gguf_part(const GgufMetadata& metadata, size_t number, size_t count) {
  const int64_t stated = metadata.integer("split.no", 0, 99999),
                stated_count = metadata.integer("split.count", 0, 99999);
  if (stated == static_cast<int64_t>(number) && stated_count == static_cast<int64_t>(count)) return;
  metadata.fail("split.no",
                "part " + std::to_string(stated + 1) + " of " + std::to_string(stated_count) +
                    " under the name of part " + std::to_string(number + 1) + " of " +
                    std::to_string(count),
                "give the parts their own names back");
}

GgufMetadata read_gguf_metadata(const std::filesystem::path& path) {
  GgufHeader header = read_gguf_header(File(path));
  const auto parts = gguf_parts(path, header.metadata);
  if (parts.front() == path) return std::move(header.metadata);
  return read_gguf_header(File(parts.front())).metadata;
}

}  // namespace octavo
