#include "cpu/panels.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "cpu/random_weight.h"

namespace octavo::cpu {
namespace {

std::vector<Format> formats(int64_t in) {
  std::vector<Format> all;
  for (const DType dtype : {DType::f32, DType::f16, DType::bf16}) {
    all.push_back({.dtype = dtype});
    for (const int bits : {2, 3, 4, 8}) {
      for (const int64_t group : {int64_t{16}, int64_t{32}, int64_t{48}, int64_t{128}, in}) {
        if (in % group != 0) continue;
        const Format format{
            .scheme = Scheme::affine, .dtype = dtype, .bits = bits, .group_size = group};
        all.push_back(format);
        all.push_back(format);
        all.back().ordered = true;
      }
    }
  }
  return all;
}

OwnedWeight packed(const OwnedWeight& rows, const Format& format) {
  const Weight& w = rows.weight;
  OwnedWeight target(format, w.out, w.in, planes(format, w.out, w.in));
  target.weight.order = w.order;
  return target;
}

// Rows [begin, end) of a matrix in rows packing.
Weight slice(const Weight& w, int64_t begin, int64_t end) {
  const PlaneBytes row = plane_bytes(w.format, 1, w.in);
  const auto part = [&](std::span<const std::byte> plane, size_t bytes) {
    return plane.subspan(begin * bytes, (end - begin) * bytes);
  };
  Weight piece = w;
  piece.out = end - begin;
  piece.data = part(w.data, row.data);
  piece.scales = part(w.scales, row.scales);
  piece.zeros = part(w.zeros, row.zeros);
  return piece;
}

TEST(Panels, give_back_every_row_of_every_format) {
  for (const auto& [out, in] : std::vector<std::pair<int64_t, int64_t>>{
           {1, 16}, {63, 100}, {64, 128}, {65, 384}, {130, 17}, {200, 48}}) {
    for (Format format : formats(in)) {
      const OwnedWeight rows = random_weight(format, out, in, 1);
      ASSERT_TRUE(fits_panels(format, in));
      format.packing = Packing::panels;
      OwnedWeight target = packed(rows, format);
      pack(rows.weight, 0, target.weight);
      std::vector<float> expected(in), got(in);
      for (int64_t n = 0; n < out; ++n) {
        reference::ops().unpack_row(rows.weight, n, expected);
        unpack_row(target.weight, n, got);
        ASSERT_EQ(expected, got) << to_string(format) << " " << out << "x" << in << " row " << n;
      }
    }
  }
}

TEST(Panels, pack_takes_slices_at_any_row) {
  const int64_t out = 300, in = 96;
  for (Format format : formats(in)) {
    const OwnedWeight rows = random_weight(format, out, in, 2);
    format.packing = Packing::panels;
    OwnedWeight whole = packed(rows, format), sliced = packed(rows, format);
    pack(rows.weight, 0, whole.weight);
    for (const auto& [begin, end] :
         std::vector<std::pair<int64_t, int64_t>>{{100, 101}, {0, 64}, {64, 100}, {101, 300}})
      pack(slice(rows.weight, begin, end), begin, sliced.weight);
    EXPECT_TRUE(std::ranges::equal(whole.weight.data, sliced.weight.data)) << to_string(format);
    EXPECT_TRUE(std::ranges::equal(whole.weight.scales, sliced.weight.scales));
    EXPECT_TRUE(std::ranges::equal(whole.weight.zeros, sliced.weight.zeros));
  }
}

TEST(Panels, convert_dense_elements_to_the_type_of_the_target) {
  const int64_t out = 70, in = 33;
  for (const DType from : {DType::f32, DType::f16, DType::bf16}) {
    for (const DType to : {DType::f32, DType::f16, DType::bf16}) {
      const OwnedWeight rows = random_weight({.dtype = from}, out, in, 3);
      OwnedWeight target = packed(rows, {.dtype = to, .packing = Packing::panels});
      pack(rows.weight, 0, target.weight);
      std::vector<float> got(in);
      unpack_row(target.weight, 69, got);
      for (int64_t k = 0; k < in; ++k) {
        const float v = element(rows.weight, 69, k);
        const float expected = to == DType::f16    ? to_float(to_float16(v))
                               : to == DType::bf16 ? to_float(to_bfloat16(v))
                                                   : v;
        ASSERT_EQ(expected, got[k]);
      }
    }
  }
}

TEST(Panels, keep_codes_close_to_their_size) {
  const Format two{.scheme = Scheme::affine,
                   .dtype = DType::f16,
                   .bits = 2,
                   .group_size = 128,
                   .packing = Packing::panels};
  EXPECT_EQ(planes(two, 128, 1024).data, 128u * 1024 / 4);
  Format four = two;
  four.bits = 4;
  EXPECT_EQ(planes(four, 128, 1024).data, 128u * 1024 / 2);
  EXPECT_EQ(planes(four, 128, 1024).scales, 128u * 8 * 2);
}

TEST(Panels, are_not_preferred_for_groups_that_kernels_cannot_cut) {
  const Format odd{.scheme = Scheme::affine, .dtype = DType::f16, .bits = 4, .group_size = 24};
  EXPECT_EQ(preferred(odd, 64, 96, Compute::bf16).packing, Packing::rows);
  EXPECT_EQ(preferred(odd, 64, 24, Compute::bf16).packing, Packing::panels);
}

TEST(Panels, follow_the_computation_with_the_dense_type) {
  const auto type = [](DType source, Compute compute) {
    return preferred({.dtype = source}, 64, 64, compute).dtype;
  };
  EXPECT_EQ(type(DType::bf16, Compute::f32), DType::bf16);
  EXPECT_EQ(type(DType::bf16, Compute::bf16), DType::bf16);
  EXPECT_EQ(type(DType::f16, Compute::f32), DType::f16);
  EXPECT_EQ(type(DType::f16, Compute::bf16), DType::bf16);
  EXPECT_EQ(type(DType::f32, Compute::f32), DType::f32);
  EXPECT_EQ(type(DType::f32, Compute::bf16), DType::bf16);
}

TEST(Panels, embed_rows_of_panels_and_of_plain_tables) {
  ThreadPool pool(2);
  Queue queue(pool);
  const std::vector<int32_t> ids{69, 0, 64, 69};
  for (const Format& format :
       {Format{.dtype = DType::bf16},
        Format{.scheme = Scheme::affine, .dtype = DType::f16, .bits = 4, .group_size = 32}}) {
    const OwnedWeight rows = random_weight(format, 70, 64, 4);
    Format panels = format;
    panels.packing = Packing::panels;
    OwnedWeight target = packed(rows, panels);
    pack(rows.weight, 0, target.weight);
    std::vector<float> expected(4 * 64), a(4 * 64), b(4 * 64);
    reference::ops().embed(queue, rows.weight, ids, 3.0f, {expected.data(), {4, 64}});
    embed(queue, rows.weight, ids, 3.0f, {a.data(), {4, 64}});
    embed(queue, target.weight, ids, 3.0f, {b.data(), {4, 64}});
    EXPECT_EQ(expected, a);
    EXPECT_EQ(expected, b);
  }
}

}  // namespace
}  // namespace octavo::cpu
