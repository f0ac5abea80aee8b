#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <exception>
#include <mutex>
#include <optional>

#include "base/half.h"
#include "base/json.h"
#include "base/log.h"
#include "io/checkpoint.h"
#include "model/config.h"
#include "model/derive.h"
#include "model/load_plan.h"
#include "model/model.h"
#include "model/source.h"
#include "octavo/error.h"
#include "tensor/convert.h"

namespace octavo {
namespace {

// A slice is what one thread reads, converts and packs at a time: small enough to be still in its
// L2 cache when it is packed.
constexpr int64_t kSliceBytes = int64_t{512} << 10;
constexpr int64_t kRowAlignment = 64;  // Ops::pack may run in parallel on such rows

struct MatrixJob {
  Weight* target;
  MatrixSource source;
  RowMap rows;
};
// Rows [begin, end) of a job's target.
struct Slice {
  const MatrixJob* job;
  int64_t begin, end;
};
struct VectorJob {
  Vec* target;
  std::vector<const TensorEntry*> entries;  // one after another
  RowMap rows;
  int64_t count;
};

// Plans all reads from the spec, reserves memory once, then reads in slices.
class Loader {
 public:
  // A plan that is only looked at goes on where a tensor is missing.
  enum class Purpose : uint8_t { load, look };

  Loader(Model& model, const Checkpoint& checkpoint, Quantization quantization, Purpose purpose)
      : model_(model),
        checkpoint_(checkpoint),
        quantization_(std::move(quantization)),
        root_(root_in_use(model.spec, checkpoint)),
        embedding_(root_ + model.spec.names.embedding),
        purpose_(purpose) {}

  // Null when the embedding is missing.
  const TensorEntry* stored_embedding() const { return checkpoint_.find(embedding_ + ".weight"); }

  void plan(const ModelPart& part) {
    attempt([&] { refuse_scaled_activations(checkpoint_, quantization_); });
    if (part.embedding || part.head) settle_head();
    model_.layers.resize(model_.spec.layers.size());
    if (part.embedding) plan_embedding();
    for (int64_t i = part.layer_begin; i < part.layer_end; ++i) plan_layer(i);
    if (!part.head) return;
    const ModelSpec& spec = model_.spec;
    norm(model_.final_norm, spec.final_norm, root_ + spec.names.final_norm, spec.hidden);
    if (spec.embedding.width > 0) {
      matrix(model_.project_out.weight, root_ + spec.names.project_out,
             {.out = spec.embedding.width, .in = spec.hidden});
    }
    attempt([&] { plan_head(); });
  }

  // What plan() found, without reading any weights.
  LoadPlan summary() {
    LoadPlan plan{.used = {}, .problems = std::move(problems_), .formats = {}};
    std::vector<size_t> offsets;
    plan.weight_bytes = measure(offsets);
    for (const MatrixJob& job : matrices_) {
      for (std::string& name : job.source.tensors()) plan.used.insert(std::move(name));
      const Format& kept = job.target->format;
      std::string format = to_string(kept);
      if (kept.scheme != Scheme::dense && kept.packing == Packing::rows) format += kPlainRows;
      if (const PackedMatrix* packed = job.source.packed()) {
        const QuantSettings& settings = packed->layout().settings;
        format += " from " + to_string(settings.format);
        if (settings.bits != kept.bits) format += " of " + std::to_string(settings.bits) + " bits";
      }
      if (job.source.format().scheme == Scheme::dense && job.source.stored() != kept.dtype)
        format += " from " + to_string(Format{.dtype = job.source.stored()});
      plan.formats[format] += job.target->out * job.target->in;
    }
    for (const VectorJob& job : vectors_) {
      for (const TensorEntry* entry : job.entries) plan.used.insert(entry->name);
    }
    plan.used.insert(scalars_.begin(), scalars_.end());
    if (model_.spec.head.tied) plan.used.insert(model_.spec.names.head + ".weight");
    return plan;
  }

  void run(ThreadPool& pool, const LoadOptions& options) {
    reserve();
    for (const VectorJob& job : vectors_) read_vector(job);
    read_matrices(pool, options);
    if (model_.spec.head.tied) model_.head.weight = model_.embedding;
  }

 private:
  void plan_embedding() {
    const ModelSpec& spec = model_.spec;
    const Names& n = spec.names;
    const int64_t width = embedding_width(spec);
    matrix(model_.embedding, embedding_, {.out = spec.vocab, .in = width});
    if (spec.embedding.width > 0) {
      matrix(model_.project_in.weight, root_ + n.project_in, {.out = spec.hidden, .in = width});
    }
    norm(model_.embedding_norm, spec.embedding.norm, root_ + n.embedding_norm, spec.hidden);
    if (spec.embedding.learned_positions > 0)
      matrix(model_.positions, root_ + n.positions,
             {.out = spec.embedding.learned_positions, .in = spec.hidden});
  }

  // Which tensors are embedding and head. A tied model whose file holds both, unlike, has a head of
  // its own; one that holds the head alone embeds with it (as transformers 5 does).
  void settle_head() {
    ModelSpec& spec = model_.spec;
    const TensorEntry* embedding = checkpoint_.find(embedding_ + ".weight");
    const TensorEntry* head = checkpoint_.find(spec.names.head + ".weight");
    if (PackedMatrix::present(checkpoint_, spec.names.head)) spec.head.tied = false;
    if (!spec.head.tied || head == nullptr) return;
    if (embedding == nullptr) {
      embedding_ = spec.names.head;
    } else if (head->shape == embedding->shape && !checkpoint_.same_bytes(*embedding, *head)) {
      spec.head.tied = false;
    }
  }

  void plan_head() {
    const ModelSpec& spec = model_.spec;
    const std::string& name = spec.names.head;
    if (!spec.head.tied && !MatrixSource::present(checkpoint_, name)) {
      throw Error("the output head is missing", checkpoint_.where(name + ".weight"),
                  "fetch the checkpoint again, or set tie_word_embeddings to true in config.json "
                  "if the embedding table is the head");
    }
    const int64_t width = embedding_width(spec);
    if (!spec.head.tied) matrix(model_.head.weight, name, {.out = spec.vocab, .in = width});
    if (spec.head.bias) vector(model_.head.bias, name + ".bias", {}, spec.vocab, spec.vocab);
  }

  template <class Work>
  void attempt(const Work& work) {
    if (purpose_ == Purpose::load) return work();
    try {
      work();
    } catch (const Error& error) {
      problems_.push_back(error.what());
    }
  }

  void plan_layer(int64_t i) {
    const ModelSpec& spec = model_.spec;
    const LayerSpec& layer = spec.layers[i];
    LayerWeights& weights = model_.layers[i];
    const auto full = [&](const std::string& suffix) { return layer_name(spec, i, root_, suffix); };
    norm(weights.norm_mixer, layer.norm_mixer, full(spec.names.norm_mixer), spec.hidden);
    norm(weights.post_mixer, layer.post_mixer, full(spec.names.post_mixer), spec.hidden);
    norm(weights.norm_ffn, layer.norm_ffn, full(spec.names.norm_ffn), spec.hidden);
    norm(weights.post_ffn, layer.post_ffn, full(spec.names.post_ffn), spec.hidden);
    const AttentionSpec& attention = attention_of(layer);
    head_norm(weights.q_norm, attention, full(spec.names.q_norm), attention.heads);
    head_norm(weights.k_norm, attention, full(spec.names.k_norm), attention.kv_heads);
    norm(weights.out_norm, attention.out_norm, full(spec.names.out_norm),
         attention.heads * attention.head_dim);
    const MlpSpec& mlp = std::get<MlpSpec>(layer.ffn);
    norm(weights.down_norm, mlp.down_norm, full(spec.names.down_norm), mlp.hidden);
    if (mlp.act == Act::xielu) attempt([&] { weights.act = read_xielu(full(spec.names.act)); });
    if (attention.rope) weights.rope = rope_index(*attention.rope);
    for (const MatrixPart& part : layer_matrices(spec, i, root_)) {
      Linear& linear = weights.linear(part.role);
      attempt([&] {
        matrices_.push_back({&linear.weight,
                             MatrixSource::open(checkpoint_, quantization_, part.name, part.stored),
                             part.rows});
        linear.weight.out = part.out;
      });
      if (part.bias) vector(linear.bias, part.name + ".bias", part.rows, part.out, part.stored.out);
    }
  }

  int rope_index(const RopeSpec& rope) {
    for (size_t i = 0; i < model_.ropes.size(); ++i) {
      if (model_.ropes[i].spec() == rope) return static_cast<int>(i);
    }
    model_.ropes.emplace_back(rope);
    return static_cast<int>(model_.ropes.size()) - 1;
  }

  void matrix(Weight& target, const std::string& name, const MatrixShape& shape) {
    attempt([&] {
      matrices_.push_back(
          {&target, MatrixSource::open(checkpoint_, quantization_, name, shape), {}});
      target.out = shape.out;
    });
  }

  void norm(NormWeights& target, const NormSpec& spec, const std::string& name, int64_t features) {
    if (spec.kind == NormSpec::Kind::none) return;
    if (spec.weight) vector(target.weight, name + ".weight", {}, features, features);
    if (spec.bias) vector(target.bias, name + ".bias", {}, features, features);
  }

  // The norm of `heads` heads. A name with "{}" stands for a tensor for each head.
  void head_norm(NormWeights& target, const AttentionSpec& a, const std::string& name,
                 int64_t heads) {
    const QkNormSpec& qk = a.qk_norm;
    const bool shared = qk.over == QkNormSpec::Over::head;
    const size_t at = name.find("{}");
    if (qk.norm.kind == NormSpec::Kind::none || at == std::string::npos)
      return norm(target, qk.norm, name, a.head_dim * (shared ? 1 : heads));
    attempt([&] {
      VectorJob job{&target.weight, {}, {}, heads * a.head_dim};
      for (int64_t h = 0; h < heads; ++h) {
        std::string one = name;
        one.replace(at, 2, std::to_string(h));
        job.entries.push_back(&checked(one + ".weight", {{a.head_dim}}));
      }
      vectors_.push_back(std::move(job));
    });
  }

  std::array<float, 4> read_xielu(const std::string& name) {
    const auto scalar = [&](const char* field, std::optional<float> otherwise) {
      const std::string full = name + "." + field;
      if (otherwise && checkpoint_.find(full) == nullptr) return *otherwise;
      const TensorEntry& entry = checked(full, {{}, {1}});
      scalars_.push_back(full);
      const auto raw = checkpoint_.read_all(entry);
      float value = 0;
      to_floats(entry.dtype, raw, {&value, 1});
      return value;
    };
    const auto softplus = [](float v) { return v > 20 ? v : std::log1p(std::exp(v)); };
    const float beta = scalar("beta", 0.5f);
    return {softplus(scalar("alpha_p", {})), beta + softplus(scalar("alpha_n", {})), beta,
            scalar("eps", -1e-6f)};
  }

  void vector(Vec& target, const std::string& name, const RowMap& rows, int64_t count,
              int64_t stored) {
    attempt([&] {
      const std::vector<int64_t> flat{stored},
          heads{stored / std::max<int64_t>(1, last_of(name)), last_of(name)};
      vectors_.push_back({&target, {&checked(name, {flat, heads})}, rows, count});
    });
  }

  // The last extent of a tensor: weights of heads may be stored [heads, head_dim].
  int64_t last_of(const std::string& name) const {
    const TensorEntry& entry = checkpoint_.get(name);
    return entry.shape.empty() ? 1 : entry.shape.back();
  }

  // A tensor that has one of `shapes`. Throws Error otherwise.
  const TensorEntry& checked(const std::string& name,
                             std::initializer_list<std::vector<int64_t>> shapes) const {
    const TensorEntry& entry = checkpoint_.get(name);
    if (std::ranges::find(shapes, entry.shape) == shapes.end()) {
      std::string wanted;
      for (int64_t extent : *shapes.begin())
        wanted += (wanted.empty() ? "" : ", ") + std::to_string(extent);
      throw Error("shape is not [" + wanted + "] as config.json asks", checkpoint_.where(name),
                  "config.json and weights do not belong together");
    }
    if (entry.block != BlockType::none) {
      throw Error("a vector in blocks of " + std::string(entry.type_name()),
                  checkpoint_.where(name), "convert the model again");
    }
    return entry;
  }

  // Settles how each matrix is kept. One buffer for everything: planes and vectors one after
  // another, 64-byte aligned, all lengths known from the plan. Appends offset and length of each
  // plane, the offset of each vector; returns the sum.
  size_t measure(std::vector<size_t>& offsets) {
    size_t total = 0;
    const auto place = [&](size_t bytes) {
      const size_t at = total;
      total += (bytes + 63) / 64 * 64;
      return at;
    };
    for (const MatrixJob& job : matrices_) {
      job.target->in = job.source.shape().in;
      job.target->format = model_.ops.preferred(job.source.format(), job.target->out,
                                                job.target->in, model_.compute);
      const PlaneBytes bytes =
          model_.ops.planes(job.target->format, job.target->out, job.target->in);
      for (size_t plane :
           {bytes.data, bytes.scales, bytes.zeros, job.source.order().size_bytes()}) {
        offsets.push_back(place(plane));
        offsets.push_back(plane);
      }
    }
    for (const VectorJob& job : vectors_) offsets.push_back(place(job.count * sizeof(float)));
    return total;
  }

  // What will be slow is said once a format.
  void log_plain_rows() const {
    OnceLog log;
    for (const MatrixJob& job : matrices_) {
      const Format& kept = job.target->format;
      if (kept.scheme == Scheme::dense || kept.packing != Packing::rows) continue;
      log.log_once(to_string(kept) + kPlainRows +
                   ": no kernel cuts such groups, so plain loops multiply it");
    }
  }

  void reserve() {
    std::vector<size_t> offsets;
    model_.memory = HugeBuffer(measure(offsets));
    if (model_.ops.name != "reference") log_plain_rows();
    const size_t* at = offsets.data();
    const auto take = [&] {
      const std::span<const std::byte> plane(model_.memory.data() + at[0], at[1]);
      at += 2;
      return plane;
    };
    for (const MatrixJob& job : matrices_) {
      job.target->data = take();
      job.target->scales = take();
      job.target->zeros = take();
      const std::span<const std::byte> order = take();
      job.target->order = {reinterpret_cast<const int32_t*>(order.data()), order.size() / 4};
      if (!order.empty())
        std::memcpy(const_cast<std::byte*>(order.data()), job.source.order().data(), order.size());
    }
    for (const VectorJob& job : vectors_)
      *job.target = {reinterpret_cast<const float*>(model_.memory.data() + *at++),
                     static_cast<size_t>(job.count)};
  }

  std::vector<Slice> slices() const {
    std::vector<Slice> slices;
    for (const MatrixJob& job : matrices_) {
      const int64_t row_bytes = plane_bytes(job.source.format(), 1, job.target->in).data;
      const int64_t rows = std::max(
          job.source.least_rows(),
          std::max<int64_t>(kSliceBytes / std::max<int64_t>(1, row_bytes) / kRowAlignment, 1) *
              kRowAlignment);
      for (int64_t begin = 0; begin < job.target->out; begin += rows)
        slices.push_back({&job, begin, std::min(job.target->out, begin + rows)});
    }
    return slices;
  }

  // All matrices as one phase: a small one does not leave workers without work. What was read stays
  // in the page cache, where the next start finds it.
  void read_matrices(ThreadPool& pool, const LoadOptions& options) const {
    const std::vector<Slice> all = slices();
    std::vector<MatrixSource::Rows> buffers(pool.threads());
    std::mutex mutex;  // guards `problem`, `done` and the caller's progress
    std::exception_ptr problem;
    std::atomic<bool> failed{false};
    size_t done = 0;
    pool.each(static_cast<int64_t>(all.size()), [&](int64_t i, int worker) {
      const auto& [job, begin, end] = all[i];
      if (failed.load(std::memory_order_relaxed)) return;
      try {
        job->source.read(job->rows, begin, end, buffers[worker]);
        model_.ops.pack(buffers[worker].weight, begin, *job->target);
        const std::lock_guard lock(mutex);
        done += job->target->size_bytes() * (end - begin) / job->target->out;
        if (options.progress) options.progress(done, model_.memory.size_bytes());
      } catch (...) {
        const std::lock_guard lock(mutex);
        problem = std::current_exception();
        failed = true;
      }
    });
    if (problem) std::rethrow_exception(problem);
    if (options.progress) options.progress(model_.memory.size_bytes(), model_.memory.size_bytes());
  }

  void read_vector(const VectorJob& job) const {
    auto* out = const_cast<float*>(job.target->data());
    const int64_t count = job.count / static_cast<int64_t>(job.entries.size());
    const int64_t run = job.rows.run > 0 ? job.rows.run : count;
    for (const TensorEntry* entry : job.entries) {
      const auto raw = checkpoint_.read_all(*entry);
      std::vector<float> stored(static_cast<size_t>(entry->elements()));
      to_floats(entry->dtype, raw, stored);
      for (int64_t i = 0; i < count; ++i)
        *out++ = stored[job.rows.first + i / run * job.rows.stride + i % run];
    }
  }

  Model& model_;
  const Checkpoint& checkpoint_;
  Quantization quantization_;
  std::string root_, embedding_;  // prefix in use; full name of the embedding
  Purpose purpose_;
  std::vector<std::string> problems_;
  std::vector<MatrixJob> matrices_;
  std::vector<VectorJob> vectors_;
  std::vector<std::string> scalars_;  // tensors read while planning
};

// Rounding the factors to bf16 costs less than what a block format of 8 bits or less has cost.
Compute compute_for(DTypeChoice choice, const TensorEntry* stored) {
  const bool coarse =
      stored != nullptr && (stored->dtype == DType::bf16 || stored->block != BlockType::none);
  if (choice == DTypeChoice::automatic) return coarse ? Compute::bf16 : Compute::f32;
  return choice == DTypeChoice::bfloat16 ? Compute::bf16 : Compute::f32;
}

}  // namespace

Linear& LayerWeights::linear(Role role) {
  Linear* const all[] = {&q, &k, &v, &o, &gate, &up, &down};
  OCTAVO_CHECK(role < Role::head);
  return *all[static_cast<size_t>(role)];
}

KvShape Model::kv_shape(int64_t layer, int64_t block_tokens) const {
  const AttentionSpec& attention = attention_of(spec.layers[layer]);
  return {.kv_heads = attention.kv_heads,
          .head_dim = attention.head_dim,
          .block_tokens = block_tokens,
          .dtype = kv_dtype};
}

std::unique_ptr<Model> load_model(const std::filesystem::path& path, const Ops& ops,
                                  ThreadPool& pool, const LoadOptions& options) {
  const ModelSource source = ModelSource::open(path, options.config_overrides);
  const ModelPart all{.embedding = true,
                      .head = true,
                      .layer_end = static_cast<int64_t>(source.spec.layers.size())};
  return load_part(source, ops, pool, all, options);
}

std::unique_ptr<Model> load_part(const ModelSource& source, const Ops& ops, ThreadPool& pool,
                                 const ModelPart& part, const LoadOptions& options) {
  auto model = std::make_unique<Model>();
  model->spec = source.spec;
  model->ops = ops;
  Loader loader(*model, source.checkpoint, source.quantization, Loader::Purpose::load);
  loader.plan(part);
  model->compute = compute_for(options.dtype, loader.stored_embedding());
  model->kv_dtype = model->compute == Compute::bf16 ? DType::bf16 : DType::f32;
  loader.run(pool, options);
  return model;
}

LoadPlan plan_load(const ModelSource& source, const Ops& ops, DTypeChoice dtype) {
  Model model;
  model.spec = source.spec;
  model.ops = ops;
  Loader loader(model, source.checkpoint, source.quantization, Loader::Purpose::look);
  loader.plan({.embedding = true,
               .head = true,
               .layer_end = static_cast<int64_t>(model.spec.layers.size())});
  model.compute = compute_for(dtype, loader.stored_embedding());
  LoadPlan plan = loader.summary();
  plan.compute = model.compute;
  return plan;
}

}  // namespace octavo
