#include "measure/timed_ops.h"

#include <algorithm>

#include "measure/machine.h"
#include "measure/product_calls.h"

namespace octavo::measure {
namespace {

// What a call is known to do; the overloads look at the entry's first argument after the queue.

void describe(TimedCall& call, std::span<const Matmul> products) {
  for (const Matmul& m : products) {
    call.bytes += static_cast<double>(m.w->size_bytes());
    call.operations += 2.0 * static_cast<double>(m.x.rows()) * static_cast<double>(m.w->out) *
                       static_cast<double>(m.w->in);
  }
  call.products = static_cast<int>(products.size());
  if (products.empty()) return;
  call.weight = products.front().w;
  call.compute = products.front().compute;
}

// Scores and sums over values: 4 operations a query row, head, element and key that it sees.
void describe(TimedCall& call, const Attention& a) {
  const KvShape& shape = a.kv.shape;
  call.kv = a.kv.k;
  call.compute = shape.dtype == DType::f32 ? Compute::f32 : Compute::bf16;
  const double token_bytes =
      2.0 * static_cast<double>(shape.block_bytes()) / static_cast<double>(shape.block_tokens);
  for (size_t s = 0; s < a.kv_tokens.size(); ++s) {
    const int64_t rows = a.row_begin[s + 1] - a.row_begin[s], all = a.kv_tokens[s];
    const int64_t window = a.window > 0 ? a.window : all;
    int64_t seen = 0;
    for (int64_t row = all - rows; row < all; ++row) seen += std::min(row + 1, window);
    call.operations += 4.0 * static_cast<double>(seen * a.q.extent[1] * shape.head_dim);
    call.bytes += token_bytes * static_cast<double>(std::min(all, window + rows));
  }
}

void describe(TimedCall& call, const Weight& table) { call.weight = &table; }

template <class T>
void describe(TimedCall&, const T&) {}

// A name as a template argument.
template <size_t kSize>
struct Name {
  char text[kSize];
  constexpr Name(const char (&literal)[kSize]) { std::copy_n(literal, kSize, text); }
};

template <auto kEntry, Name kName>
struct Timed;

template <class... Args, void (*Ops::*kEntry)(Queue&, Args...) noexcept, Name kName>
struct Timed<kEntry, kName> {
  static void run(Queue& queue, Args... args) noexcept {
    auto& timed = static_cast<TimedQueue&>(queue);
    TimedCall call;
    call.entry = kName.text;
    call.seconds = seconds([&] { (timed.inner().*kEntry)(queue, args...); });
    describe_first(call, args...);
    timed.add(call);
  }
  template <class First, class... Rest>
  static void describe_first(TimedCall& call, const First& first, const Rest&...) {
    describe(call, first);
  }
};

template <auto kEntry, Name kName>
void wrap(Ops& table) {
  table.*kEntry = Timed<kEntry, kName>::run;
}

}  // namespace

Ops timed_ops(const Ops& inner) {
  Ops table = inner;
  wrap<&Ops::matmul, "matmul">(table);
  wrap<&Ops::embed, "embedding">(table);
  wrap<&Ops::rms_norm, "norm">(table);
  wrap<&Ops::layer_norm, "norm">(table);
  wrap<&Ops::head_rms_norm, "norm of heads">(table);
  wrap<&Ops::head_layer_norm, "norm of heads">(table);
  wrap<&Ops::rope, "rope">(table);
  wrap<&Ops::activate, "activation">(table);
  wrap<&Ops::add, "add">(table);
  wrap<&Ops::scale_rows, "scale">(table);
  wrap<&Ops::clamp, "clamp">(table);
  wrap<&Ops::scale_softcap, "softcap">(table);
  wrap<&Ops::write_kv, "KV write">(table);
  wrap<&Ops::place_heads, "heads and KV write">(table);
  wrap<&Ops::attention, "attention">(table);
  return table;
}

}  // namespace octavo::measure
