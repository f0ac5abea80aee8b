#include "cache/sha256.h"

#include <openssl/evp.h>

#include "base/check.h"

namespace octavo {

void Sha256::Free::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  OCTAVO_CHECK(context_ != nullptr && EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256::add(const void* data, size_t bytes) {
  OCTAVO_CHECK(EVP_DigestUpdate(context_.get(), data, bytes));
}

void Sha256::add_number(uint64_t value, int bytes) {
  uint8_t out[8];
  for (int i = 0; i < bytes; ++i) out[i] = static_cast<uint8_t>(value >> (8 * i));
  add(out, bytes);
}

Digest Sha256::finish() {
  Digest digest;
  OCTAVO_CHECK(EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr));
  OCTAVO_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
  return digest;
}

}  // namespace octavo
