#include "io/pickle.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "octavo/error.h"

namespace octavo::pickle {
namespace {

constexpr int kHighestProtocol = 5;
constexpr Ref kMark = ~Ref{0};  // on the stack only

class Machine {
 public:
  Machine(std::span<const std::byte> bytes, std::span<const std::string_view> allowed,
          const std::string& where, const Limits& limits)
      : bytes_(reinterpret_cast<const char*>(bytes.data()), bytes.size()),
        allowed_(allowed),
        where_(where),
        limits_(limits) {}

  // One opcode a turn; every opcode consumes at least its own byte, so it ends.
  Document run() {
    while (true) {
      const char opcode = take(1)[0];
      if (opcode == '.') break;
      if (!scalar(opcode) && !text(opcode) && !container(opcode) && !memo(opcode)) object(opcode);
    }
    document_.root = pop();
    document_.bytes = at_;
    return std::move(document_);
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    throw Error(problem + " at byte " + std::to_string(at_) + " of the pickle", where_,
                "the file is damaged or no PyTorch checkpoint: fetch it again");
  }

  std::string_view take(uint64_t count) {
    if (count > bytes_.size() - at_) fail("pickle ends early");
    const std::string_view part = bytes_.substr(at_, count);
    at_ += count;
    return part;
  }
  template <class T>
  T number() {
    T value;
    std::memcpy(&value, take(sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view line() {
    const size_t end = bytes_.find('\n', at_);
    if (end == std::string_view::npos) fail("pickle ends early");
    const std::string_view part = take(end - at_);
    ++at_;
    return part;
  }

  Ref add(Node node) {
    if (document_.nodes.size() >= limits_.max_nodes)
      fail("more than " + std::to_string(limits_.max_nodes) + " values");
    document_.nodes.push_back(std::move(node));
    return static_cast<Ref>(document_.nodes.size() - 1);
  }
  void push(Ref ref) {
    if (stack_.size() >= limits_.max_nodes) fail("stack too deep");
    stack_.push_back(ref);
  }
  void push(Node node) { push(add(std::move(node))); }
  Ref pop() {
    if (stack_.empty() || stack_.back() == kMark) fail("stack is empty");
    const Ref ref = stack_.back();
    stack_.pop_back();
    return ref;
  }
  // Everything above the last mark, which goes too.
  std::vector<Ref> pop_to_mark() {
    const auto mark = std::find(stack_.rbegin(), stack_.rend(), kMark);
    if (mark == stack_.rend()) fail("no mark on the stack");
    std::vector<Ref> items(mark.base(), stack_.end());
    stack_.erase(mark.base() - 1, stack_.end());
    return items;
  }
  std::vector<Ref> pop_some(size_t count) {
    std::vector<Ref> items(count);
    for (size_t i = count; i > 0; --i) items[i - 1] = pop();
    return items;
  }

  bool scalar(char opcode) {
    switch (opcode) {
      case 'N':
        push(Node{});
        return true;
      case '\x88':
      case '\x89':
        push({.kind = Kind::boolean, .integer = opcode == '\x88'});
        return true;
      case 'J':
        return push_integer(number<int32_t>());
      case 'K':
        return push_integer(number<uint8_t>());
      case 'M':
        return push_integer(number<uint16_t>());
      case 'I':
      case 'L':
        return decimal();
      case '\x8a':
        return long_integer(number<uint8_t>());
      case '\x8b':
        return long_integer(number<uint32_t>());
      case 'G':
        push({.kind = Kind::real, .real = big_endian_double()});
        return true;
      default:
        return false;
    }
  }
  bool push_integer(int64_t value) {
    push({.kind = Kind::integer, .integer = value});
    return true;
  }
  // "I12\n", "L12L\n"; "I00\n" and "I01\n" are the booleans of protocol 0.
  bool decimal() {
    std::string_view digits = line();
    if (digits == "00" || digits == "01") {
      push({.kind = Kind::boolean, .integer = digits == "01"});
      return true;
    }
    if (digits.ends_with('L')) digits.remove_suffix(1);
    int64_t value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (code != std::errc() || end != digits.data() + digits.size()) fail("bad whole number");
    return push_integer(value);
  }
  bool long_integer(uint64_t count) {
    const std::string_view raw = take(count);
    if (raw.size() > 8) {
      push({.kind = Kind::big_integer, .text = raw});
      return true;
    }
    const bool negative = !raw.empty() && (raw.back() & 0x80) != 0;
    uint64_t value = negative ? ~uint64_t{0} : 0;
    std::memcpy(&value, raw.data(), raw.size());
    return push_integer(static_cast<int64_t>(value));
  }
  double big_endian_double() {
    uint64_t bits = 0;
    for (const char c : take(8)) bits = bits << 8 | static_cast<uint8_t>(c);
    return std::bit_cast<double>(bits);
  }

  bool text(char opcode) {
    switch (opcode) {
      case '\x8c':  // SHORT_BINUNICODE
      case 'U':     // SHORT_BINSTRING
      case 'C':     // SHORT_BINBYTES
        return push_text(number<uint8_t>());
      case 'X':  // BINUNICODE
      case 'T':  // BINSTRING
      case 'B':  // BINBYTES
        return push_text(number<uint32_t>());
      case '\x8d':  // BINUNICODE8
      case '\x8e':  // BINBYTES8
        return push_text(number<uint64_t>());
      default:
        return false;
    }
  }
  bool push_text(uint64_t count) {
    push({.kind = Kind::text, .text = take(count)});
    return true;
  }

  bool container(char opcode) {
    switch (opcode) {
      case '(':
        push(kMark);
        return true;
      case '0':  // POP takes a mark as well
        if (stack_.empty()) fail("stack is empty");
        stack_.pop_back();
        return true;
      case '1':
        pop_to_mark();
        return true;
      case '2': {
        const Ref top = pop();
        push(top);
        push(top);
        return true;
      }
      case ']':
        push({.kind = Kind::list});
        return true;
      case ')':
        push({.kind = Kind::tuple});
        return true;
      case '}':
        push({.kind = Kind::dict});
        return true;
      case 'l':
        push({.kind = Kind::list, .items = pop_to_mark()});
        return true;
      case 't':
        push({.kind = Kind::tuple, .items = pop_to_mark()});
        return true;
      case 'd':
        return make_dict(pop_to_mark());
      case '\x85':
      case '\x86':
      case '\x87':
        push({.kind = Kind::tuple, .items = pop_some(opcode - '\x85' + 1)});
        return true;
      default:
        return filled(opcode);
    }
  }
  bool make_dict(std::vector<Ref> items) {
    if (items.size() % 2 != 0) fail("a key without a value");
    push({.kind = Kind::dict, .items = std::move(items)});
    return true;
  }
  // APPEND, APPENDS, SETITEM, SETITEMS: into what lies below.
  bool filled(char opcode) {
    const bool pairs = opcode == 's' || opcode == 'u';
    if (!pairs && opcode != 'a' && opcode != 'e') return false;
    const std::vector<Ref> items = opcode == 'a'   ? pop_some(1)
                                   : opcode == 's' ? pop_some(2)
                                                   : pop_to_mark();
    if (pairs && items.size() % 2 != 0) fail("a key without a value");
    const Ref target = pop();
    push(target);
    Node& node = document_.nodes[target];
    if (node.kind != (pairs ? Kind::dict : Kind::list) && node.kind != Kind::call)
      fail(pairs ? "keys set on something else than a dict"
                 : "appended to something else than a list");
    node.items.insert(node.items.end(), items.begin(), items.end());
    return true;
  }

  bool memo(char opcode) {
    switch (opcode) {
      case 'q':
        return put(number<uint8_t>());
      case 'r':
        return put(number<uint32_t>());
      case '\x94':  // MEMOIZE
        return put(memo_.size());
      case 'h':
        return get(number<uint8_t>());
      case 'j':
        return get(number<uint32_t>());
      case 'p':
        return put(index(line()));
      case 'g':
        return get(index(line()));
      default:
        return false;
    }
  }
  uint64_t index(std::string_view digits) const {
    uint64_t value = 0;
    const auto [end, code] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (code != std::errc() || end != digits.data() + digits.size()) fail("bad memo index");
    return value;
  }
  // Python numbers its memo consecutively; a larger gap than the stream is long is no pickler's.
  bool put(uint64_t slot) {
    if (slot > at_ || slot >= limits_.max_nodes) fail("memo index out of range");
    const Ref top = pop();
    push(top);
    if (slot >= memo_.size()) memo_.resize(slot + 1, kMark);
    memo_[slot] = top;
    return true;
  }
  bool get(uint64_t slot) {
    if (slot >= memo_.size() || memo_[slot] == kMark) fail("memo holds nothing there");
    push(memo_[slot]);
    return true;
  }

  void object(char opcode) {
    switch (opcode) {
      case '\x80':
        if (number<uint8_t>() > kHighestProtocol) fail("unknown pickle protocol");
        return;
      case '\x95':  // FRAME: a hint for readers
        take(8);
        return;
      case 'c': {
        const std::string_view module = line(), name = line();
        return global(module, name);
      }
      case '\x93': {  // STACK_GLOBAL
        const Node &name = document_.at(pop()), &module = document_.at(pop());
        if (name.kind != Kind::text || module.kind != Kind::text) fail("a name is no text");
        return global(module.text, name.text);
      }
      case 'R':
      case '\x81': {  // REDUCE, NEWOBJ
        std::vector<Ref> items = pop_some(2);
        if (document_.at(items[0]).kind != Kind::global) fail("call of something else than a name");
        if (document_.at(items[1]).kind != Kind::tuple) fail("arguments are no tuple");
        return push({.kind = Kind::call, .items = std::move(items)});
      }
      case 'b':  // BUILD: attributes of an object, of which nothing is needed
        pop();
        return push(pop());
      case 'Q':
        return push({.kind = Kind::persistent, .items = pop_some(1)});
      default:
        fail("pickle instruction " + std::to_string(static_cast<uint8_t>(opcode)) +
             " is not allowed");
    }
  }
  void global(std::string_view module, std::string_view name) {
    const std::string full = std::string(module) + "." + std::string(name);
    const auto found = std::find(allowed_.begin(), allowed_.end(), full);
    if (found == allowed_.end()) {
      throw Error(
          "pickle asks for " + full.substr(0, 200) + ", which is not among what makes up tensors",
          where_, "nothing was run; use a checkpoint of plain tensors, or safetensors");
    }
    push({.kind = Kind::global, .text = *found});
  }

  std::string_view bytes_;
  std::span<const std::string_view> allowed_;
  const std::string& where_;
  Limits limits_;
  size_t at_ = 0;
  std::vector<Ref> stack_, memo_;
  Document document_;
};

}  // namespace

Document parse(std::span<const std::byte> bytes, std::span<const std::string_view> allowed,
               const std::string& where, const Limits& limits) {
  return Machine(bytes, allowed, where, limits).run();
}

}  // namespace octavo::pickle
