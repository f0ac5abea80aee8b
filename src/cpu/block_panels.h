#pragma once

#include <cstdint>
#include <span>

#include "cpu/panels.h"

// The part of panels.h that is for block formats. REQUIRES of all: Scheme::block, packing panels.
namespace octavo::cpu {

PanelShape block_panel_shape(const Format& format, int64_t in);
PlaneBytes block_planes(const Format& format, int64_t out, int64_t in);
void pack_blocks(const Weight& rows, int64_t first_row, const Weight& target);
void unpack_block_row(const Weight& w, int64_t row, std::span<float> out) noexcept;

}  // namespace octavo::cpu
