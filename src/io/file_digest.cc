#include "io/file_digest.h"

#include <openssl/evp.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "base/check.h"
#include "base/file.h"

namespace octavo {
namespace {

constexpr uint64_t kPieceBytes = uint64_t{1} << 20;

std::string digest(const std::filesystem::path& path, const EVP_MD* kind, bool git) {
  const File file(path);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        EVP_MD_CTX_free);
  OCTAVO_CHECK(context != nullptr && EVP_DigestInit_ex(context.get(), kind, nullptr) == 1);
  const std::string head = "blob " + std::to_string(file.size_bytes());
  if (git) EVP_DigestUpdate(context.get(), head.c_str(), head.size() + 1);
  std::vector<std::byte> piece;
  for (uint64_t at = 0; at < file.size_bytes(); at += piece.size()) {
    piece.resize(std::min(kPieceBytes, file.size_bytes() - at));
    file.read(at, piece);
    EVP_DigestUpdate(context.get(), piece.data(), piece.size());
  }
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned int bytes = 0;
  OCTAVO_CHECK(EVP_DigestFinal_ex(context.get(), raw, &bytes) == 1);
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (unsigned int i = 0; i < bytes; ++i) {
    text += kDigits[raw[i] >> 4];
    text += kDigits[raw[i] & 15];
  }
  return text;
}

}  // namespace

std::string sha256_of(const std::filesystem::path& path) {
  return digest(path, EVP_sha256(), false);
}

std::string git_blob_id_of(const std::filesystem::path& path) {
  return digest(path, EVP_sha1(), true);
}

}  // namespace octavo
