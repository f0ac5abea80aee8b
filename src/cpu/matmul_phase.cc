#include "cpu/matmul_phase.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "base/check.h"

namespace octavo::cpu {
namespace {

// The share of the items that is handed out one by one when the static ranges are done: a neighbour
// can stall a core for a millisecond.
constexpr double kDynamicShare = 0.2;
constexpr int64_t kMinRows = 48;  // of a task when rows are split to occupy the workers

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Inputs whose codes share a word of a panel; 5 and 6 bits begin with nibbles. 0: not codes.
int64_t inputs_of_word(const Format& f) {
  if (f.scheme == Scheme::dense) return 0;
  const int bits = stored_bits(f.bits);
  return bits == 2 ? 16 : bits == 8 ? 4 : 8;
}

// Whether both products can read the same XRows.
bool same_x(const Matmul& a, const Matmul& b, const PanelKernels& kernels) {
  const Format &f = a.w->format, &g = b.w->format;
  return f.packing == Packing::panels && g.packing == Packing::panels && a.x.data == b.x.data &&
         kernels.form(f, a.compute) == kernels.form(g, b.compute) &&
         panel_shape(f, a.w->in).inputs == panel_shape(g, b.w->in).inputs &&
         a.w->groups() == b.w->groups() && inputs_of_word(f) == inputs_of_word(g) &&
         f.ordered == g.ordered && (!f.ordered || std::ranges::equal(a.w->order, b.w->order));
}

// x of `product` in the form of its kernel, in the queue's scratch.
XRows prepare_x(Queue& queue, const Matmul& product, const PanelKernels& kernels) {
  const Weight& w = *product.w;
  const ConstMat& x = product.x;
  const PanelShape shape = panel_shape(w.format, w.in);
  XRows rows{.form = kernels.form(w.format, product.compute), .groups = shape.groups};
  if (rows.form == XForm::f32 && shape.inputs == w.in && rows.groups == 0) {
    rows.data = const_cast<std::byte*>(reinterpret_cast<const std::byte*>(x.data));  // only read
    rows.stride_bytes = x.stride[0] * 4;
    return rows;
  }
  const int64_t group_size = rows.groups > 0 ? shape.inputs / rows.groups : 0;
  const bool integers = rows.form == XForm::int8;
  if (integers) rows.units_of_row = rows.groups * int8_units_of_group(group_size);
  const int64_t size = integers ? 1 : rows.form == XForm::bf16 ? 2 : 4;
  // An odd number of lines: rows at a multiple of 4 KB would share one set of L1.
  rows.stride_bytes = (ceil_div(shape.inputs * size, 128) * 2 + 1) * 64;
  const int64_t count = ceil_div(x.rows(), 16) * 16;  // AMX reads whole tiles
  const int64_t sum_bytes =
      ceil_div(count * (integers ? rows.units_of_row * 8 : rows.groups * 4), 64) * 64;
  const int64_t gathered_bytes = ceil_div(shape.inputs * 4, 64) * 64;
  std::byte* const scratch = queue.scratch(count * rows.stride_bytes + sum_bytes +
                                           gathered_bytes * queue.pool().threads());
  rows.data = scratch;
  if (integers) {
    rows.units = reinterpret_cast<XUnit*>(scratch + count * rows.stride_bytes);
  } else {
    rows.sums = reinterpret_cast<float*>(scratch + count * rows.stride_bytes);
  }
  std::byte* const gathered = scratch + count * rows.stride_bytes + sum_bytes;
  const int64_t grain = x.rows() * shape.inputs < 32768 ? x.rows() : 1;
  queue.pool().split(x.rows(), grain, [&](int64_t begin, int64_t end, int worker) {
    for (int64_t i = begin; i < end; ++i) {
      kernels.row({.x = x.at(i),
                   .in = w.in,
                   .order = w.format.ordered ? w.order.data() : nullptr,
                   .inputs = shape.inputs,
                   .group_size = group_size,
                   .gathered = reinterpret_cast<float*>(gathered + worker * gathered_bytes),
                   .out = rows.data + i * rows.stride_bytes,
                   .sums = integers ? nullptr : rows.sums + i * rows.groups,
                   .units = integers ? rows.units + i * rows.units_of_row : nullptr,
                   .inputs_of_word = inputs_of_word(w.format),
                   .form = rows.form});
    }
  });
  return rows;
}

// The items of a phase: (product, panel, range of rows), panels of a product in order, ranges of
// rows of a panel next to each other.
struct Items {
  std::span<const Matmul> products;
  int64_t rows = 0, chunk_rows = 0, chunks = 0, count = 0;

  Items(std::span<const Matmul> of, int threads) : products(of), rows(of[0].x.rows()) {
    int64_t panels = 0;
    for (const Matmul& m : products) panels += panel_count(m.w->out);
    const int64_t wanted = ceil_div(3 * threads, panels);  // ranges of rows to occupy all workers
    chunk_rows = std::clamp(ceil_div(ceil_div(rows, wanted), 48) * 48, kMinRows, kMaxRows);
    chunks = ceil_div(rows, chunk_rows);
    count = panels * chunks;
  }

  void run(int64_t item, PanelTask& task, const PanelKernels& kernels) const {
    int64_t panel = item / chunks;
    const Matmul* product = products.data();
    for (; panel >= panel_count(product->w->out); ++product) panel -= panel_count(product->w->out);
    task.product = product;
    task.shape = panel_shape(product->w->format, product->w->in);
    task.panel = panel;
    task.row = item % chunks * chunk_rows;
    task.rows = std::min(chunk_rows, rows - task.row);
    kernels.panel(task);
  }
};

// Products that share one XRows.
void run_phase(Queue& queue, std::span<const Matmul> products, const PanelKernels& kernels) {
  const XRows x = prepare_x(queue, products[0], kernels);
  const int64_t threads = queue.pool().threads();
  const Items items(products, static_cast<int>(threads));
  const int64_t fixed =
      threads == 1 ? items.count
                   : static_cast<int64_t>(static_cast<double>(items.count) * (1 - kDynamicShare));
  std::atomic<int64_t> next{fixed};
  const auto work = [&](int worker) {
    PanelTask task{.x = x, .scratch = queue.worker_scratch(worker, kPanelScratchBytes)};
    for (int64_t i = fixed * worker / threads; i < fixed * (worker + 1) / threads; ++i)
      items.run(i, task, kernels);
    for (int64_t i = next.fetch_add(1, std::memory_order_relaxed); i < items.count;
         i = next.fetch_add(1, std::memory_order_relaxed))
      items.run(i, task, kernels);
  };
  queue.pool().run(work);
}

}  // namespace

void run_matmul(Queue& queue, std::span<const Matmul> products,
                const PanelKernels& kernels) noexcept {
  for (size_t begin = 0, end = 0; begin < products.size(); begin = end) {
    const Matmul& first = products[begin];
    OCTAVO_DCHECK(first.x.cols() == first.w->in && first.y.cols() == first.w->out);
    end = begin + 1;
    if (first.w->format.packing == Packing::rows) {
      reference::ops().matmul(queue, products.subspan(begin, 1));
      continue;
    }
    while (end < products.size() && same_x(first, products[end], kernels)) ++end;
    if (first.x.rows() > 0) run_phase(queue, products.subspan(begin, end - begin), kernels);
  }
}

void write_panel(const PanelTask& task, const float* tile) noexcept {
  const Matmul& m = *task.product;
  const int64_t begin = task.panel * kPanel, count = std::min(kPanel, m.w->out - begin);
  for (int64_t i = 0; i < task.rows; ++i, tile += kPanel) {
    float* const y = m.y.at(task.row + i, begin);
    const bool add = m.into == Into::add;
    if (m.bias.empty() && !add) {
      std::memcpy(y, tile, static_cast<size_t>(count) * 4);
      continue;
    }
    const float* const bias = m.bias.empty() ? nullptr : m.bias.data() + begin;
    for (int64_t c = 0; c < count; ++c) {
      const float sum = tile[c] + (bias != nullptr ? bias[c] : 0.0f);
      y[c] = add ? y[c] + sum : sum;
    }
  }
}

}  // namespace octavo::cpu
