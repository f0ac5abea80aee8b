#pragma once

#include <vector>

#include "base/file.h"
#include "io/safetensors.h"

namespace octavo {

// True when the file begins as torch.save writes it, in either of its two forms.
bool is_pytorch_file(const File& file);

// The tensors of a file of torch.save: the zip form (PyTorch 1.6 and later) or the older stream of
// pickles. No code of the file runs; only dicts, lists, numbers, strings and tensors are
// understood. Of a training checkpoint, the dict of tensors under "state_dict", "model" and the
// like is taken and the rest left alone. Tensors that share a storage share its bytes. Throws Error
// naming file and tensor.
std::vector<TensorEntry> read_pytorch_file(const File& file);

}  // namespace octavo
