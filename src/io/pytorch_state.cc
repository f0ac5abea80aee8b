#include "io/pytorch_state.h"

#include <algorithm>
#include <array>
#include <optional>

#include "base/checked.h"
#include "octavo/error.h"

namespace octavo {
namespace {

using pickle::Document;
using pickle::Kind;
using pickle::Node;
using pickle::Ref;

constexpr std::string_view kRebuild = "torch._utils._rebuild_tensor";
constexpr std::string_view kRebuild2 = "torch._utils._rebuild_tensor_v2";
constexpr std::string_view kRebuild3 = "torch._utils._rebuild_tensor_v3";
constexpr std::string_view kParameter = "torch._utils._rebuild_parameter";
constexpr std::string_view kOrdered = "collections.OrderedDict";

constexpr std::string_view kOthers[] = {kRebuild, kRebuild2,    kRebuild3,     kParameter,
                                        kOrdered, "torch.Size", "torch.device"};

struct Type {
  std::string_view name;
  DType dtype;
};
constexpr Type kStorages[] = {
    {"torch.DoubleStorage", DType::f64},        {"torch.FloatStorage", DType::f32},
    {"torch.HalfStorage", DType::f16},          {"torch.BFloat16Storage", DType::bf16},
    {"torch.LongStorage", DType::i64},          {"torch.IntStorage", DType::i32},
    {"torch.ShortStorage", DType::i16},         {"torch.CharStorage", DType::i8},
    {"torch.ByteStorage", DType::u8},           {"torch.BoolStorage", DType::boolean},
    {"torch.UntypedStorage", DType::u8},        {"torch.storage.UntypedStorage", DType::u8},
    {"torch.cuda.FloatStorage", DType::f32},    {"torch.cuda.HalfStorage", DType::f16},
    {"torch.cuda.BFloat16Storage", DType::bf16}};
constexpr Type kTypes[] = {{"torch.float64", DType::f64},
                           {"torch.float32", DType::f32},
                           {"torch.float16", DType::f16},
                           {"torch.bfloat16", DType::bf16},
                           {"torch.int64", DType::i64},
                           {"torch.int32", DType::i32},
                           {"torch.int16", DType::i16},
                           {"torch.int8", DType::i8},
                           {"torch.uint8", DType::u8},
                           {"torch.uint16", DType::u16},
                           {"torch.uint32", DType::u32},
                           {"torch.uint64", DType::u64},
                           {"torch.bool", DType::boolean},
                           {"torch.float8_e4m3fn", DType::f8_e4m3},
                           {"torch.float8_e5m2", DType::f8_e5m2},
                           {"torch.float8_e8m0fnu", DType::f8_e8m0}};
constexpr size_t kGlobals = std::size(kOthers) + std::size(kStorages) + std::size(kTypes);

// Where a training checkpoint keeps the model, the likelier first.
constexpr std::string_view kNests[] = {"state_dict", "model_state_dict", "model",
                                       "module",     "weights",          "params"};
constexpr int kMaxNesting = 4;
constexpr size_t kMaxRank = 8;

std::optional<DType> type_named(std::span<const Type> types, std::string_view name) {
  for (const Type& type : types) {
    if (type.name == name) return type.dtype;
  }
  return std::nullopt;
}

class Reader {
 public:
  Reader(const Document& document, const std::string& where) : document_(document), where_(where) {}

  std::vector<PytorchTensor> tensors() {
    Ref state = document_.root;
    for (int depth = 0; depth < kMaxNesting; ++depth) {
      std::vector<PytorchTensor> found = tensors_of(state);
      if (!found.empty()) return found;
      const std::optional<Ref> inner = nested(state);
      if (!inner) break;
      state = *inner;
    }
    throw Error("no dict of tensors", where_,
                "give the state dict of a model, as save_pretrained or torch.save write it");
  }

  PytorchStorage storage(const Node& persistent) const {
    const Node& id = at(persistent, 0);
    if (id.kind != Kind::tuple || id.items.size() < 5 || at(id, 0).text != "storage")
      fail("reference to something else than a storage");
    const Node& type = at(id, 1);
    const auto dtype = type_named(kStorages, type.kind == Kind::global ? type.text : "");
    if (!dtype) fail("storage of an unknown type");
    if (id.items.size() > 5 && at(id, 5).kind != Kind::none)
      fail("view of a storage as PyTorch 0.4 wrote it");
    if (at(id, 2).kind != Kind::text) fail("storage without a name");
    return {.key = std::string(at(id, 2).text), .dtype = *dtype, .elements = count(at(id, 4))};
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(problem, where_ + (name_.empty() ? "" : ", tensor " + name_),
                "the file is damaged or of another kind: fetch it again");
  }

  const Node& at(const Node& node, size_t i) const {
    if (i >= node.items.size()) fail("too few arguments");
    return document_.at(node.items[i]);
  }
  int64_t count(const Node& node) const {
    if (node.kind != Kind::integer || node.integer < 0) fail("something else than a count");
    return node.integer;
  }
  std::vector<int64_t> counts(const Node& node) const {
    const Node& list = is_call(node, "torch.Size") ? at(at(node, 1), 0) : node;
    if (list.kind != Kind::tuple && list.kind != Kind::list) fail("shape is no tuple");
    if (list.items.size() > kMaxRank) fail("more than 8 dimensions");
    std::vector<int64_t> values;
    for (size_t i = 0; i < list.items.size(); ++i) values.push_back(count(at(list, i)));
    return values;
  }
  bool is_call(const Node& node, std::string_view name) const {
    return node.kind == Kind::call && document_.at(node.items[0]).text == name;
  }

  // Keys and values of a dict, alternating; empty for anything else.
  std::span<const Ref> pairs(Ref ref) const {
    const Node& node = document_.at(ref);
    if (node.kind == Kind::dict) return node.items;
    if (!is_call(node, kOrdered) || node.items.size() % 2 != 0) return {};
    return std::span(node.items).subspan(2);  // callable and arguments come first
  }

  std::vector<PytorchTensor> tensors_of(Ref ref) {
    std::vector<PytorchTensor> found;
    const std::span<const Ref> all = pairs(ref);
    for (size_t i = 0; i + 1 < all.size(); i += 2) {
      const Node &key = document_.at(all[i]), &value = document_.at(all[i + 1]);
      if (key.kind != Kind::text) continue;
      name_ = std::string(key.text);
      if (std::optional<PytorchTensor> tensor = tensor_of(value)) found.push_back(*tensor);
      name_.clear();
    }
    return found;
  }

  std::optional<Ref> nested(Ref ref) const {
    const std::span<const Ref> all = pairs(ref);
    for (const std::string_view nest : kNests) {
      for (size_t i = 0; i + 1 < all.size(); i += 2) {
        const Node& key = document_.at(all[i]);
        if (key.kind == Kind::text && key.text == nest && !pairs(all[i + 1]).empty())
          return all[i + 1];
      }
    }
    return std::nullopt;
  }

  // Empty for what is no tensor.
  std::optional<PytorchTensor> tensor_of(const Node& node) const {
    const Node* value = &node;
    for (int depth = 0; depth < kMaxNesting && is_call(*value, kParameter); ++depth)
      value = &at(at(*value, 1), 0);
    const bool third = is_call(*value, kRebuild3);
    if (!third && !is_call(*value, kRebuild2) && !is_call(*value, kRebuild)) return std::nullopt;
    const Node& arguments = at(*value, 1);
    if (at(arguments, 0).kind != Kind::persistent) fail("tensor without a storage");
    const PytorchStorage held = storage(at(arguments, 0));
    PytorchTensor tensor{.name = name_,
                         .dtype = third ? dtype(at(arguments, 6)) : held.dtype,
                         .storage = held.key,
                         .storage_bytes = bytes(held),
                         .offset = count(at(arguments, 1)),
                         .shape = counts(at(arguments, 2)),
                         .strides = counts(at(arguments, 3))};
    if (tensor.shape.size() != tensor.strides.size()) fail("as many strides as dimensions needed");
    return tensor;
  }
  DType dtype(const Node& node) const {
    const auto found = type_named(kTypes, node.kind == Kind::global ? node.text : "");
    if (!found) fail("unknown dtype");
    return *found;
  }
  int64_t bytes(const PytorchStorage& storage) const {
    const auto found = checked_mul(storage.elements, size_bytes(storage.dtype));
    if (!found) fail("storage is too large");
    return *found;
  }

  const Document& document_;
  const std::string& where_;
  std::string name_;  // of the tensor at hand, for messages
};

}  // namespace

std::span<const std::string_view> pytorch_globals() {
  static constexpr auto kAll = [] {
    std::array<std::string_view, kGlobals> all;
    auto out = std::copy(std::begin(kOthers), std::end(kOthers), all.begin());
    for (const Type& type : kStorages) *out++ = type.name;
    for (const Type& type : kTypes) *out++ = type.name;
    return all;
  }();
  return kAll;
}

std::vector<PytorchTensor> read_pytorch_state(const Document& document, const std::string& where) {
  return Reader(document, where).tensors();
}

std::vector<PytorchStorage> pytorch_storages(const Document& document, const std::string& where) {
  const Reader reader(document, where);
  std::vector<PytorchStorage> all;
  for (const Node& node : document.nodes) {
    if (node.kind == Kind::persistent) all.push_back(reader.storage(node));
  }
  return all;
}

}  // namespace octavo
