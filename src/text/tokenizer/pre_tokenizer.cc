#include "text/tokenizer/pre_tokenizer.h"

#include <algorithm>
#include <utility>

#include "text/tokenizer/scripts.h"
#include "text/tokenizer/unicode.h"

namespace octavo::tokenizer {

namespace {

constexpr int kMaxDepth = 8;
constexpr size_t kMaxSteps = 64;

SplitBehavior behavior(const Field& field) {
  constexpr std::pair<std::string_view, SplitBehavior> kNames[] = {
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous},
  };
  for (const auto& [name, value] : kNames) {
    if (field.text() == name) return value;
  }
  field.fail("behavior '" + std::string(field.text()) + "' is not known");
}

void append_span(std::vector<Span>& spans, Span span) {
  if (span.begin < span.end) spans.push_back(span);
}

// Runs of equal kind become one (contiguous), or a match joins the stretch before it.
void append_joined(std::vector<Span>& spans, const std::vector<Match>& cuts, size_t base,
                   SplitBehavior behavior) {
  const bool contiguous = behavior == SplitBehavior::contiguous;
  bool previous = false, open = false;
  Span last;
  for (const Match& cut : cuts) {
    const bool joins = contiguous ? cut.matched == previous : cut.matched && !previous;
    if (joins && open) {
      last.end = cut.span.end;
    } else {
      if (open) append_span(spans, {base + last.begin, base + last.end});
      last = cut.span;
      open = true;
    }
    previous = cut.matched;
  }
  if (open) append_span(spans, {base + last.begin, base + last.end});
}

// A match joins the stretch behind it; decided from the end, as the original does.
void append_joined_next(std::vector<Span>& spans, const std::vector<Match>& cuts, size_t base) {
  const size_t first = spans.size();
  bool previous = false, open = false;
  Span last;
  for (size_t i = cuts.size(); i-- > 0;) {
    if (cuts[i].matched && !previous && open) {
      last.begin = cuts[i].span.begin;
    } else {
      if (open) append_span(spans, {base + last.begin, base + last.end});
      last = cuts[i].span;
      open = true;
    }
    previous = cuts[i].matched;
  }
  if (open) append_span(spans, {base + last.begin, base + last.end});
  std::reverse(spans.begin() + static_cast<std::ptrdiff_t>(first), spans.end());
}

void append_cuts(std::vector<Span>& spans, const std::vector<Match>& cuts, size_t base,
                 SplitBehavior behavior) {
  if (behavior == SplitBehavior::merged_with_next) return append_joined_next(spans, cuts, base);
  if (behavior == SplitBehavior::contiguous || behavior == SplitBehavior::merged_with_previous) {
    return append_joined(spans, cuts, base, behavior);
  }
  for (const Match& cut : cuts) {
    if (behavior == SplitBehavior::removed && cut.matched) continue;
    append_span(spans, {base + cut.span.begin, base + cut.span.end});
  }
}

// Whether the first piece still begins where the input does, once the text is written anew.
bool first_at_origin(const Pieces& pieces) {
  return pieces.at_origin && !pieces.spans.empty() && pieces.spans[0].begin == 0;
}

}  // namespace

PreTokenizer PreTokenizer::load(const Field& field) {
  PreTokenizer pre_tokenizer;
  pre_tokenizer.load_step(field, 0);
  return pre_tokenizer;
}

void PreTokenizer::load_step(const Field& field, int depth) {
  const std::string_view type = field.type();
  if (type == "Sequence") {
    if (depth >= kMaxDepth) field.fail("sequences are nested too deep");
    const Field list = field.at("pretokenizers");
    size_t index = 0;
    for (const auto entry : list.array()) load_step(list.element(entry, index++), depth + 1);
    if (steps_.size() > kMaxSteps) field.fail("more than 64 pre-tokenizers");
  } else if (type == "ByteLevel") {
    load_byte_level(field);
  } else if (type == "Metaspace") {
    load_metaspace(field);
  } else if (type == "Split") {
    add_split(Matcher::load(field.at("pattern")), behavior(field.at("behavior")),
              field.flag_or("invert", false));
  } else if (type == "Digits") {
    add_split(Matcher::of_class(unicode::kNumeric), field.flag_or("individual_digits", false)
                                                        ? SplitBehavior::isolated
                                                        : SplitBehavior::contiguous);
  } else if (type == "Punctuation") {
    const auto named = field.find("behavior");
    add_split(Matcher::of_class(unicode::kIsolated),
              named ? behavior(*named) : SplitBehavior::isolated);
  } else if (type == "Whitespace") {  // \w+|[^\w\s]+
    add_split(Matcher::of_class(unicode::kSpace), SplitBehavior::removed);
    add_split(Matcher::of_class(unicode::kWord), SplitBehavior::contiguous);
  } else if (type == "WhitespaceSplit") {
    add_split(Matcher::of_class(unicode::kSpace), SplitBehavior::removed);
  } else if (type == "BertPreTokenizer") {
    add_split(Matcher::of_class(unicode::kSpace), SplitBehavior::removed);
    add_split(Matcher::of_class(unicode::kIsolated), SplitBehavior::isolated);
  } else if (type == "CharDelimiterSplit") {
    std::string delimiter;
    utf8::append(delimiter, field.at("delimiter").character());
    add_split(Matcher::of_text(delimiter), SplitBehavior::removed);
  } else if (type == "UnicodeScripts") {
    steps_.emplace_back(Scripts{});
  } else if (type == "FixedLength") {
    steps_.emplace_back(FixedLength{field.integer_or("length", 5, 1, int64_t{1} << 40)});
  } else {
    field.fail("pre-tokenizer '" + std::string(type) + "' is not supported");
  }
}

void PreTokenizer::load_byte_level(const Field& field) {
  if (field.flag_or("add_prefix_space", true)) steps_.emplace_back(PrefixSpace{});
  if (field.flag_or("use_regex", true)) {
    add_split(Matcher::of_known(KnownPattern::gpt2), SplitBehavior::isolated);
  }
  steps_.emplace_back(Bytes{});
}

void PreTokenizer::load_metaspace(const Field& field) {
  using Prepend = Metaspace::Prepend;
  Metaspace step{"", Prepend::always, field.flag_or("split", true)};
  utf8::append(step.replacement, field.at("replacement").character());
  if (const auto scheme = field.find("prepend_scheme")) {
    const std::string_view name = scheme->text();
    if (name != "first" && name != "never" && name != "always") {
      scheme->fail("prepend_scheme '" + std::string(name) + "' is not known");
    }
    step.prepend = name == "first"   ? Prepend::first
                   : name == "never" ? Prepend::never
                                     : Prepend::always;
  }
  if (!field.flag_or("add_prefix_space", true)) step.prepend = Prepend::never;
  steps_.emplace_back(std::move(step));
}

bool PreTokenizer::take_bytes_step() {
  const auto maps = [](const Step& step) { return std::holds_alternative<Bytes>(step); };
  if (std::count_if(steps_.begin(), steps_.end(), maps) != 1 || !maps(steps_.back())) return false;
  steps_.pop_back();
  return true;
}

PreTokenizer::Session::Session(const PreTokenizer& owner) : owner_(owner) {
  for (const Step& step : owner.steps_) {
    const auto* split = std::get_if<Split>(&step);
    cursors_.push_back(split ? std::make_unique<Matcher::Cursor>(split->matcher) : nullptr);
  }
}

void PreTokenizer::Session::apply(Pieces& pieces) {
  for (size_t i = 0; i < owner_.steps_.size() && !pieces.spans.empty(); ++i) {
    std::visit(
        [&](const auto& step) {
          if constexpr (std::is_same_v<std::decay_t<decltype(step)>, Split>) {
            run(step, *cursors_[i], pieces);
          } else {
            run(step, pieces);
          }
        },
        owner_.steps_[i]);
  }
}

void PreTokenizer::Session::run(const Split& step, Matcher::Cursor& cursor, Pieces& pieces) {
  spans_.clear();
  const KnownPattern* known = step.matcher.known();
  const bool direct = known && !step.invert && step.behavior == SplitBehavior::isolated;
  for (const Span& span : pieces.spans) {
    const std::string_view piece = pieces.piece(span);
    if (direct) {
      for (size_t at = 0; at < piece.size();) {
        const size_t end = piece_end(*known, piece, at);
        spans_.push_back({span.begin + at, span.begin + end});
        at = end;
      }
      continue;
    }
    cursor.cut(piece, cuts_);
    if (step.invert) {
      for (Match& cut : cuts_) cut.matched = !cut.matched;
    }
    append_cuts(spans_, cuts_, span.begin, step.behavior);
  }
  pieces.spans.swap(spans_);
}

void PreTokenizer::Session::run(const Bytes& step, Pieces& pieces) {
  pieces.at_origin = first_at_origin(pieces);
  std::string text;
  text.reserve(pieces.text.size() * 2);
  for (Span& span : pieces.spans) {
    const size_t begin = text.size();
    step.alphabet.append_mapped(text, pieces.piece(span));
    span = {begin, text.size()};
  }
  pieces.text = std::move(text);
}

void PreTokenizer::Session::run(const PrefixSpace&, Pieces& pieces) {
  pieces.at_origin = first_at_origin(pieces);
  std::string text;
  text.reserve(pieces.text.size() + pieces.spans.size());
  for (Span& span : pieces.spans) {
    const size_t begin = text.size();
    const std::string_view piece = pieces.piece(span);
    if (!piece.starts_with(' ')) text += ' ';
    text += piece;
    span = {begin, text.size()};
  }
  pieces.text = std::move(text);
}

void PreTokenizer::Session::run(const Metaspace& step, Pieces& pieces) {
  const bool origin = first_at_origin(pieces);
  std::string text;
  text.reserve(pieces.text.size() * 2);
  spans_.clear();
  std::string piece;
  for (size_t i = 0; i < pieces.spans.size(); ++i) {
    piece.clear();
    for (const char c : pieces.piece(pieces.spans[i])) {
      if (c == ' ') {
        piece += step.replacement;
      } else {
        piece += c;
      }
    }
    const bool wanted = step.prepend == Metaspace::Prepend::always ||
                        (step.prepend == Metaspace::Prepend::first && origin && i == 0);
    if (wanted && !piece.starts_with(step.replacement)) piece.insert(0, step.replacement);
    const size_t base = text.size();
    text += piece;
    if (!step.split) {
      append_span(spans_, {base, text.size()});
      continue;
    }
    const Matcher matcher = Matcher::of_text(step.replacement);
    Matcher::Cursor(matcher).cut(piece, cuts_);
    append_joined_next(spans_, cuts_, base);
  }
  pieces.text = std::move(text);
  pieces.spans.swap(spans_);
  pieces.at_origin = origin;
}

void PreTokenizer::Session::run(const FixedLength& step, Pieces& pieces) {
  std::vector<Span> spans;
  for (const Span& span : pieces.spans) {
    size_t begin = span.begin;
    int64_t count = 0;
    for (size_t at = span.begin; at < span.end;) {
      at += unicode::char_bytes(pieces.text[at]);
      if (++count < step.characters && at < span.end) continue;
      spans.push_back({begin, at});
      begin = at;
      count = 0;
    }
  }
  pieces.spans = std::move(spans);
}

// A piece ends where the script changes. Characters of no script go with what stands before them;
// where nothing does, the original drops them.
void PreTokenizer::Session::run(const Scripts&, Pieces& pieces) {
  std::vector<Span> spans;
  for (const Span& span : pieces.spans) {
    size_t begin = span.end;
    uint16_t last = 0;
    for (size_t at = span.begin; at < span.end;) {
      const auto c = unicode::char_at(pieces.text, at);
      const uint16_t script = unicode::script_of(c.code);
      if (script != 0 && script != last) {
        if (last != 0) append_span(spans, {begin, at});
        begin = at;
        last = script;
      }
      at += c.bytes;
    }
    append_span(spans, {begin, span.end});
  }
  pieces.spans = std::move(spans);
}

}  // namespace octavo::tokenizer
