#include "io/tensor_check.h"

#include <algorithm>

#include "octavo/error.h"

namespace octavo {
namespace {

std::string to_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

}  // namespace

void expect_tensor(const Checkpoint& checkpoint, const TensorEntry& entry,
                   const std::vector<int64_t>& shape, std::initializer_list<DType> types) {
  if (entry.shape != shape) {
    throw Error("shape " + to_text(entry.shape) + " where config.json asks for " + to_text(shape),
                checkpoint.where(entry.name),
                "config.json and weights do not belong together (vocab_size, hidden_size, heads, "
                "group_size?)");
  }
  if (types.size() > 0 && std::find(types.begin(), types.end(), entry.dtype) == types.end()) {
    throw Error("unexpected dtype " + std::string(entry.type_name()), checkpoint.where(entry.name),
                "the checkpoint is damaged or of another format");
  }
}

}  // namespace octavo
