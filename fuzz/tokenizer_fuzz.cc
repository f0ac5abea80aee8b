// A hostile tokenizer.json: it loads or is refused with an Error, and what loads can be used.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "octavo/error.h"
#include "octavo/tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using octavo::Tokenizer;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const Tokenizer tokenizer = Tokenizer::from_json(bytes, "fuzz");
    for (const std::string_view text :
         {std::string_view("Hello  w\u00F6rld's <s> 123\n\u4E2D\u6587 e\u0301"),
          bytes.substr(0, 2000)}) {
      auto ids = tokenizer.encode(text, Tokenizer::Specials::add);
      (void)tokenizer.encode(text, Tokenizer::Specials::none, Tokenizer::InText::as_text);
      ids.push_back(static_cast<octavo::TokenId>(size));
      (void)tokenizer.decode(ids, Tokenizer::InOutput::skip_special);
      octavo::Detokenizer detokenizer(tokenizer, Tokenizer::InOutput::keep_special);
      for (const octavo::TokenId id : ids) {
        (void)detokenizer.push(id);
        (void)tokenizer.token_bytes(id);
      }
      (void)detokenizer.flush();
    }
  } catch (const octavo::Error&) {
  }
  return 0;
}
