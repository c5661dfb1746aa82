#include "upload/jwt.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <memory>
#include <nlohmann/json.hpp>

#include "upload/digest.h"

namespace sluice::upload {
namespace {

template <auto Free>
struct Freed {
  template <class T>
  void operator()(T* object) const {
    Free(object);
  }
};

// RSA with PKCS#1 v1.5 padding over SHA-256; empty when the key is no RSA key in PEM.
std::string rs256(const std::string& pem, std::string_view text) {
  const std::unique_ptr<BIO, Freed<BIO_free>> bio(BIO_new_mem_buf(pem.data(), int(pem.size())));
  if (!bio) return {};
  const std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, const_cast<char*>("")));
  if (!key || EVP_PKEY_base_id(key.get()) != EVP_PKEY_RSA) return {};
  const std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  const auto* bytes = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t size = 0;
  if (!context ||
      EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, text.size()) != 1) {
    return {};
  }
  std::string signature(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &size,
                     bytes, text.size()) != 1) {
    return {};
  }
  signature.resize(size);
  return signature;
}

}  // namespace

Result<std::string> signed_jwt(const ServiceAccount& account, std::string_view scope, i64 now) {
  const nlohmann::json header = {{"alg", "RS256"}, {"typ", "JWT"}, {"kid", account.key_id}};
  const nlohmann::json claims = {{"iss", account.email},
                                 {"scope", scope},
                                 {"aud", account.token_uri},
                                 {"iat", now},
                                 {"exp", now + 3600}};
  const std::string text = base64_url(header.dump()) + '.' + base64_url(claims.dump());
  const std::string signature = rs256(account.private_key, text);
  if (signature.empty()) {
    return Status(ErrorClass::kDisableSink,
                  "the private_key of the service account is no RSA key in PEM");
  }
  return text + '.' + base64_url(signature);
}

}  // namespace sluice::upload
