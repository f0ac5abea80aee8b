// No #pragma once: the entry `matmul` of a table without a bfloat16 multiplier, from the loops of
// matmul_panel.inl.h and matmul_int8.inl.h, included after them.

XForm form(const Format& format, Compute compute) noexcept {
  if (compute == Compute::int8 && format.scheme != Scheme::dense) return XForm::int8;
  return compute == Compute::f32 ? XForm::f32 : XForm::rounded_f32;
}

void panel(const PanelTask& task) noexcept {
  return task.x.form == XForm::int8 ? int_panel(task) : float_panel(task);
}

void row(const XRowTask& task) noexcept {
  return task.form == XForm::int8 ? int8_row(task) : float_row(task);
}

void matmul(Queue& queue, std::span<const Matmul> products) noexcept {
  run_matmul(queue, products, {.form = form, .row = row, .panel = panel});
}
