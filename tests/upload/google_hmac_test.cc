// sanitizers: address
// Google's XML interface with HMAC keys: the shape of the requests, against what its documentation
// says. No server of Google's is asked: what it does with them is not proved here.
#include <gtest/gtest.h>

#include <map>

#include "base/crc32c.h"
#include "upload/digest.h"
#include "upload/http_server.h"
#include "upload/open_bucket.h"
#include "upload/sigv4.h"
#include "upload/source_file.h"

namespace sluice::upload {
namespace {

constexpr char kId[] = "GOOG1EXAMPLE";
constexpr char kSecret[] = "a secret of the tests";

// As far as uploads need it. Every request must be signed, and have no header of Amazon's.
class XmlFake {
 public:
  struct Object {
    std::string bytes;
    std::map<std::string, std::string> headers;
  };

  std::string answer(const Seen& seen) {
    if (!is_signed(seen)) return http_answer("403 Forbidden", error("SignatureDoesNotMatch"));
    const auto at = objects.find(seen.target);
    if (seen.method == "HEAD") {
      if (at == objects.end()) return http_answer("404 Not Found");
      std::string headers = "x-goog-hash: crc32c=" + crc_of(at->second.bytes) +
                            "\r\nx-goog-hash: md5=" + base64(md5(at->second.bytes)) + "\r\n";
      for (const auto& [name, value] : at->second.headers) headers += name + ": " + value + "\r\n";
      return "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(at->second.bytes.size()) +
             "\r\nConnection: close\r\n" + headers + "\r\n";
    }
    if (seen.method != "PUT" || seen.target.find('?') != std::string::npos) {
      return http_answer("400 Bad Request", error("NotKnownHere"));
    }
    if (seen.header("x-goog-hash") != "crc32c=" + crc_of(seen.body)) {
      return http_answer("400 Bad Request", error("BadDigest"));
    }
    if (at != objects.end() && seen.header("x-goog-if-generation-match") == "0") {
      return http_answer("412 Precondition Failed", error("PreconditionFailed"));
    }
    Object& object = objects[seen.target];
    object.bytes = seen.body;
    for (const char* name : {"content-type", "x-goog-meta-sluice-unpacked-bytes",
                             "x-goog-meta-sluice-unpacked-crc32c", "x-goog-meta-sluice-crc32c"}) {
      if (!seen.header(name).empty()) object.headers[name] = seen.header(name);
    }
    return http_answer("200 OK");
  }

  std::map<std::string, Object> objects;  // by "/bucket/name", encoded

 private:
  static std::string error(const std::string& code) {
    return "<?xml version='1.0'?><Error><Code>" + code + "</Code></Error>";
  }
  static std::string crc_of(const std::string& bytes) {
    return crc32c_text(crc32c(bytes.data(), bytes.size()));
  }

  // Signs again what was sent.
  static bool is_signed(const Seen& seen) {
    if (seen.head.find("\r\nx-amz-") != std::string::npos) return false;
    if (seen.header("x-goog-content-sha256") != hex(sha256(seen.body))) return false;
    Signing signing{.method = seen.method,
                    .host = seen.header("host"),
                    .path = seen.target,
                    .payload_sha256 = seen.header("x-goog-content-sha256")};
    const std::string given = seen.header("authorization");
    const std::size_t begin = given.find("SignedHeaders=") + 14;
    std::string names = given.substr(begin, given.find(',', begin) - begin) + ";";
    for (std::size_t end; (end = names.find(';')) != std::string::npos; names.erase(0, end + 1)) {
      const std::string name = names.substr(0, end);
      const bool own = name == "host" || name == "x-goog-date" || name == "x-goog-content-sha256";
      if (!own) signing.headers.emplace_back(name, seen.header(name));
    }
    const auto again =
        sigv4_headers(signing, {kId, kSecret, ""}, "auto", seen.header("x-goog-date"), kGoogle);
    return given.starts_with("GOOG4-HMAC-SHA256 ") && again.back() == "authorization: " + given;
  }
};

class GoogleHmac : public ::testing::Test {
 protected:
  GoogleHmac() : server_([this](const Seen& seen) { return fake_.answer(seen); }) {
    ::setenv("AWS_ACCESS_KEY_ID", kId, 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", kSecret, 1);
    ::setenv("AWS_REGION", "eu-west-1", 1);  // of somewhere else
    for (const char* name : {"AWS_SESSION_TOKEN", "STORAGE_EMULATOR_HOST"}) ::unsetenv(name);
  }
  std::unique_ptr<Bucket> bucket() {
    auto opened = open_bucket("gs://bucket", {.part_bytes = 1000,
                                              .timeout_ms = 5000,
                                              .endpoint = server_.url(),
                                              .ca_file = {},
                                              .google_hmac = true});
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    return std::move(opened.value());
  }
  int outcome(const Attempt& attempt) { return int(attempt.outcome); }

  XmlFake fake_;
  HttpServer server_;
  Told told_;
};

constexpr int kStored = int(Outcome::kStored), kExists = int(Outcome::kExists);

TEST_F(GoogleHmac, CreatesAnObjectInOneRequestWhateverItsSize) {
  for (const std::size_t size : {0UL, 10UL, 9000UL}) {  // the last has nine parts' bytes
    const std::string name = "dir/a b " + std::to_string(size);
    const SourceFile file(size), other(size + 1);
    const Attempt put = bucket()->put(name, file.source(), "", told_.progress());
    EXPECT_EQ(outcome(put), kStored) << put.why;
    EXPECT_EQ(told_.kept(), 0);
    const auto at = fake_.objects.find("/bucket/dir/a%20b%20" + std::to_string(size));
    ASSERT_NE(at, fake_.objects.end());
    EXPECT_EQ(at->second.bytes, file.bytes());
    EXPECT_EQ(outcome(*bucket()->same(name, file.source())), kStored);
    EXPECT_EQ(outcome(bucket()->put(name, other.source(), "", told_.progress())), kExists);
    EXPECT_EQ(at->second.bytes, file.bytes());
  }
  EXPECT_FALSE(bucket()->same("none", SourceFile(1).source()));
}

// After we looked: only the condition in the request can tell.
TEST_F(GoogleHmac, NeverReplacesWhatCameMeanwhile) {
  const SourceFile ours(100);
  server_.set_faults([this](const Seen& seen) {
    if (seen.method == "PUT") fake_.objects["/bucket/o"] = {"theirs", {}};
    return Fault{};
  });
  EXPECT_EQ(outcome(bucket()->put("o", ours.source(), "", told_.progress())), kExists);
  EXPECT_EQ(fake_.objects["/bucket/o"].bytes, "theirs");
}

TEST_F(GoogleHmac, CompressedObjectsSayWhatIsInThem) {
  const SourceFile file(5000);
  const Source gzip = file.packed(UploadCompression::gzip);
  EXPECT_EQ(outcome(bucket()->put("o", gzip, "", told_.progress())), kStored);
  EXPECT_EQ(fake_.objects["/bucket/o"].headers["content-type"], "application/gzip");
  EXPECT_EQ(fake_.objects["/bucket/o"].headers["x-goog-meta-sluice-unpacked-bytes"], "5000");
  EXPECT_EQ(outcome(*bucket()->same("o", file.packed(UploadCompression::zstd))), kStored);
  EXPECT_EQ(outcome(*bucket()->same("o", file.source())), kExists);
}

// The fake itself: it takes nothing that is signed otherwise.
TEST_F(GoogleHmac, TheFakeRefusesOtherSignatures) {
  const SourceFile file(10);
  ::setenv("AWS_SECRET_ACCESS_KEY", "another", 1);
  EXPECT_EQ(bucket()->put("o", file.source(), "", told_.progress()).outcome, Outcome::kRefused);
  ::setenv("AWS_SECRET_ACCESS_KEY", kSecret, 1);
  auto amazon = open_bucket("s3://bucket", {.endpoint = server_.url(), .ca_file = {}});
  EXPECT_EQ(amazon.value()->put("o", file.source(), "", told_.progress()).outcome,
            Outcome::kRefused);
  EXPECT_TRUE(fake_.objects.empty());
}

}  // namespace
}  // namespace sluice::upload
