// sanitizers: address
// Keys for S3: where they come from, in which order, and when they are asked for again.
#include "upload/s3_credentials.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "upload/http_server.h"
#include "upload/open_bucket.h"
#include "upload/source_file.h"

namespace sluice::upload {
namespace {

class S3CredentialsTest : public ::testing::Test {
 protected:
  S3CredentialsTest() {
    char folder[] = "/tmp/sluice_s3_XXXXXX";
    folder_ = ::mkdtemp(folder);
    ::setenv("HOME", folder_.c_str(), 1);
    for (const char* name :
         {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE",
          "AWS_DEFAULT_PROFILE", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_REGION",
          "AWS_DEFAULT_REGION", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
          "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",
          "AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"}) {
      ::unsetenv(name);
    }
    ::setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    std::filesystem::create_directories(folder_ + "/.aws");
  }
  ~S3CredentialsTest() override { std::filesystem::remove_all(folder_); }

  static std::string id() {
    auto credentials = S3Credentials::from_environment();
    if (!credentials.ok()) return "none: " + credentials.status().message();
    const auto keys = credentials.value()->keys({});
    return keys.ok() ? keys.value().id + ' ' + keys.value().session
                     : "none: " + keys.status().message();
  }

  std::string folder_;
};

TEST_F(S3CredentialsTest, ComeFromVariablesBeforeFiles) {
  EXPECT_NE(id().find("set AWS_ACCESS_KEY_ID"), std::string::npos) << id();
  std::ofstream(folder_ + "/.aws/config")
      << "[default]\naws_access_key_id=C\naws_secret_access_key=s\nregion=eu-north-1\n"
         "[profile p]\nregion=eu-west-3\n";
  EXPECT_EQ(id(), "C ");
  std::ofstream(folder_ + "/.aws/credentials")
      << "[default]\naws_access_key_id=F\naws_secret_access_key=s\n"
         "[p]\naws_access_key_id=P\naws_secret_access_key=s\naws_session_token=t\n";
  EXPECT_EQ(id(), "F ");
  EXPECT_EQ(s3_region_from_environment(), "eu-north-1");
  ::setenv("AWS_PROFILE", "p", 1);
  EXPECT_EQ(id(), "P t");
  EXPECT_EQ(s3_region_from_environment(), "eu-west-3");
  ::setenv("AWS_DEFAULT_REGION", "eu-west-2", 1);
  EXPECT_EQ(s3_region_from_environment(), "eu-west-2");
  ::setenv("AWS_ACCESS_KEY_ID", "E", 1);
  EXPECT_NE(id().find("set both or none"), std::string::npos);
  ::setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
  EXPECT_EQ(id(), "E ");
}

TEST_F(S3CredentialsTest, ComeFromTheContainersAgent) {
  int asked = 0;
  HttpServer agent([&](const Seen& seen) {
    if (seen.header("authorization") != "secret") return http_answer("403 No");
    return http_answer("200 OK", R"({"AccessKeyId":"A)" + std::to_string(++asked) +
                                     R"(","SecretAccessKey":"s","Token":"t",)" +
                                     R"("Expiration":"2100-01-01T00:00:00Z"})");
  });
  ::setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", (agent.url() + "/role").c_str(), 1);
  EXPECT_NE(id().find("HTTP 403"), std::string::npos) << id();
  ::setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "secret", 1);
  auto credentials = S3Credentials::from_environment().value();
  EXPECT_EQ(credentials->keys({}).value().id, "A1");
  EXPECT_EQ(credentials->keys({}).value().id, "A1");  // good until 2100
  credentials->refused(credentials->keys({}).value());
  EXPECT_EQ(credentials->keys({}).value().id, "A2");
  for (const char* other : {"http://example.com/", "x", "http://169.254.170.2.example.com/"}) {
    ::setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", other, 1);
    EXPECT_NE(id().find("neither https"), std::string::npos) << other;
  }
}

TEST_F(S3CredentialsTest, ComeFromTheMetadataServerOfEc2) {
  HttpServer metadata([](const Seen& seen) {
    if (seen.has("PUT /latest/api/token")) return http_answer("200 OK", "key-to-ask\n");
    if (seen.header("x-aws-ec2-metadata-token") != "key-to-ask") return http_answer("401 No");
    if (seen.target == "/latest/meta-data/iam/security-credentials/") {
      return http_answer("200 OK", "my role\nother");
    }
    if (!seen.has("security-credentials/my%20role")) return http_answer("404 No");
    return http_answer("200 OK", R"({"AccessKeyId":"I","SecretAccessKey":"s","Token":"t",)"
                                 R"("Expiration":"2100-01-01T00:00:00Z"})");
  });
  ::unsetenv("AWS_EC2_METADATA_DISABLED");
  ::setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url().c_str(), 1);
  EXPECT_EQ(id(), "I t");
  metadata.set_faults(
      [](const Seen&) { return Fault{.what = Fault::kAnswer, .text = http_answer("404 No")}; });
  EXPECT_NE(id().find("metadata server of EC2 gives no keys: HTTP 404"), std::string::npos);
}

// Keys that the store calls expired are asked for again, once; a HEAD has no body to say it in.
TEST_F(S3CredentialsTest, ThatHaveExpiredAreAskedForAgain) {
  int asked = 0;
  HttpServer agent([&](const Seen&) {
    return http_answer("200 OK", R"({"AccessKeyId":"A)" + std::to_string(++asked) +
                                     R"(","SecretAccessKey":"s","Token":"t"})");
  });
  ::setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", (agent.url() + "/role").c_str(), 1);
  HttpServer store([](const Seen& seen) {
    return seen.header("authorization").find("Credential=A1/") != std::string::npos
               ? http_answer("400 Bad Request")
               : http_answer("404 Not Found");
  });
  auto bucket = open_bucket("s3://bucket", {.endpoint = store.url(), .ca_file = {}});
  EXPECT_FALSE(bucket.value()->same("a", SourceFile(1).source()));
  EXPECT_EQ(asked, 2);
  EXPECT_EQ(store.take_seen().size(), 2U);
  EXPECT_FALSE(bucket.value()->same("a", SourceFile(1).source()));
  EXPECT_EQ(asked, 2);
}

TEST_F(S3CredentialsTest, WhatIsOfNoUseIsRefusedWhenOpened) {
  ::setenv("AWS_ACCESS_KEY_ID", "E", 1);
  ::setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
  const auto why = [](const std::string& url, const std::string& endpoint = {}) {
    const auto bucket = open_bucket(url, {.endpoint = endpoint, .ca_file = {}});
    return bucket.ok() ? "" : bucket.status().message();
  };
  EXPECT_EQ(why("s3://bucket/prefix"), "");
  for (const char* url : {"s3://", "s3://a", "s3://Bucket", "s3://a..b", "bucket", "gs://x",
                          "http://bucket", "s3://user@bucket"}) {
    EXPECT_NE(why(url), "") << url;
  }
  EXPECT_NE(why("s3://bucket", "ftp://host"), "");
  EXPECT_NE(why("s3://bucket", "http://host/path"), "");
  ::setenv("AWS_REGION", "x.example.com/", 1);
  EXPECT_NE(why("s3://bucket").find("AWS_REGION"), std::string::npos);
}

}  // namespace
}  // namespace sluice::upload
