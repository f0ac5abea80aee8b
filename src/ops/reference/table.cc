#include "ops/reference/reference.h"

namespace octavo::reference {

Ops ops() {
  return {.name = "reference",
          .matmul_dense_name = "reference",
          .matmul_affine_name = "reference",
          .matmul_int8_name = "reference",
          .attention_name = "reference",
          .preferred = preferred,
          .planes = plane_bytes,
          .pack = pack,
          .unpack_row = unpack_row,
          .matmul = matmul,
          .gemm = gemm,
          .embed = embed,
          .rms_norm = rms_norm,
          .layer_norm = layer_norm,
          .head_rms_norm = head_rms_norm,
          .head_layer_norm = head_layer_norm,
          .rope = rope,
          .activate = activate,
          .add = add,
          .scale_rows = scale_rows,
          .clamp = clamp,
          .scale_softcap = scale_softcap,
          .write_kv = write_kv,
          .attention = attention,
          .attends = attends};
}

}  // namespace octavo::reference
