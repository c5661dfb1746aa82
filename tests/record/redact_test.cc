#include "record/redact.h"

#include <gtest/gtest.h>

#include "record/render.h"

namespace sluice {
namespace {

using namespace test;

// Redacts in place; the record's bytes are then exactly the new record.
void redact(TestRecord& record, std::string_view more = {}) {
  Redactor redactor(more);
  record.bytes.resize(redacted_bytes_max(record.bytes.size()));
  record.bytes.resize(redactor.redact(record.bytes, record.site));
}

TEST(Redact, Names) {
  const Redactor redactor("pin, Session-Id");
  for (const char* secret : {"password",
                             "PASSWORD",
                             "db_password",
                             "userPassword",
                             "dbpassword",
                             "passwd",
                             "passphrase",
                             "secret",
                             "client_secret",
                             "token",
                             "accessToken",
                             "auth.token",
                             "X-Api-Key",
                             "apikey",
                             "apiKey",
                             "aws_access_key",
                             "private_key",
                             "credential",
                             "credentials",
                             "Authorization",
                             "http.request.header.authorization",
                             "Set-Cookie",
                             "cookie",
                             "token_id",
                             "pin",
                             "sessionId"}) {
    EXPECT_TRUE(redactor.is_secret(secret)) << secret;
  }
  for (const char* open : {"", "user", "tokenizer", "tokens", "prompt_tokens", "token_count",
                           "password_length", "secretary", "key", "api", "keyboard", "spin",
                           "session", "author", "max_token_limit", "_", "count"}) {
    EXPECT_FALSE(redactor.is_secret(open)) << open;
  }
}

TEST(Redact, EveryType) {
  TestRecord record(
      "login {user} {password}",
      {text_arg("ada", "user"), text_arg("hunter2", "password"), i64_arg(42, "token"),
       f64_arg(1.5, "secret"), bool_arg(true, "cookie"), arg(ArgType::kChar, 'x', "passwd"),
       i64_arg(7, "n"), TestArgument{ArgType::kBytes, "private_key", 0, "abc"},
       json_arg("{\"a\":1}", "credentials")});
  redact(record);
  EXPECT_EQ(message_of(record).find("hunter2"), std::string::npos);
  const auto fields = json_of(record)["fields"];
  EXPECT_EQ(fields["user"], "ada");
  EXPECT_EQ(fields["password"], "[redacted]");
  EXPECT_EQ(fields["token"], 0);
  EXPECT_EQ(fields["secret"], 0);
  EXPECT_EQ(fields["cookie"], false);
  EXPECT_EQ(fields["passwd"], "*");
  EXPECT_EQ(fields["n"], 7);
  EXPECT_EQ(fields["credentials"], "[redacted]");
  const std::string_view bytes = as_text(record.bytes);
  EXPECT_EQ(bytes.find("hunter2"), bytes.npos);
  EXPECT_EQ(bytes.find("abc"), bytes.npos);
}

TEST(Redact, InsideJson) {
  const auto inside = [](std::string json) {
    TestRecord record("e", {json_arg(std::move(json))}, RecordKind::kEvent);
    redact(record);
    EXPECT_TRUE(record.parse());
    return std::string(record.view.text(0));
  };
  EXPECT_EQ(inside(R"({"user":"ada","password":"x","n":[{"token": {"a":[1]}}, 2]})"),
            R"({"user":"ada","password":"[redacted]","n":[{"token": "[redacted]"}, 2]})");
  EXPECT_EQ(inside(R"({"pass\u0077ord":1})"), R"({"pass\u0077ord":"[redacted]"})");
  EXPECT_EQ(inside(R"({"token_count":5,"t":"password"})"), R"({"token_count":5,"t":"password"})");
  EXPECT_EQ(inside(R"(["token", "x"])"), R"(["token", "x"])");
  EXPECT_EQ(inside(R"({"broken": "password)"), "\"[redacted]\"");
  EXPECT_EQ(inside(R"({"broken": "pass\u0077ord)"), "\"[redacted]\"");
  EXPECT_EQ(inside(R"({"broken": "harmless)"), R"({"broken": "harmless)");
  EXPECT_EQ(inside(std::string(70, '[') + "{\"token\":1}" + std::string(70, ']')),
            "\"[redacted]\"");
}

TEST(Redact, ManySecretsMakeTheRecordLonger) {
  std::string json = "{\"k\":1";
  for (int i = 0; i < 2000; ++i) json += ",\"k\":1";
  TestRecord record("e", {json_arg(json + "}")}, RecordKind::kEvent);
  redact(record, "k");
  const auto fields = json_of(record)["fields"];
  EXPECT_EQ(fields["k"], "[redacted]");

  // Beyond the size word nothing of the JSON is kept.
  json = "{\"k\":1";
  for (int i = 0; i < 40'000; ++i) json += ",\"k\":1";
  TestRecord large("e", {json_arg(json + "}"), i32_arg(3, "n")}, RecordKind::kEvent);
  redact(large, "k");
  ASSERT_TRUE(large.parse());
  EXPECT_EQ(large.view.text(0), "\"[redacted]\"");
  EXPECT_EQ(large.view.word(1), 3u);
}

TEST(Redact, Context) {
  std::byte memory[256];
  FieldBlockWriter fields(memory);
  ASSERT_TRUE(fields.add_text("trace", "ab"));
  ASSERT_TRUE(fields.add_text("token", "x"));
  ASSERT_TRUE(fields.add("j", {ArgType::kJson, 0, R"({"secret":1})"}));
  TestRecord record("m", {i32_arg(1, "n")});
  record.add_context(fields.bytes());
  redact(record);
  const auto json = json_of(record);
  EXPECT_EQ(json["context"]["trace"], "ab");
  EXPECT_EQ(json["context"]["token"], "[redacted]");
  EXPECT_EQ(json["context"]["j"]["secret"], "[redacted]");
  EXPECT_EQ(json["fields"]["n"], 1);

  FieldBlock block;
  ASSERT_TRUE(FieldBlock::parse(fields.bytes(), block));
  Redactor redactor;
  std::byte out[256];
  const std::size_t size = redactor.redact_fields(block, out);
  ASSERT_TRUE(FieldBlock::parse(ByteView(out, size), block));
  EXPECT_EQ(redactor.redact_fields(block, std::span(out, 10)), 0u) << "does not fit";
}

TEST(Redact, TouchesOnlyWhatMayHoldASecret) {
  Redactor redactor;
  const TestRecord plain("m", {text_arg("x", "user"), i32_arg(1)});
  const TestRecord secret("m", {text_arg("x", "token")});
  const TestRecord json("m", {json_arg("{}")});
  EXPECT_FALSE(redactor.touches(plain.site, false));
  EXPECT_TRUE(redactor.touches(plain.site, true));
  EXPECT_TRUE(redactor.touches(secret.site, false));
  EXPECT_TRUE(redactor.touches(json.site, false));
}

TEST(Redact, HiddenArgumentsStay) {
  TestRecord record("", {arg(ArgType::kU32, 5), text_arg("token"), text_arg("x", "token")},
                    RecordKind::kEvent, SiteFlag::kLoggerIsFirstArg | SiteFlag::kNameIsFirstArg);
  redact(record);
  ASSERT_TRUE(record.parse());
  EXPECT_EQ(record.view.logger_id(), 5u);
  EXPECT_EQ(record.view.name(), "token");
  EXPECT_EQ(record.view.text(2), "[redacted]");
}

TEST(Redact, WhatDoesNotParseLosesItsArguments) {
  TestRecord record("m", {text_arg("hunter2", "password"), text_arg("x")});
  store(record.bytes.data() + kRecordHeaderBytes, u64{1000});
  const std::size_t size = record.bytes.size();
  Redactor redactor;
  EXPECT_EQ(redactor.redact(record.bytes, record.site), size);
  ASSERT_TRUE(record.parse());
  EXPECT_EQ(record.view.text(0), "");
  EXPECT_EQ(as_text(record.bytes).find("hunter2"), std::string_view::npos);

  TestRecord tight("m", {text_arg("x", "password")});  // no memory to grow into
  EXPECT_EQ(redactor.redact(tight.bytes, tight.site), tight.bytes.size());
  ASSERT_TRUE(tight.parse());
  EXPECT_EQ(tight.view.text(0), "");
}

}  // namespace
}  // namespace sluice
