#include "onednn_yardstick.h"

#ifdef OCTAVO_ONEDNN
#include <dnnl.hpp>

struct OnednnProduct::State {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream{engine};
  dnnl::matmul product;
  dnnl::memory x, w, y;
};

OnednnProduct::OnednnProduct(bool wanted, octavo::DType dtype, int64_t rows, int64_t out,
                             int64_t in) {
  using Type = dnnl::memory::data_type;
  using Tag = dnnl::memory::format_tag;
  if (!wanted || (dtype != octavo::DType::f32 && dtype != octavo::DType::bf16)) return;
  const Type type = dtype == octavo::DType::f32 ? Type::f32 : Type::bf16;
  auto state = std::make_unique<State>();
  const dnnl::memory::desc x({rows, in}, type, Tag::ab), w({in, out}, type, Tag::any),
      y({rows, out}, Type::f32, Tag::ab);
  const dnnl::matmul::primitive_desc desc(dnnl::matmul::desc(x, w, y), state->engine);
  state->product = dnnl::matmul(desc);
  state->x = dnnl::memory(desc.src_desc(), state->engine);
  state->w = dnnl::memory(desc.weights_desc(), state->engine);
  state->y = dnnl::memory(desc.dst_desc(), state->engine);
  state_ = std::move(state);
  run();
}

void OnednnProduct::run() {
  state_->product.execute(
      state_->stream,
      {{DNNL_ARG_SRC, state_->x}, {DNNL_ARG_WEIGHTS, state_->w}, {DNNL_ARG_DST, state_->y}});
  state_->stream.wait();
}
#else
struct OnednnProduct::State {};
OnednnProduct::OnednnProduct(bool, octavo::DType, int64_t, int64_t, int64_t) {}
void OnednnProduct::run() {}
#endif

OnednnProduct::~OnednnProduct() = default;
