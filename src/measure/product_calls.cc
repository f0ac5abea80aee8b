#include "measure/product_calls.h"

#include <algorithm>
#include <initializer_list>
#include <set>

#include "model/derive.h"

namespace octavo::measure {
namespace {

void add_call(std::vector<ProductCall>& calls, const Model& model, int64_t layer,
              std::initializer_list<Role> roles) {
  ProductCall call{.layer = layer, .name = {}, .weights = {}};
  for (const Role role : roles) {
    const Weight& weight = model.linear(layer, role).weight;
    if (weight.empty()) continue;
    call.name += (call.name.empty() ? "" : "+") + std::string(name(role));
    call.weights.push_back(&weight);
  }
  if (!call.weights.empty()) calls.push_back(std::move(call));
}

}  // namespace

int64_t ProductCall::out() const {
  int64_t rows = 0;
  for (const Weight* w : weights) rows += w->out;
  return rows;
}

size_t ProductCall::bytes() const {
  size_t bytes = 0;
  for (const Weight* w : weights) bytes += w->size_bytes();
  return bytes;
}

std::string ProductCall::format() const {
  std::string text;
  std::set<std::string> seen;
  for (const Weight* w : weights) {
    const std::string one = to_string(w->format);
    if (seen.insert(one).second) text += (text.empty() ? "" : " + ") + one;
  }
  return text;
}

std::string ProductCall::signature() const {
  std::string text = name;
  for (const Weight* w : weights)
    text += "|" + std::to_string(w->out) + "x" + std::to_string(w->in) + to_string(w->format);
  return text;
}

std::vector<ProductCall> product_calls(const Model& model) {
  std::vector<ProductCall> calls;
  add_call(calls, model, -1, {Role::project_in});
  for (int64_t layer = 0; layer < static_cast<int64_t>(model.layers.size()); ++layer) {
    add_call(calls, model, layer, {Role::q, Role::k, Role::v});
    add_call(calls, model, layer, {Role::o});
    add_call(calls, model, layer, {Role::gate, Role::up});
    add_call(calls, model, layer, {Role::down});
  }
  add_call(calls, model, -1, {Role::project_out});
  add_call(calls, model, -1, {Role::head});
  return calls;
}

size_t step_weight_bytes(const Model& model) {
  size_t bytes = 0;
  for (const ProductCall& call : product_calls(model)) bytes += call.bytes();
  return bytes;
}

double row_operations(const Model& model) {
  double operations = 0;
  for (const ProductCall& call : product_calls(model)) {
    if (call.name != name(Role::head))
      operations += 2.0 * static_cast<double>(call.out()) * static_cast<double>(call.in());
  }
  return operations;
}

double kv_read_bytes(const Model& model, int64_t tokens) {
  double bytes = 0;
  for (size_t layer = 0; layer < model.layers.size(); ++layer) {
    const KvShape shape = model.kv_shape(static_cast<int64_t>(layer));
    const int64_t window = attention_of(model.spec.layers[layer]).window;
    const int64_t seen = window > 0 ? std::min(window, tokens) : tokens;
    bytes += 2.0 * static_cast<double>(shape.block_bytes()) /
             static_cast<double>(shape.block_tokens) * static_cast<double>(seen);
  }
  return bytes;
}

}  // namespace octavo::measure
