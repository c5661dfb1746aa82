// sanitizers: address
// Tokens for Google Cloud Storage: where they come from, and to whom they go.
#include "upload/gcs_credentials.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "os/process.h"
#include "upload/digest.h"
#include "upload/gcs_fake.h"
#include "upload/open_bucket.h"
#include "upload/source_file.h"
#include "upload/test_certificate.h"

namespace sluice::upload {
namespace {

#define EXPECT_OUTCOME(attempt, expected) \
  EXPECT_EQ(int((attempt).outcome), int(Outcome::expected)) << (attempt).why

class GcsCredentialsTest : public ::testing::Test {
 protected:
  GcsCredentialsTest()
      : fake_("token-2"),
        server_([this](const Seen& seen) { return fake_.answer(seen); }, certificate().server()),
        tokens_([this](const Seen& seen) { return token(seen); }) {
    char folder[] = "/tmp/sluice_gcs_XXXXXX";
    folder_ = ::mkdtemp(folder);
    ::setenv("HOME", folder_.c_str(), 1);
    for (const char* name :
         {"GOOGLE_OAUTH_ACCESS_TOKEN", "GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_CONFIG",
          "STORAGE_EMULATOR_HOST", "CLOUD_STORAGE_EMULATOR_ENDPOINT"}) {
      ::unsetenv(name);
    }
    ::setenv("GCE_METADATA_HOST", tokens_.url().substr(7).c_str(), 1);
    std::ofstream(folder_ + "/ca.pem") << certificate().pem();
  }
  ~GcsCredentialsTest() override { std::filesystem::remove_all(folder_); }

  static TestCertificate& certificate() {
    static TestCertificate one;
    return one;
  }

  // Every request is given the next one.
  std::string token(const Seen& seen) {
    last_ = seen;
    const nlohmann::json answer = {{"access_token", "token-" + std::to_string(++given_)},
                                   {"expires_in", seconds_},
                                   {"token_type", "Bearer"}};
    return http_answer("200 OK", answer.dump());
  }
  void write_key(const nlohmann::json& key) {
    std::ofstream(folder_ + "/key.json") << key.dump();
    ::setenv("GOOGLE_APPLICATION_CREDENTIALS", (folder_ + "/key.json").c_str(), 1);
  }
  Result<std::unique_ptr<Bucket>> open(bool trusted = true) {
    return open_bucket("gs://bucket", {.timeout_ms = 5000,
                                       .endpoint = server_.url(),
                                       .ca_file = trusted ? folder_ + "/ca.pem" : ""});
  }

  GcsFake fake_;
  HttpServer server_;
  HttpServer tokens_;
  std::string folder_;
  Seen last_;
  int given_ = 0;
  int seconds_ = 3600;
  Told told_;
};

TEST_F(GcsCredentialsTest, AServiceAccountSignsForAToken) {
  write_key({{"type", "service_account"},
             {"client_email", "me@example.com"},
             {"private_key_id", "k1"},
             {"private_key", certificate().key_pem()},
             {"token_uri", tokens_.url() + "/token"}});
  auto bucket = open();
  ASSERT_TRUE(bucket.ok()) << bucket.status().message();
  const SourceFile file(10);
  // The store takes only the second token: after its 401 another is asked for, once.
  EXPECT_OUTCOME(bucket.value()->put("a", file.source(), "", told_.progress()), kStored);
  EXPECT_EQ(given_, 2);
  EXPECT_OUTCOME(*bucket.value()->same("a", file.source()), kStored);
  EXPECT_EQ(given_, 2);  // and is good for the next request

  const std::string begin =
      "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
  ASSERT_TRUE(last_.body.starts_with(begin)) << last_.body;
  const std::string jwt = last_.body.substr(begin.size());
  const std::size_t dot = jwt.rfind('.');
  const std::string text = jwt.substr(0, dot);
  const auto decode = [](std::string part) {
    std::string out;
    u32 bits = 0, count = 0;
    for (const char c : part) {
      const std::string letters =
          "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
      bits = bits << 6 | u32(letters.find(c));
      if ((count += 6) >= 8) out += char(bits >> (count -= 8));
    }
    return out;
  };
  const auto claims = nlohmann::json::parse(decode(text.substr(text.find('.') + 1)));
  EXPECT_EQ(claims["iss"], "me@example.com");
  EXPECT_EQ(claims["aud"], tokens_.url() + "/token");
  EXPECT_EQ(i64(claims["exp"]) - i64(claims["iat"]), 3600);
  const std::string signature = decode(jwt.substr(dot + 1));
  const auto verified = [&](const std::string& signed_text) {
    EVP_MD_CTX* context = EVP_MD_CTX_new();
    EVP_DigestVerifyInit(context, nullptr, EVP_sha256(), nullptr, certificate().key());
    const int good = EVP_DigestVerify(
        context, reinterpret_cast<const unsigned char*>(signature.data()), signature.size(),
        reinterpret_cast<const unsigned char*>(signed_text.data()), signed_text.size());
    EVP_MD_CTX_free(context);
    return good == 1;
  };
  EXPECT_TRUE(verified(text));
  EXPECT_FALSE(verified(text + "x"));
}

TEST_F(GcsCredentialsTest, AUsersRefreshTokenIsTakenFromWhereGcloudPutsIt) {
  std::filesystem::create_directories(folder_ + "/.config/gcloud");
  std::ofstream(folder_ + "/.config/gcloud/application_default_credentials.json")
      << nlohmann::json{{"type", "authorized_user"},
                        {"client_id", "c&1"},
                        {"client_secret", "s"},
                        {"refresh_token", "r/1"},
                        {"token_uri", tokens_.url()}};
  auto bucket = open();
  ASSERT_TRUE(bucket.ok());
  EXPECT_OUTCOME(bucket.value()->put("a", SourceFile(10).source(), "", told_.progress()), kStored);
  EXPECT_EQ(last_.body,
            "grant_type=refresh_token&client_id=c%261&client_secret=s&refresh_token=r%2F1");
}

TEST_F(GcsCredentialsTest, TheMetadataServerIsAskedWhereThereIsNoFile) {
  auto bucket = open();
  ASSERT_TRUE(bucket.ok());
  EXPECT_OUTCOME(bucket.value()->put("a", SourceFile(10).source(), "", told_.progress()), kStored);
  EXPECT_EQ(last_.target, "/computeMetadata/v1/instance/service-accounts/default/token");
  EXPECT_EQ(last_.header("metadata-flavor"), "Google");
}

TEST_F(GcsCredentialsTest, ATokenThatEndsSoonIsRenewed) {
  seconds_ = 200;
  auto credentials = GcsCredentials::from_environment("").value();
  EXPECT_EQ(credentials->token({}).value(), "token-1");
  EXPECT_EQ(credentials->token({}).value(), "token-2");
  seconds_ = 3600;
  EXPECT_EQ(credentials->token({}).value(), "token-3");
  EXPECT_EQ(credentials->token({}).value(), "token-3");
  // While no other is to be had, the one that is good goes on being used.
  seconds_ = 200;
  credentials->refused("token-3");
  EXPECT_EQ(credentials->token({}).value(), "token-4");
  tokens_.set_faults([](const Seen&) { return Fault{.what = Fault::kReset}; });
  EXPECT_EQ(credentials->token({}).value(), "token-4");
}

TEST_F(GcsCredentialsTest, ATokenThatIsGivenIsUsedAsItIs) {
  ::setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token-2", 1);
  auto bucket = open();
  EXPECT_OUTCOME(bucket.value()->put("a", SourceFile(10).source(), "", told_.progress()), kStored);
  EXPECT_EQ(given_, 0);
  ::setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token-of-somebody", 1);
  (void)server_.take_seen();
  const Attempt put = open().value()->put("b", SourceFile(10).source(), "", told_.progress());
  EXPECT_OUTCOME(put, kRefused);
  EXPECT_NE(put.why.find("HTTP 401, Invalid Credentials"), std::string::npos) << put.why;
  EXPECT_EQ(server_.take_seen().size(), 1U);
}

TEST_F(GcsCredentialsTest, GoNowhereElse) {
  ::setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token-2", 1);
  HttpServer elsewhere([](const Seen&) { return http_answer("200 OK", "{}"); });
  server_.set_faults([&](const Seen&) {
    return Fault{.what = Fault::kAnswer,
                 .text = http_answer("307 T", "", "Location: " + elsewhere.url() + "/\r\n")};
  });
  (void)open().value()->put("a", SourceFile(10).source(), "", told_.progress());
  EXPECT_TRUE(elsewhere.take_seen().empty());
  // An endpoint without TLS is sent none at all.
  auto plain = open_bucket("gs://bucket", {.endpoint = elsewhere.url(), .ca_file = {}});
  (void)plain.value()->put("a", SourceFile(10).source(), "", told_.progress());
  const auto seen = elsewhere.take_seen();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].head.find("token"), std::string::npos);
}

TEST_F(GcsCredentialsTest, GoToNobodyWithAnotherCertificate) {
  ::setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token-2", 1);
  const Attempt put = open(false).value()->put("a", SourceFile(10).source(), "", told_.progress());
  EXPECT_OUTCOME(put, kRefused);
  EXPECT_NE(put.why.find("certificate"), std::string::npos) << put.why;
  EXPECT_TRUE(server_.take_seen().empty());
  EXPECT_OUTCOME(open().value()->put("a", SourceFile(10).source(), "", told_.progress()), kStored);
}

TEST_F(GcsCredentialsTest, AreInNoMessage) {
  ::setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token-2", 1);
  server_.set_faults([](const Seen& seen) {
    return Fault{.what = Fault::kAnswer,
                 .text = http_answer("400 Bad", R"({"error":{"message":"you sent )" +
                                                    seen.header("authorization") + "\"}}")};
  });
  const Attempt put = open().value()->put("a", SourceFile(10).source(), "", told_.progress());
  EXPECT_NE(put.why.find("you sent Bearer ***"), std::string::npos) << put.why;
}

TEST_F(GcsCredentialsTest, AKeyOfNoUseIsNamedAndNotShown) {
  const std::string secret = "very-secret-value";
  const nlohmann::json good = {{"type", "service_account"},
                               {"client_email", secret},
                               {"private_key", secret},
                               {"token_uri", "https://127.0.0.1:1/"}};
  nlohmann::json other = good, plain = good, empty = good;
  other["type"] = "external_account";
  plain["token_uri"] = "http://example.com/";
  empty.erase("private_key");
  for (const nlohmann::json& key : {other, plain, empty, nlohmann::json(secret)}) {
    write_key(key);
    const auto bucket = open();
    ASSERT_FALSE(bucket.ok()) << key;
    EXPECT_EQ(int(bucket.status().error_class()), int(ErrorClass::kDisableSink));
    EXPECT_NE(bucket.status().message().find("key.json"), std::string::npos);
    EXPECT_EQ(bucket.status().message().find(secret), std::string::npos);
  }
  write_key(good);  // its private_key is none, which shows at its first use
  const Attempt put = open().value()->put("a", SourceFile(10).source(), "", told_.progress());
  EXPECT_OUTCOME(put, kRefused);
  EXPECT_NE(put.why.find("no RSA key"), std::string::npos) << put.why;
  EXPECT_EQ(put.why.find(secret), std::string::npos);
  ::setenv("GOOGLE_APPLICATION_CREDENTIALS", "/nonexistent/key", 1);
  EXPECT_FALSE(open().ok());
}

TEST_F(GcsCredentialsTest, AnAnswerWithoutATokenIsNone) {
  for (const char* wrong :
       {"", "[]", "{}", R"({"access_token":5})", R"({"access_token":"a\nb"})"}) {
    EXPECT_FALSE(parse_gcs_lease(wrong).ok()) << wrong;
  }
  EXPECT_EQ(parse_gcs_lease(R"({"access_token":"a","expires_in":99999999999})").value().seconds,
            86400);
}

}  // namespace
}  // namespace sluice::upload
