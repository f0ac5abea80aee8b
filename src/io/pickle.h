#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Python's pickle as data. Nothing is imported or called: what a pickle asks to construct stays a
// description (Kind::call), which a reader of a format may interpret. Opcodes as in Python's
// Lib/pickletools.py, protocols 0 to 5, those that state dictionaries use.

namespace octavo::pickle {

using Ref =
    uint32_t;  // index of a node; nodes may share children and, in a hostile file, form cycles

enum class Kind : uint8_t {
  none,
  boolean,
  integer,
  big_integer,  // `text`: its little-endian bytes
  real,
  text,        // string or bytes
  list,        // `items`
  tuple,       // `items`
  dict,        // `items`: key, value, key, value ...
  global,      // `text`: "module.name", one of the allowed
  call,        // `items`: callable, arguments, then what was appended or set (key, value ...)
  persistent,  // `items`: the id; an object that lies outside of the pickle
};

struct Node {
  Kind kind = Kind::none;
  int64_t integer = 0;  // boolean, integer
  double real = 0;
  std::string_view text = {};  // into Document's bytes or names
  std::vector<Ref> items = {};
};

struct Document {
  std::vector<Node> nodes;
  Ref root = 0;
  size_t bytes = 0;  // of the stream, up to and including its STOP

  const Node& at(Ref ref) const { return nodes[ref]; }
};

struct Limits {
  size_t max_nodes = size_t{4} << 20;
};

// Reads one pickle from the front of `bytes`, which must outlive the document, as must `allowed`:
// the globals ("torch.FloatStorage") that it may name. Memory is at most a small multiple of the
// stream. Throws Error naming `where` for a damaged stream, and for any other global, by its name.
Document parse(std::span<const std::byte> bytes, std::span<const std::string_view> allowed,
               const std::string& where, const Limits& limits = {});

}  // namespace octavo::pickle
