// Signatures against the examples in the documentation of AWS, and the texts around them.
#include "upload/sigv4.h"

#include <gtest/gtest.h>

#include "upload/digest.h"
#include "upload/s3_credentials.h"
#include "upload/url_text.h"

namespace sluice::upload {
namespace {

const S3Keys kKeys{"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", ""};
constexpr const char* kDate = "20130524T000000Z";

std::string signature(const Signing& request, const S3Keys& keys = kKeys) {
  const std::string authorization = sigv4_headers(request, keys, "us-east-1", kDate).back();
  return authorization.substr(authorization.find("Signature=") + 10);
}

Signing get(const std::string& path) {
  return {.method = "GET",
          .host = "examplebucket.s3.amazonaws.com",
          .path = path,
          .payload_sha256 = hex(sha256(""))};
}

TEST(Sigv4, SignsAsTheExamplesOfAws) {
  Signing object = get("/test.txt");
  object.headers = {{"Range", "bytes=0-9"}};
  EXPECT_EQ(signature(object), "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
  Signing put = get("/test%24file.text");
  put.method = "PUT";
  put.headers = {{"date", "Fri, 24 May 2013 00:00:00 GMT"},
                 {"x-amz-storage-class", "REDUCED_REDUNDANCY"}};
  put.payload_sha256 = hex(sha256("Welcome to Amazon S3."));
  EXPECT_EQ(signature(put), "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd");
  Signing lifecycle = get("/");
  lifecycle.query = {{"lifecycle", ""}};
  EXPECT_EQ(signature(lifecycle),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543");
  Signing list = get("/");
  list.query = {{"prefix", "J"}, {"max-keys", "2"}};
  EXPECT_EQ(signature(list), "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7");
}

// Against a value that was computed apart from this code, by the rules in Google's documentation.
TEST(Sigv4, SignsAsGoogleHasIt) {
  const Signing put{.method = "PUT",
                    .host = "storage.googleapis.com",
                    .path = "/bucket/a%20b.log",
                    .headers = {{"x-goog-if-generation-match", "0"}},
                    .payload_sha256 = hex(sha256(""))};
  const auto headers = sigv4_headers(put, kKeys, "auto", kDate, kGoogle);
  EXPECT_EQ(
      headers.back(),
      "authorization: GOOG4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/auto/storage/"
      "goog4_request,SignedHeaders=host;x-goog-content-sha256;x-goog-date;"
      "x-goog-if-generation-match,Signature="
      "66845a18f2d159de3db85ccff3fa550d07de93984ff989a96f93c23a4d433908");
  for (const std::string& header : headers) EXPECT_FALSE(header.starts_with("x-amz-")) << header;
}

TEST(Sigv4, ChangesWithEveryPart) {
  Signing object = get("/test.txt");
  const std::string before = signature(object);
  for (std::string Signing::*part :
       {&Signing::method, &Signing::host, &Signing::path, &Signing::payload_sha256}) {
    Signing other = object;
    other.*part += 'x';
    EXPECT_NE(signature(other), before);
  }
  EXPECT_NE(signature(object, {kKeys.id, "other", ""}), before);
  EXPECT_NE(signature(object, {kKeys.id, kKeys.secret, "session"}), before);
}

TEST(Sigv4, NeverSendsTheSecret) {
  for (const std::string& header : sigv4_headers(get("/x"), kKeys, "us-east-1", kDate)) {
    EXPECT_EQ(header.find(kKeys.secret), std::string::npos);
  }
}

TEST(Sigv4, WritesDates) {
  EXPECT_EQ(amz_date(0), "19700101T000000Z");
  EXPECT_EQ(amz_date(951782399), "20000228T235959Z");
  EXPECT_EQ(amz_date(951782400), "20000229T000000Z");
  EXPECT_EQ(amz_date(1369353600), kDate);
  EXPECT_EQ(amz_date(4102444799), "20991231T235959Z");
}

TEST(Sigv4, SortsQueries) {
  EXPECT_EQ(canonical_query({{"b", "1 2"}, {"a", "/"}, {"a-", ""}}), "a=%2F&a-=&b=1%202");
  EXPECT_EQ(canonical_query({}), "");
}

TEST(Digests, AreTheKnownOnes) {
  EXPECT_EQ(hex(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(hex(md5("abc")), "900150983cd24fb0d6963f7d28e17f72");
  EXPECT_EQ(hex(hmac_sha256("key", "The quick brown fox jumps over the lazy dog")),
            "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
  EXPECT_EQ(crc32c_text(0xE3069283), "4waSgw==");
  EXPECT_EQ(base64(""), "");
  EXPECT_EQ(base64("a"), "YQ==");
  EXPECT_EQ(base64_url("\xfb\xff"), "-_8");
  EXPECT_EQ(from_hex("00fF"), std::string("\0\xff", 2));
  EXPECT_FALSE(from_hex("0"));
  EXPECT_FALSE(from_hex("0g"));
  EXPECT_FALSE(digests_of([](void*, std::size_t, u64) { return i64{-EIO}; }, 0, 1, 0).ok());
}

TEST(UrlText, EncodesAndTakesApart) {
  EXPECT_EQ(url_encoded("a/b c+\xff~"), "a%2Fb%20c%2B%FF~");
  EXPECT_EQ(url_encoded("a/b", true), "a/b");
  const auto parts = url_parts("S3://my.bucket:80/x/y?z");
  ASSERT_TRUE(parts);
  EXPECT_EQ(parts->scheme, "s3");
  EXPECT_EQ(parts->authority, "my.bucket:80");
  EXPECT_EQ(parts->host, "my.bucket");
  EXPECT_EQ(parts->rest, "/x/y?z");
  EXPECT_EQ(url_parts("http://[::1]:9/")->host, "[::1]");
  for (const char* wrong : {"", "x", "://x", "http://", "http:///x", "http://a@b/", "http://a b/",
                            "http://a\n/", "http://[::1/", "http://:9/", "http://\xc3\xa4/"}) {
    EXPECT_FALSE(url_parts(wrong)) << wrong;
  }
  EXPECT_EQ(endpoint_url("127.0.0.1:9", "http"), "http://127.0.0.1:9");
  EXPECT_EQ(endpoint_url("https://h/", "http"), "https://h");
  EXPECT_FALSE(endpoint_url("ftp://h", "http"));
  EXPECT_FALSE(endpoint_url("http://h/path", "http"));
  EXPECT_TRUE(is_loopback("[::1]"));
  EXPECT_FALSE(is_loopback("127.0.0.1.example.com"));
}

TEST(S3Keys, AreReadFromIniFiles) {
  IniFile file = parse_ini(
      "stray = 1\n# no\n[default]\r\naws_access_key_id = A\r\naws_secret_access_key=B=C\n"
      ";x\n[ profile  dev ]\nregion = eu-west-1\n[broken\nregion = x\nno equals\n[last]\na=b");
  EXPECT_EQ(file["default"]["aws_access_key_id"], "A");
  EXPECT_EQ(file["default"]["aws_secret_access_key"], "B=C");
  EXPECT_EQ(file["dev"]["region"], "x");  // a line that opens no section belongs to the one before
  EXPECT_EQ(file["last"]["a"], "b");
  EXPECT_FALSE(file.contains(""));
}

TEST(S3Keys, AreReadFromAMetadataServer) {
  const auto lease = parse_s3_lease(
      R"({"AccessKeyId":"A","SecretAccessKey":"S","Token":"T","Expiration":"2013-05-24T00:00:00Z"})");
  ASSERT_TRUE(lease.ok());
  EXPECT_EQ(lease.value().keys.session, "T");
  EXPECT_EQ(lease.value().expires, 1369353600);
  for (const char* wrong :
       {"", "[]", "{}", R"({"AccessKeyId":1,"SecretAccessKey":"S"})", "{\"a\":"}) {
    EXPECT_FALSE(parse_s3_lease(wrong).ok()) << wrong;
  }
}

}  // namespace
}  // namespace sluice::upload
