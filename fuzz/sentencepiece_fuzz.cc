// A hostile tokenizer.model: it is refused with an Error or can be used, and what is decoded piece
// by piece is what the library decodes at once.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "octavo/error.h"
#include "text/tokenizer/sentencepiece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using octavo::tokenizer::SentencePiece;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const SentencePiece model = SentencePiece::parse(bytes, "fuzz");
    for (const auto prefix : {SentencePiece::Prefix::as_trained, SentencePiece::Prefix::none}) {
      std::vector<octavo::TokenId> ids;
      model.encode("Hello  w\u00F6rld's <s> 123\n\u4E2D\u6587 e\u0301 \uFB01 the red stone", prefix,
                   ids);
      const std::string text = model.decode(ids);
      SentencePiece::Stream stream(model);
      std::string joined;
      for (const octavo::TokenId id : ids) {
        joined += stream.push(id);
        (void)model.bytes_of(id);
      }
      joined += stream.flush();
      OCTAVO_CHECK(model.has_denormalizer() || joined == text);
    }
  } catch (const octavo::Error&) {
  }
  return 0;
}
