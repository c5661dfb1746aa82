// What stores answer: XML and JSON from anybody, well-formed or not.
#include "upload/answers.h"

#include <gtest/gtest.h>

#include "upload/gcs_credentials.h"
#include "upload/gcs_object.h"
#include "upload/s3_multipart.h"
#include "upload/xml.h"

namespace sluice::upload {
namespace {

TEST(Xml, GivesTextsByPath) {
  const std::string xml =
      "\xef\xbb\xbf<?xml version=\"1.0\"?>\n<!-- <a> --><s3:A xmlns:s3='x>y'>\n <B>1 "
      "&lt;&#x26;&#66;"
      "&#228;</B><B>2</B><C/><D><![CDATA[<&]]>e</D></s3:A>\n";
  EXPECT_EQ(xml_text(xml, "A/B"), "1 <&B\xc3\xa4");
  EXPECT_EQ(xml_text(xml, "A/C"), "");
  EXPECT_EQ(xml_text(xml, "A/D"), "<&e");
  EXPECT_EQ(xml_text(xml, "B"), "");
  EXPECT_EQ(xml_root(xml), "A");
  std::string paths;
  EXPECT_TRUE(read_xml(
      xml, [&](std::string_view path, const std::string&) { paths += std::string(path) + ' '; }));
  EXPECT_EQ(paths, "A/B A/B A/C A/D A ");
}

TEST(Xml, RefusesWhatIsNotWellFormed) {
  std::string deep;
  for (int i = 0; i < 17; ++i) deep += "<a>";
  for (int i = 0; i < 17; ++i) deep += "</a>";
  for (const std::string& wrong : {std::string(),
                                   std::string("text"),
                                   std::string("<a>"),
                                   std::string("</a>"),
                                   std::string("<a></b>"),
                                   std::string("<a/><b/>"),
                                   std::string("<a>&x;</a>"),
                                   std::string("<a>&#0;</a>"),
                                   std::string("<a>&#xd800;</a>"),
                                   std::string("<a>&#x110000;</a>"),
                                   std::string("<a>&amp</a>"),
                                   std::string("<!DOCTYPE a><a/>"),
                                   std::string("<a"),
                                   std::string("<a b='></a>"),
                                   std::string("<>x</>"),
                                   std::string("<a><![CDATA[x</a>"),
                                   std::string("<?xml"),
                                   std::string("<!-- "),
                                   std::string("x<a/>"),
                                   deep,
                                   "<" + std::string(300, 'n') + "/>"}) {
    EXPECT_EQ(xml_root(wrong), "") << wrong;
    EXPECT_EQ(xml_text(wrong, "a"), "");
  }
  EXPECT_EQ(xml_escaped("<a&\">"), "&lt;a&amp;&quot;&gt;");
}

TEST(Answers, ListsOfParts) {
  const auto page = parse_part_page(
      "<ListPartsResult><IsTruncated>true</IsTruncated><NextPartNumberMarker>7"
      "</NextPartNumberMarker><Part><PartNumber>7</PartNumber><Size>5</Size><ETag>\"t\"</ETag>"
      "<ChecksumCRC32C>c</ChecksumCRC32C></Part></ListPartsResult>");
  ASSERT_TRUE(page);
  ASSERT_EQ(page->parts.size(), 1U);
  EXPECT_EQ(page->parts[0].first, 7U);
  EXPECT_EQ(page->parts[0].second.size, 5U);
  EXPECT_EQ(page->parts[0].second.tag, "\"t\"");
  EXPECT_EQ(page->parts[0].second.crc, "c");
  EXPECT_EQ(page->next, 7U);
  EXPECT_TRUE(parse_part_page("<ListPartsResult/>"));
  for (const char* number : {"0", "10001", "-1", "", "99999999999999999999999"}) {
    EXPECT_FALSE(parse_part_page("<ListPartsResult><Part><PartNumber>" + std::string(number) +
                                 "</PartNumber></Part></ListPartsResult>"));
  }
  EXPECT_FALSE(parse_part_page("<Other/>"));
}

TEST(Answers, ObjectsOfGoogle) {
  const auto object = parse_gcs_object(R"({"name":"n","size":"5","crc32c":"c","generation":"7"})");
  ASSERT_TRUE(object);
  EXPECT_EQ(object->size, 5U);
  for (const char* wrong : {"", "[]", "{}", R"({"name":"n","size":5,"generation":"7"})",
                            R"({"name":"n","size":"-5","generation":"7"})",
                            R"({"name":"","size":"5","generation":"7"})",
                            R"({"name":"n","size":"5","generation":"7&x=1"})",
                            R"({"name":"n","size":"99999999999999999999","generation":"7"})"}) {
    EXPECT_FALSE(parse_gcs_object(wrong)) << wrong;
  }
  EXPECT_TRUE(parse_gcs_page("{}"));
  EXPECT_FALSE(parse_gcs_page(R"({"items":[{}]})"));
  EXPECT_FALSE(parse_gcs_page(R"({"items":5})"));
  EXPECT_EQ(parse_gcs_error(R"({"error":{"message":"m"}})"), "m");
  EXPECT_EQ(parse_gcs_error(R"({"error":"m"})"), "");
  EXPECT_EQ(parse_gcs_range("bytes=0-41"), 42U);
  for (const char* wrong :
       {"", "bytes=0-", "bytes=1-2", "bytes=0--1", "bytes=0-1x", "bytes=0-18446744073709551615"}) {
    EXPECT_FALSE(parse_gcs_range(wrong)) << wrong;
  }
}

TEST(Answers, MemosThatAreNone) {
  const GcsUpload parts{"", "0123456789abcdef", 9};
  EXPECT_EQ(GcsUpload::parse(parts.memo())->part_bytes, 9U);
  EXPECT_EQ(GcsUpload::parse(GcsUpload{"http://x/y", "", 0}.memo())->session, "http://x/y");
  EXPECT_EQ(S3Upload::parse(S3Upload{"id", 5}.memo())->id, "id");
  for (const char* wrong : {"", "x", "[]", R"({"parts":"0123456789abcdef"})",
                            R"({"parts":"../../../etc/abc","part_bytes":1})",
                            R"({"parts":"0123456789abcdef","part_bytes":0})",
                            R"({"upload":"x","part_bytes":-1})", R"({"upload":"x"})"}) {
    EXPECT_FALSE(GcsUpload::parse(wrong)) << wrong;
    EXPECT_FALSE(S3Upload::parse(wrong)) << wrong;
  }
}

TEST(Answers, ShowNoSecretAndNoControlCharacter) {
  const std::string secret = "a-very-secret-token";
  EXPECT_EQ(shown("x " + secret + secret + "\x1b[31m\n", {"", "abc", secret}), "x ****** [31m ");
  // One that would be cut in two is not shown in half.
  const std::string cut = shown(std::string(295, 'x') + secret, {secret});
  EXPECT_EQ(cut, std::string(295, 'x') + "***");
  EXPECT_EQ(shown(std::string(1000, 'y'), {}).size(), 300U);
}

TEST(Answers, DecideWhatIsTriedAgain) {
  net::Answer answer;
  answer.end = net::Answer::End::kAnswered;
  const auto outcome = [&](int status, const char* code = "") {
    answer.status = status;
    return failed_attempt(answer, "doing", {code, ""}, {}).outcome;
  };
  for (const int status : {307, 408, 429, 500, 502, 503, 504, 599}) {
    EXPECT_EQ(int(outcome(status)), int(Outcome::kRetry)) << status;
  }
  for (const int status : {301, 302, 400, 401, 403, 404, 405, 409, 411, 413, 501, 505}) {
    EXPECT_EQ(int(outcome(status)), int(Outcome::kRefused)) << status;
  }
  EXPECT_EQ(int(outcome(400, "RequestTimeout")), int(Outcome::kRetry));
  EXPECT_EQ(int(outcome(409, "ConditionalRequestConflict")), int(Outcome::kRetry));
  answer.end = net::Answer::End::kStopped;
  EXPECT_EQ(int(outcome(0)), int(Outcome::kStopped));
  answer.end = net::Answer::End::kImpossible;
  EXPECT_EQ(int(outcome(0)), int(Outcome::kRefused));
}

TEST(Answers, RetryAfterInBothForms) {
  net::Answer answer;
  EXPECT_EQ(answer.retry_after_ms(), 0U);
  answer.headers = {{"retry-after", "3"}};
  EXPECT_EQ(answer.retry_after_ms(), 3000U);
  for (const char* most : {"99999", "999999999999999999999", "Fri, 31 Dec 2100 23:59:59 GMT"}) {
    answer.headers[0].second = most;
    EXPECT_EQ(answer.retry_after_ms(), 3600'000U) << most;
  }
  for (const char* none : {"", "-5", "soon", "Wed, 01 Jan 2020 00:00:00 GMT"}) {
    answer.headers[0].second = none;
    EXPECT_EQ(answer.retry_after_ms(), 0U) << none;
  }
}

}  // namespace
}  // namespace sluice::upload
