#include "quant/calibration.h"

#include <algorithm>
#include <numeric>

#include "base/json.h"
#include "model/companions.h"
#include "octavo/error.h"
#include "octavo/tokenizer.h"
#include "quant/calibration_source.h"

namespace octavo::quant {
namespace {

namespace fs = std::filesystem;

using Sampling = CalibrationRequest::Sampling;

constexpr int64_t kMaxSeqLen = int64_t{1} << 20, kMaxTokens = int64_t{1} << 30;
// No tokenizer makes longer tokens of usual text; only then may a cut show.
constexpr int64_t kBytesAToken = 64;
constexpr uint64_t kOtherFieldsBytes = uint64_t{64} << 20;  // of lines, beside their text
// Of a long document's text, for a part of some tokens.
constexpr int64_t kUsualBytesAToken = 8;

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n\f\v");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n\f\v") - first + 1);
}

// Tokenizes documents; the model's tokenizer and template are read when the first one needs them.
class Reader {
 public:
  Reader(const DocumentIndex& index, fs::path model, int64_t vocab)
      : index_(index), model_(std::move(model)), vocab_(vocab) {}

  bool is_ids(const Document& document) const {
    return index_.form(document) == DocumentIndex::Form::lines && ids_of(parse(document));
  }

  std::vector<TokenId> ids(const Document& document) const {
    const Json line = parse(document);
    const Json* ids = ids_of(line);
    if (ids == nullptr) fail(document, "no \"ids\", as other lines have", "use one kind of line");
    std::vector<TokenId> out;
    out.reserve(ids->size());
    for (const Json& id : *ids) {
      const bool whole = id.is_number_integer() && id.is_number_unsigned();
      if (!whole || id.get<uint64_t>() >= static_cast<uint64_t>(vocab_))
        fail(document,
             "id " + to_line(id).substr(0, 40) + " is none of a vocabulary of " +
                 std::to_string(vocab_),
             "use ids of this model's tokenizer");
      out.push_back(id.get<TokenId>());
    }
    if (out.empty()) fail(document, "no ids", "leave the line out");
    return out;
  }

  // Tokens of a text or conversation. `part`: at most so many from a place that `draw` chooses;
  // without it, from the beginning and at least `most` where there are as many.
  std::vector<TokenId> tokens(const Document& document, int64_t most, Draw* draw) {
    return index_.form(document) == DocumentIndex::Form::lines ? line_tokens(document, most, draw)
                                                               : text_tokens(document, most, draw);
  }

 private:
  [[noreturn]] void fail(const Document& document, const std::string& problem,
                         const std::string& mend) const {
    throw Error(problem, index_.where(document), mend);
  }

  Json parse(const Document& document) const {
    Json line = parse_json(trimmed(index_.read(document)), index_.where(document));
    if (!line.is_object()) fail(document, "no JSON object", "write {\"text\": \"...\"}");
    return line;
  }

  static const Json* ids_of(const Json& line) {
    for (const char* key : {"ids", "input_ids"}) {
      const auto found = line.find(key);
      if (found != line.end() && found->is_array()) return &*found;
    }
    return nullptr;
  }

  std::vector<TokenId> line_tokens(const Document& document, int64_t most, Draw* draw) {
    const Json line = parse(document);
    if (const auto text = line.find("text"); text != line.end() && text->is_string()) {
      const auto value = text->get<std::string>();
      return encode(document, part(trimmed(value), most, draw), Tokenizer::Specials::add, most);
    }
    if (const auto found = line.find("messages"); found != line.end() && found->is_array())
      return encode(document, rendered(document, line), Tokenizer::Specials::none, most);
    if (ids_of(line) != nullptr)
      fail(document, "\"ids\" among lines of text", "use one kind of line");
    fail(document, "none of \"text\", \"messages\" and \"ids\"", "write {\"text\": \"...\"}");
  }

  std::vector<TokenId> text_tokens(const Document& document, int64_t most, Draw* draw) {
    // A piece further down a file read in order is no beginning.
    const bool begins = draw != nullptr || document.offset == 0;
    const std::string text = index_.read(document);
    return encode(document, part(text, most, draw),
                  begins ? Tokenizer::Specials::add : Tokenizer::Specials::none, most);
  }

  // Bytes of `text` that hold `most` tokens, from the beginning or from the start of a word.
  static std::string_view part(std::string_view text, int64_t most, Draw* draw) {
    const auto wanted =
        static_cast<size_t>(most * (draw != nullptr ? kUsualBytesAToken : kBytesAToken));
    if (text.size() <= wanted) return text;
    size_t begin = draw != nullptr ? draw->below(text.size() - wanted + 1) : 0;
    if (begin > 0) begin = std::min(text.find_first_of(" \n", begin), text.size() - wanted);
    size_t end = begin + wanted;
    const auto inside = [&](size_t at) {
      return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
    };
    while (begin > 0 && inside(begin)) --begin;
    while (inside(end)) ++end;
    return text.substr(begin, end - begin);
  }

  std::string rendered(const Document& document, const Json& line) {
    if (!templates_) templates_ = read_templates(model_);
    Json context = line;
    context["add_generation_prompt"] = false;
    templates_->add_tokens(context);
    const bool tools = context.contains("tools") && !context["tools"].is_null();
    const ChatTemplate* chat = templates_->pick(tools);
    if (chat == nullptr)
      fail(document, "\"messages\", and the model has no chat template", "use lines of \"text\"");
    try {
      return chat->render(context);
    } catch (const TemplateError& error) {
      fail(document, std::string("the chat template refuses the conversation: ") + error.what(),
           "correct the line or leave it out");
    }
  }

  std::vector<TokenId> encode(const Document& document, std::string_view text,
                              Tokenizer::Specials specials, int64_t most) {
    if (!tokenizer_) tokenizer_ = read_tokenizer(model_);
    std::vector<TokenId> ids = tokenizer_->encode(text, specials);
    if (static_cast<int64_t>(ids.size()) > most) ids.resize(static_cast<size_t>(most));
    for (const TokenId id : ids) {
      if (id >= vocab_)
        fail(document,
             "the tokenizer makes id " + std::to_string(id) + " of it, the model has " +
                 std::to_string(vocab_),
             "give the model its own tokenizer files");
    }
    return ids;
  }

  const DocumentIndex& index_;
  fs::path model_;
  int64_t vocab_;
  std::optional<Tokenizer> tokenizer_;
  std::optional<ModelTemplates> templates_;
};

void check(const CalibrationRequest& request) {
  const int64_t samples = request.samples.value_or(CalibrationRequest::kDefaultSamples);
  if (request.seq_len < 1 || request.seq_len > kMaxSeqLen)
    throw Error("no length of a sample", "--seq-len",
                "use " + std::to_string(std::clamp<int64_t>(request.seq_len, 1, kMaxSeqLen)));
  const int64_t most = kMaxTokens / request.seq_len;
  if (samples < 1 || samples > most)
    throw Error(std::to_string(samples) + " samples cannot be taken", "--samples",
                "use " + std::to_string(std::clamp<int64_t>(samples, 1, most)));
}

// Fills samples from documents in their order.
class Collector {
 public:
  Collector(const CalibrationRequest& request, Reader& reader)
      : request_(request),
        reader_(reader),
        samples_(request.samples.value_or(CalibrationRequest::kDefaultSamples)) {}

  void take_ids(const std::vector<Document>& documents, Calibration& out) {
    for (const Document& document : documents) {
      if (static_cast<int64_t>(out.samples.size()) == samples_) return;
      std::vector<TokenId> ids = reader_.ids(document);
      if (static_cast<int64_t>(ids.size()) > request_.seq_len)
        ids.resize(static_cast<size_t>(request_.seq_len));
      out.samples.push_back(std::move(ids));
      ++out.documents;
    }
  }

  // Returns the tokens that there were. A long document gives a part, unless that is not enough.
  int64_t take_texts(const std::vector<Document>& documents, Calibration& out) {
    const int64_t wanted = samples_ * request_.seq_len;
    const auto count = static_cast<int64_t>(documents.size());
    const bool random = request_.sampling == Sampling::random;
    const int64_t share = std::max(request_.seq_len, 2 * wanted / std::max<int64_t>(1, count));
    std::vector<TokenId> stream = join(documents, wanted, random ? share : wanted, out);
    if (random && static_cast<int64_t>(stream.size()) < wanted && share < wanted)
      stream = join(documents, wanted, wanted, out);
    const auto length = static_cast<size_t>(request_.seq_len);
    for (size_t at = 0; at + length <= stream.size(); at += length)
      out.samples.emplace_back(stream.begin() + static_cast<std::ptrdiff_t>(at),
                               stream.begin() + static_cast<std::ptrdiff_t>(at + length));
    return static_cast<int64_t>(stream.size());
  }

  int64_t samples() const { return samples_; }

 private:
  std::vector<TokenId> join(const std::vector<Document>& documents, int64_t wanted, int64_t share,
                            Calibration& out) {
    Draw draw(request_.seed + 1);
    const bool random = request_.sampling == Sampling::random;
    std::vector<TokenId> stream;
    out.documents = 0;
    for (const Document& document : documents) {
      const int64_t left = wanted - static_cast<int64_t>(stream.size());
      if (left <= 0) break;
      const auto ids = reader_.tokens(document, std::min(left, share), random ? &draw : nullptr);
      stream.insert(stream.end(), ids.begin(), ids.end());
      out.documents += !ids.empty();
    }
    return stream;
  }

  const CalibrationRequest& request_;
  Reader& reader_;
  int64_t samples_;
};

// The largest power of two that `tokens` still hold.
int64_t shorter_length(int64_t tokens) {
  int64_t length = 1;
  while (2 * length <= tokens) length *= 2;
  return length;
}

void check_enough(const CalibrationRequest& request, const Calibration& made, int64_t tokens) {
  const auto count = static_cast<int64_t>(made.samples.size());
  const int64_t wanted = request.samples.value_or(1);
  if (count >= wanted) return;
  const std::string needed = std::to_string(wanted * request.seq_len);
  std::string mend = "give more text";
  if (count > 0)
    mend += ", or use --samples " + std::to_string(count);
  else if (tokens > 0)
    mend += ", or use --seq-len " + std::to_string(shorter_length(tokens)) + " --samples 1";
  throw Error("only " + std::to_string(tokens) + " tokens to calibrate with, " +
                  std::to_string(wanted) + " samples of " + std::to_string(request.seq_len) +
                  " need " + needed,
              made.source, mend);
}

}  // namespace

int64_t Calibration::tokens() const {
  return std::accumulate(samples.begin(), samples.end(), int64_t{0},
                         [](int64_t sum, const std::vector<TokenId>& ids) {
                           return sum + static_cast<int64_t>(ids.size());
                         });
}

Calibration read_calibration(const CalibrationRequest& request, const fs::path& model,
                             int64_t vocab) {
  check(request);
  const bool random = request.sampling == Sampling::random;
  IndexLimits limits{.keep = random ? IndexLimits::Keep::sample : IndexLimits::Keep::first,
                     .seed = request.seed};
  const int64_t samples = request.samples.value_or(CalibrationRequest::kDefaultSamples);
  if (!random) {
    limits.enough_bytes =
        static_cast<uint64_t>(samples * request.seq_len * kBytesAToken) + kOtherFieldsBytes;
    limits.enough_documents = static_cast<size_t>(samples);
  }
  const CalibrationSource source = CalibrationSource::open(request, model, limits);
  std::vector<Document> documents = source.index.documents();
  if (random) Draw(request.seed).shuffle(std::span(documents));
  Calibration made{.samples = {}, .source = source.name};
  Reader reader(source.index, model, vocab);
  Collector collector(request, reader);
  if (!documents.empty() && reader.is_ids(documents.front())) {
    collector.take_ids(documents, made);
    check_enough(request, made, made.tokens());
    return made;
  }
  check_enough(request, made, collector.take_texts(documents, made));
  return made;
}

}  // namespace octavo::quant
