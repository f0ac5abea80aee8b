#include "serve/stop_strings.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace octavo::serve {

bool StopStrings::Automaton::feed(char byte) {
  while (state > 0 && text[state] != byte) state = fallback[state - 1];
  if (text[state] == byte) ++state;
  return state == text.size();
}

StopStrings::StopStrings(std::vector<std::string> strings, Keep keep) : keep_(keep) {
  for (std::string& text : strings) {
    OCTAVO_CHECK(!text.empty());
    Automaton automaton{.text = std::move(text), .fallback = {0}};
    for (size_t i = 1, border = 0; i < automaton.text.size(); ++i) {
      while (border > 0 && automaton.text[i] != automaton.text[border]) {
        border = automaton.fallback[border - 1];
      }
      if (automaton.text[i] == automaton.text[border]) ++border;
      automaton.fallback.push_back(border);
    }
    automata_.push_back(std::move(automaton));
  }
}

std::string StopStrings::push(std::string_view piece) {
  if (matched_) return {};
  std::string text = std::exchange(held_, {});
  for (const char byte : piece) {
    text += byte;
    const Automaton* hit = nullptr;
    for (Automaton& automaton : automata_) {
      if (automaton.feed(byte) && hit == nullptr) hit = &automaton;
    }
    if (hit == nullptr) continue;
    matched_ = hit->text;
    if (keep_ == Keep::drop_match) text.resize(text.size() - hit->text.size());
    return text;
  }
  size_t open = 0;
  for (const Automaton& automaton : automata_) open = std::max(open, automaton.state);
  if (keep_ == Keep::keep_match) open = 0;  // a match would be shown anyway
  held_ = text.substr(text.size() - open);
  text.resize(text.size() - open);
  return text;
}

std::string StopStrings::pass(std::string_view piece) {
  std::string text = std::exchange(held_, {}) + std::string(piece);
  for (Automaton& automaton : automata_) automaton.state = 0;
  return text;
}

std::string StopStrings::flush() { return std::exchange(held_, {}); }

}  // namespace octavo::serve
