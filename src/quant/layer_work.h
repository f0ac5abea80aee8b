#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/memory.h"
#include "model/derive.h"
#include "model/model.h"
#include "model/source.h"

namespace octavo::quant {

// A matrix of the checkpoint, with the roles that its rows play and what is folded into it.
struct StoredMatrix {
  std::string name = {};  // without ".weight"
  MatrixShape shape = {};
  std::vector<MatrixPart> parts = {};
  std::vector<float> column_factors =
      {};                                // [in] its columns are multiplied with these; empty: ones
  std::vector<float> row_divisors = {};  // [out] its rows are divided by these; empty: ones

  bool has(Role role) const;
  // Stored rows of one part, in the part's order.
  std::vector<int64_t> rows(const MatrixPart& part) const;
};

// A dense float32 matrix in the kernels' own order that can be set again and again.
class DenseWeight {
 public:
  // values [out, in]. The planes are made on the first call; later ones have the same shape.
  void set(const Ops& ops, ThreadPool& pool, std::span<const float> values, int64_t out,
           int64_t in);
  const Weight& weight() const { return weight_; }

 private:
  HugeBuffer memory_;
  Weight weight_;
};

// The matrix [out, in] as floats, folded factors applied. Throws Error where it holds what is no
// number.
std::vector<float> read_values(const ModelSource& source, ThreadPool& pool,
                               const StoredMatrix& matrix);

// One layer of a checkpoint while it is quantized: a Model that holds the layer alone and what has
// changed in it.
class LayerWork {
 public:
  LayerWork(const ModelSource& source, const Ops& ops, ThreadPool& pool, int64_t layer);

  const Model& model() const { return *model_; }
  int64_t layer() const { return layer_; }
  const LayerSpec& spec() const { return model_->spec.layers[static_cast<size_t>(layer_)]; }
  std::vector<StoredMatrix>& matrices() { return matrices_; }
  const std::vector<StoredMatrix>& matrices() const { return matrices_; }
  StoredMatrix* find(Role role);

  std::vector<float> values(const StoredMatrix& matrix) const {
    return read_values(source_, pool_, matrix);
  }
  // Rows of one part of such values.
  static std::vector<float> part_of(const StoredMatrix& matrix, const MatrixPart& part,
                                    std::span<const float> values);
  // From now on the model multiplies with these values instead.
  void replace(const StoredMatrix& matrix, std::span<const float> values);
  // Undoes replace(): the model multiplies with the checkpoint's matrices again.
  void restore();
  // The role's matrix becomes `weight`, which must outlive the use; the old one is returned.
  Weight exchange(Role role, const Weight& weight);

  // Divides by these: the weights (and bias) of a norm, or the rows' biases of a role.
  void divide_norm(NormWeights LayerWeights::*norm, const NormSpec& spec, const std::string& name,
                   std::span<const float> divisors);
  void divide_bias(Role role, std::span<const float> divisors);

  // Vectors that are no longer as the checkpoint has them, by tensor name; values as the file is to
  // hold them.
  const std::map<std::string, std::vector<float>>& changed_vectors() const { return changed_; }
  std::string full_name(const std::string& suffix) const;
  const ModelSource& source() const { return source_; }
  const std::string& root() const { return root_; }
  // `values` rounded to what the tensor's dtype in the checkpoint can hold.
  std::vector<float> as_stored(const std::string& tensor, std::span<const float> values) const;

 private:
  Vec keep(const std::string& tensor, std::vector<float> model_values,
           std::vector<float> file_values);

  const ModelSource& source_;
  const Ops& ops_;
  ThreadPool& pool_;
  int64_t layer_;
  std::string root_;
  std::unique_ptr<Model> model_;
  std::vector<StoredMatrix> matrices_;
  std::map<Role, DenseWeight> replaced_;
  std::map<Role, Weight> loaded_;  // of the replaced
  std::map<std::string, std::vector<float>> changed_;
  std::vector<std::unique_ptr<std::vector<float>>> vectors_;  // what the model's spans point to
};

// Rounded to a stored type and back.
float round_to(DType type, float value);

}  // namespace octavo::quant
