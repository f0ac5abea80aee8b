// How fast a tokenizer loads and encodes on one thread, in CPU seconds, so that other work on the
// machine counts little. tokenizers_against_wheel.py drives it beside the PyPI wheel.
//
//   tokenizer_bench MODEL TEXT_FILE   prints {"load_s": ..., "encode_s": ..., "tokens": ...}
//
// TEXT_FILE is encoded in documents as long as tokenizers_against_wheel.py makes them: at the first
// line end after kDocumentBytes.
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "octavo/error.h"
#include "octavo/tokenizer.h"

namespace {

constexpr size_t kDocumentBytes = 4000;

double cpu_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

std::vector<std::string_view> documents_of(std::string_view text) {
  std::vector<std::string_view> documents;
  while (!text.empty()) {
    const size_t end = text.find('\n', std::min(kDocumentBytes, text.size() - 1));
    const size_t bytes = end == text.npos ? text.size() : end + 1;
    documents.push_back(text.substr(0, bytes));
    text.remove_prefix(bytes);
  }
  return documents;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {  // also when all benchmarks are run one after the other
    std::puts("tokenizer_bench: give MODEL TEXT_FILE, or run bench/tokenizers_against_wheel.py");
    return 0;
  }
  try {
    std::stringstream file;
    file << std::ifstream(argv[2], std::ios::binary).rdbuf();
    const std::string text = file.str();
    const double begin = cpu_seconds();
    const octavo::Tokenizer tokenizer = octavo::Tokenizer::load(argv[1]);
    const double loaded = cpu_seconds();
    size_t tokens = 0;
    for (const std::string_view document : documents_of(text)) {
      tokens += tokenizer.encode(document).size();
    }
    std::printf("{\"load_s\": %.4f, \"encode_s\": %.4f, \"tokens\": %zu}\n", loaded - begin,
                cpu_seconds() - loaded, tokens);
  } catch (const octavo::Error& error) {
    std::fprintf(stderr, "tokenizer_bench: %s\n", error.what());
    return 2;
  }
  return 0;
}
