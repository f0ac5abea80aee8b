#pragma once

#include "cpu/matmul_phase.h"

// Products of Compute::int8 for the tables above AVX-512-VNNI, which differ from it in the others
// only. The functions are those of PanelKernels.
namespace octavo::cpu::avx512_vnni {

void int8_panel_task(const PanelTask& task) noexcept;
void int8_row_task(const XRowTask& task) noexcept;

}  // namespace octavo::cpu::avx512_vnni
