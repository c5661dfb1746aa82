// sanitizers: address
// An object store that speaks S3: a real server, and a proxy before it that does wrong.
#include <gtest/gtest.h>

#include <fstream>

#include "support/read_file.h"
#include "upload/digest.h"
#include "upload/open_bucket.h"
#include "upload/s3_server.h"
#include "upload/source_file.h"
#include "upload/unpacked.h"

namespace sluice::upload {
namespace {

constexpr std::size_t kMiB = 1 << 20;

class S3 : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    ::unsetenv("AWS_SESSION_TOKEN");
    ::unsetenv("AWS_REGION");
    ::unsetenv("AWS_DEFAULT_REGION");
    ::setenv("AWS_CONFIG_FILE", "/nonexistent", 1);
    ::setenv("AWS_ACCESS_KEY_ID", kTestKey, 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", kTestSecret, 1);
    server_ = S3Server::start();
    if (!server_) return;
    const u16 port = server_->port();
    proxy_ = std::make_unique<HttpServer>(
        [port](const Seen& seen) { return HttpServer::forward(port, seen); });
  }
  static void TearDownTestSuite() {
    proxy_.reset();
    server_.reset();
  }
  void SetUp() override {
    if (!server_) {
      GTEST_SKIP() << "there is no S3 server: scripts/install_upload_servers.sh builds it";
    }
    proxy_->set_faults({});
    (void)proxy_->take_seen();
    name_ = std::string("dir/") + ::testing::UnitTest::GetInstance()->current_test_info()->name() +
            " +&=%.log";
  }

  std::unique_ptr<Bucket> bucket(u64 part_bytes = 5 * kMiB, u32 timeout_ms = 5000) {
    auto opened = open_bucket("s3://bucket", {.part_bytes = part_bytes,
                                              .parts_at_once = 3,
                                              .timeout_ms = timeout_ms,
                                              .endpoint = proxy_->url(),
                                              .ca_file = {}});
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    return std::move(opened.value());
  }
  // The fault at the nth request (from 1) that has `text` in its method and target.
  static void at(const std::string& text, int nth, const Fault& fault) {
    proxy_->set_faults([text, fault, left = nth](const Seen& seen) mutable {
      return seen.has(text) && --left == 0 ? fault : Fault{};
    });
  }
  [[nodiscard]] std::string there() const { return test::read_file(server_->file(name_)); }
  [[nodiscard]] static int count(const std::vector<Seen>& seen, std::string_view text) {
    return int(
        std::count_if(seen.begin(), seen.end(), [text](const Seen& one) { return one.has(text); }));
  }

  static inline std::unique_ptr<S3Server> server_;
  static inline std::unique_ptr<HttpServer> proxy_;
  std::string name_;
  Told told_;
};

#define EXPECT_OUTCOME(attempt, expected) \
  EXPECT_EQ(int((attempt).outcome), int(Outcome::expected)) << (attempt).why

TEST_F(S3, StoresOneOfAnySize) {
  for (const std::size_t size : {0UL, 1UL, 4096UL, 5 * kMiB, 5 * kMiB + 1, 23 * kMiB}) {
    name_ = "sizes/" + std::to_string(size);
    const SourceFile file(size);
    const Attempt put = bucket()->put(name_, file.source(), "", told_.progress());
    EXPECT_OUTCOME(put, kStored);
    EXPECT_EQ(put.sent, size);
    EXPECT_EQ(told_.at(), size);
    EXPECT_TRUE(there() == file.bytes()) << size;
    const auto same = bucket()->same(name_, file.source());
    ASSERT_TRUE(same);
    EXPECT_OUTCOME(*same, kStored);
  }
}

// Whole or in parts, which the store has to put together; and what another compressor made of the
// same file is the same content.
TEST_F(S3, StoresWhatIsCompressedWhileItIsSent) {
  constexpr auto kGzip = UploadCompression::gzip;
  constexpr auto kZstd = UploadCompression::zstd;
  for (const UploadCompression how : {kGzip, kZstd}) {
    for (const std::size_t size : {std::size_t{0}, std::size_t{1000}, 12 * kMiB + 5}) {
      name_ = "packed/" + std::to_string(int(how)) + "/" + std::to_string(size);
      const SourceFile file(size), other(size + 1, 2);
      const Source source = file.packed(how);
      EXPECT_OUTCOME(bucket()->put(name_, source, "", told_.progress()), kStored);
      EXPECT_EQ(told_.at(), source.size);
      EXPECT_TRUE(unpacked(how, there()) == file.bytes());
      const auto seen = proxy_->take_seen();
      const auto made = std::find_if(seen.begin(), seen.end(), [](const Seen& one) {
        return one.has("POST ") || one.has("PUT ");
      });
      ASSERT_NE(made, seen.end());
      EXPECT_EQ(made->header("content-type"), packed_content_type(how));
      EXPECT_EQ(made->header("content-encoding"), "");
      EXPECT_EQ(made->header("x-amz-meta-sluice-unpacked-bytes"), std::to_string(size));
      EXPECT_EQ(made->header("x-amz-meta-sluice-unpacked-crc32c"),
                crc32c_text(file.source().crc32c));
      EXPECT_OUTCOME(*bucket()->same(name_, source), kStored);
      EXPECT_OUTCOME(*bucket()->same(name_, file.packed(how == kGzip ? kZstd : kGzip)), kStored);
      EXPECT_OUTCOME(*bucket()->same(name_, other.packed(how)), kExists);
      EXPECT_OUTCOME(bucket()->put(name_, other.packed(how), "", told_.progress()), kExists);
      (void)proxy_->take_seen();
    }
  }
}

// An interrupted one goes on with the parts that are there: they are made again, and are the same.
TEST_F(S3, GoesOnWithCompressedParts) {
  const SourceFile file(18 * kMiB);
  at("partNumber=3", 1, {.what = Fault::kReset});
  auto store = bucket();
  const Source source = file.packed(UploadCompression::zstd);
  EXPECT_OUTCOME(store->put(name_, source, "", told_.progress()), kRetry);
  proxy_->set_faults({});
  (void)proxy_->take_seen();
  // As after a restart: nothing but the memo is left.
  const Source again = file.packed(UploadCompression::zstd);
  const Attempt put = bucket()->put(name_, again, told_.memo(), told_.progress());
  EXPECT_OUTCOME(put, kStored);
  EXPECT_LT(put.sent, source.size);
  EXPECT_LT(count(proxy_->take_seen(), "partNumber="), 4);
  EXPECT_TRUE(unpacked(UploadCompression::zstd, there()) == file.bytes());
}

TEST_F(S3, TellsOtherContentFromTheSame) {
  const SourceFile file(6 * kMiB), longer(6 * kMiB + 1), other(6 * kMiB, 2), small(10);
  auto store = bucket();
  EXPECT_FALSE(store->same(name_, file.source()));
  EXPECT_OUTCOME(store->put(name_, file.source(), "", told_.progress()), kStored);
  for (const SourceFile* wrong : {&longer, &other, &small}) {
    EXPECT_OUTCOME(*store->same(name_, wrong->source()), kExists);
    EXPECT_OUTCOME(store->put(name_, wrong->source(), "", told_.progress()), kExists);
  }
  EXPECT_OUTCOME(store->put(name_, file.source(), "", told_.progress()), kStored);
  EXPECT_TRUE(there() == file.bytes());
}

// Somebody else creates the object after we looked: only the condition in the request can tell.
TEST_F(S3, NeverReplacesWhatCameMeanwhile) {
  for (const std::size_t size : {std::size_t{10}, 6 * kMiB}) {
    name_ = "meanwhile/" + std::to_string(size);
    const SourceFile ours(size), theirs(20, 9);
    auto rival = open_bucket("s3://bucket", {.endpoint = server_->url(), .ca_file = {}});
    proxy_->set_faults([&, done = false](const Seen& seen) mutable {
      const bool last = seen.has(size == 10 ? "PUT " : "POST ") && !seen.has("uploads=");
      if (last && !done) {
        done = true;
        Told told;
        EXPECT_OUTCOME(rival.value()->put(name_, theirs.source(), "", told.progress()), kStored);
      }
      return Fault{};
    });
    EXPECT_OUTCOME(bucket()->put(name_, ours.source(), "", told_.progress()), kExists);
    EXPECT_TRUE(there() == theirs.bytes());
  }
}

TEST_F(S3, GoesOnWithThePartsThatAreThere) {
  const SourceFile file(23 * kMiB);
  at("partNumber=4", 1, {.what = Fault::kReset, .bytes = 2 * kMiB});
  EXPECT_OUTCOME(bucket()->put(name_, file.source(), "", told_.progress()), kRetry);
  const int before = count(proxy_->take_seen(), "PUT ");
  EXPECT_EQ(told_.kept(), 1);
  proxy_->set_faults({});
  // Another process, with other settings: the part size is the memo's.
  const Attempt again = bucket(8 * kMiB)->put(name_, file.source(), told_.memo(), told_.progress());
  EXPECT_OUTCOME(again, kStored);
  const auto seen = proxy_->take_seen();
  EXPECT_EQ(before - 1 + count(seen, "PUT "), 5);
  EXPECT_LT(again.sent, file.source().size);
  EXPECT_EQ(count(seen, "max-uploads"), 1);  // the look for others, and no beginning
  EXPECT_EQ(count(seen, "POST "), 1);
  EXPECT_TRUE(there() == file.bytes());
}

// The memo is of other bytes: parts that are not ours go up again.
TEST_F(S3, TrustsNoPartThatHasOtherBytes) {
  const SourceFile file(11 * kMiB), other(11 * kMiB, 5);
  at("POST ", 2, {.what = Fault::kReset});
  EXPECT_OUTCOME(bucket()->put(name_, other.source(), "", told_.progress()), kRetry);
  EXPECT_OUTCOME(bucket()->put(name_, file.source(), told_.memo(), told_.progress()), kStored);
  EXPECT_TRUE(there() == file.bytes());
}

TEST_F(S3, BeginsAnewWhenTheUploadIsGone) {
  const SourceFile file(11 * kMiB);
  at("POST ", 2, {.what = Fault::kReset});
  auto store = bucket();
  EXPECT_OUTCOME(store->put(name_, file.source(), "", told_.progress()), kRetry);
  EXPECT_OUTCOME(store->forget(name_, told_.memo()), kStored);
  EXPECT_OUTCOME(store->forget(name_, told_.memo()), kStored);
  EXPECT_OUTCOME(store->forget(name_, "no memo"), kStored);
  EXPECT_OUTCOME(store->put(name_, file.source(), told_.memo(), told_.progress()), kStored);
  EXPECT_EQ(told_.kept(), 2);
  EXPECT_OUTCOME(store->put("other", file.source(), "{\"upload\":7}", told_.progress()), kStored);
}

TEST_F(S3, BeginsNothingThatCannotBeKept) {
  const SourceFile file(6 * kMiB);
  told_.refuse_to_keep();
  EXPECT_OUTCOME(bucket()->put(name_, file.source(), "", told_.progress()), kRetry);
  const auto seen = proxy_->take_seen();
  EXPECT_EQ(count(seen, "PUT "), 0);
  EXPECT_EQ(count(seen, "DELETE "), 1);
}

TEST_F(S3, RemovesWhatALostPredecessorBegan) {
  const SourceFile file(6 * kMiB);
  auto store = bucket();
  at("POST ", 2, {.what = Fault::kReset});
  EXPECT_OUTCOME(store->put(name_, file.source(), "", told_.progress()), kRetry);
  (void)proxy_->take_seen();
  EXPECT_OUTCOME(store->put(name_, file.source(), "", told_.progress()), kStored);
  EXPECT_EQ(count(proxy_->take_seen(), "DELETE "), 1);
}

TEST_F(S3, ALostAnswerIsFoundOut) {
  for (const std::size_t size : {std::size_t{10}, 6 * kMiB}) {
    name_ = "lost/" + std::to_string(size);
    const SourceFile file(size);
    Told told;
    at(size == 10 ? "PUT " : "POST ", size == 10 ? 1 : 2, {.what = Fault::kLoseAnswer});
    EXPECT_OUTCOME(bucket()->put(name_, file.source(), "", told.progress()), kRetry);
    (void)proxy_->take_seen();
    EXPECT_OUTCOME(*bucket()->same(name_, file.source()), kStored);
    EXPECT_OUTCOME(bucket()->put(name_, file.source(), told.memo(), told.progress()), kStored);
    EXPECT_EQ(count(proxy_->take_seen(), "PUT "), 0);
    EXPECT_TRUE(there() == file.bytes());
  }
}

struct Case {
  const char* name;
  const char* request;
  int nth;
  Fault fault;
  Outcome outcome;
  u64 wait_ms;
  const char* why;
};

TEST_F(S3, SaysWhatBecameOfAFault) {
  const std::string busy =
      http_answer("503 Slow Down", "<Error><Code>SlowDown</Code></Error>", "Retry-After: 7\r\n");
  const std::string many = http_answer("429 Too Many Requests", "", "Retry-After: 99999999999\r\n");
  const std::string denied =
      http_answer("403 Forbidden", "<Error><Code>AccessDenied</Code><Message>no</Message></Error>");
  const std::string moved =
      http_answer("302 Found", "", "Location: http://elsewhere.example/x?secret=1\r\n");
  const std::string late = http_answer(
      "200 OK", "<Error><Code>InternalError</Code><Message>We failed</Message></Error>");
  const Case cases[] = {
      {"503", "PUT ", 1, {.what = Fault::kAnswer, .text = busy}, Outcome::kRetry, 7000, "SlowDown"},
      {"429", "PUT ", 2, {.what = Fault::kAnswer, .text = many}, Outcome::kRetry, 3600000, "429"},
      {"500",
       "PUT ",
       2,
       {.what = Fault::kAnswer, .text = http_answer("500 Oh")},
       Outcome::kRetry,
       0,
       "HTTP 500"},
      {"403",
       "PUT ",
       1,
       {.what = Fault::kAnswer, .text = denied},
       Outcome::kRefused,
       0,
       "AccessDenied, no"},
      {"302",
       "PUT ",
       1,
       {.what = Fault::kAnswer, .text = moved},
       Outcome::kRefused,
       0,
       "elsewhere.example)"},
      {"late",
       "POST ",
       2,
       {.what = Fault::kAnswer, .text = late},
       Outcome::kRetry,
       0,
       "InternalError"},
      {"empty",
       "POST ",
       2,
       {.what = Fault::kAnswer, .text = http_answer("200 OK")},
       Outcome::kRetry,
       0,
       "no result"},
      {"reset", "PUT ", 2, {.what = Fault::kReset, .bytes = kMiB}, Outcome::kRetry, 0, "part "},
      {"reset head", "HEAD ", 1, {.what = Fault::kReset}, Outcome::kRetry, 0, "what is there"},
      {"cut", "POST ", 1, {.what = Fault::kCut, .bytes = 150}, Outcome::kRetry, 0, "beginning"},
      {"garbage",
       "POST ",
       1,
       {.what = Fault::kAnswer, .text = "\x16\x03\x01 what?\r\n\r\n"},
       Outcome::kRetry,
       0,
       "beginning"},
      {"no id",
       "POST ",
       1,
       {.what = Fault::kAnswer, .text = http_answer("200 OK", "<a/>")},
       Outcome::kRetry,
       0,
       "no id"},
      {"huge",
       "POST ",
       1,
       {.what = Fault::kAnswer, .text = http_answer("200 OK", std::string(2 * kMiB, ' '))},
       Outcome::kRetry,
       0,
       "longer than"},
      {"no tag",
       "PUT ",
       1,
       {.what = Fault::kAnswer, .text = http_answer("200 OK")},
       Outcome::kRetry,
       0,
       "no ETag"},
      {"other crc",
       "PUT ",
       1,
       {.what = Fault::kAnswer,
        .text = http_answer("200 OK", "", "ETag: \"x\"\r\nx-amz-checksum-crc32c: AAAAAA==\r\n")},
       Outcome::kRetry,
       0,
       "CRC32C AAAAAA=="},
  };
  const SourceFile file(11 * kMiB);
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    const std::string name = std::string("fault/") + one.name;
    Told told;
    at(one.request, one.nth, one.fault);
    const Attempt put = bucket()->put(name, file.source(), "", told.progress());
    EXPECT_EQ(int(put.outcome), int(one.outcome)) << put.why;
    EXPECT_EQ(put.wait_ms, one.wait_ms);
    EXPECT_NE(put.why.find(one.why), std::string::npos) << put.why;
    EXPECT_EQ(put.why.find("secret"), std::string::npos) << put.why;
    EXPECT_FALSE(std::filesystem::exists(server_->file(name)));
    proxy_->set_faults({});
    // And then it is well, from where it was.
    EXPECT_OUTCOME(bucket()->put(name, file.source(), told.memo(), told.progress()), kStored);
    EXPECT_TRUE(test::read_file(server_->file(name)) == file.bytes());
  }
}

TEST_F(S3, GivesUpOnAServerThatIsSilentOrSlow) {
  const SourceFile file(10);
  for (const Fault::What what : {Fault::kSilence, Fault::kDrip}) {
    at("PUT ", 1, {.what = what});
    const i64 begin = os::monotonic_ns();
    const Attempt put = bucket(5 * kMiB, 400)->put(name_, file.source(), "", told_.progress());
    EXPECT_OUTCOME(put, kRetry);
    EXPECT_NE(put.why.find("no answer for 400 ms"), std::string::npos) << put.why;
    EXPECT_LT(os::monotonic_ns() - begin, 20'000'000'000);
    std::filesystem::remove(server_->file(name_));
  }
}

TEST_F(S3, StopsInTheMiddle) {
  const SourceFile file(23 * kMiB);
  std::stop_source stop;
  told_.on_at([&](u64 bytes) {
    if (bytes > 6 * kMiB) stop.request_stop();
  });
  const Attempt put = bucket()->put(name_, file.source(), "", told_.progress(stop.get_token()));
  EXPECT_OUTCOME(put, kStopped);
  EXPECT_LT(put.sent, file.source().size);
  at("PUT ", 1, {.what = Fault::kSilence});
  std::stop_source later;
  const std::jthread stopper([&] {
    while (proxy_->take_seen().empty()) os::sleep_ns(1'000'000);
    later.request_stop();
  });
  EXPECT_OUTCOME(bucket()->put(name_, file.source(), "", told_.progress(later.get_token())),
                 kStopped);
}

// A server that repeats what it was sent must not bring it into a message.
TEST_F(S3, SaysNoSecret) {
  ::setenv("AWS_SESSION_TOKEN", "a-session-token", 1);
  auto store = bucket();
  ::unsetenv("AWS_SESSION_TOKEN");
  const SourceFile file(10);
  std::string sent;
  proxy_->set_faults([&](const Seen& seen) {
    sent += seen.head;
    return Fault{.what = Fault::kAnswer,
                 .text = http_answer("400 Bad", "<Error><Code>Bad</Code><Message>" +
                                                    seen.header("x-amz-security-token") + " " +
                                                    kTestSecret + "\x1b[31m</Message></Error>")};
  });
  const Attempt put = store->put(name_, file.source(), "", told_.progress());
  EXPECT_OUTCOME(put, kRefused);
  EXPECT_NE(sent.find("a-session-token"), std::string::npos);  // so it could have been repeated
  EXPECT_EQ(sent.find(kTestSecret), std::string::npos);
  EXPECT_EQ(put.why.find("a-session"), std::string::npos) << put.why;
  EXPECT_EQ(put.why.find(kTestSecret), std::string::npos) << put.why;
  EXPECT_EQ(put.why.find('\x1b'), std::string::npos);
}

// A store that keeps no CRC32C is compared by the MD5 in the ETag.
TEST_F(S3, ComparesByTheTagWhereThereIsNoCrc) {
  proxy_->set_faults([](const Seen& seen) {
    if (!seen.has("HEAD ")) return Fault{};
    return Fault{
        .what = Fault::kEdit, .edit = [](std::string answer) {
          for (const std::string name : {"X-Amz-Checksum-Crc32c", "x-amz-checksum-crc32c"}) {
            const std::size_t found = answer.find(name);
            if (found != std::string::npos) answer.replace(found, 5, "Y-Amz");
          }
          return answer;
        }};
  });
  for (const std::size_t size : {std::size_t{1000}, 11 * kMiB}) {
    name_ = "tag/" + std::to_string(size);
    const SourceFile file(size), other(size, 3);
    EXPECT_OUTCOME(bucket()->put(name_, file.source(), "", told_.progress()), kStored);
    EXPECT_OUTCOME(*bucket(7 * kMiB)->same(name_, file.source()), kStored);
    const Attempt wrong = *bucket()->same(name_, other.source());
    EXPECT_OUTCOME(wrong, kExists);
    EXPECT_NE(wrong.why.find("ETag"), std::string::npos) << wrong.why;
  }
}

TEST_F(S3, LearnsTheTimeOfTheStore) {
  const SourceFile file(10);
  proxy_->set_faults([left = 1](const Seen& seen) mutable {
    if (!seen.has("PUT ") || left-- <= 0) return Fault{};
    return Fault{
        .what = Fault::kAnswer,
        .text = http_answer("403 Forbidden", "<Error><Code>RequestTimeTooSkewed</Code></Error>",
                            "Date: Wed, 01 Jan 2020 00:00:00 GMT\r\n")};
  });
  const Attempt put = bucket()->put(name_, file.source(), "", told_.progress());
  bool signed_then = false;
  for (const Seen& seen : proxy_->take_seen()) {
    signed_then = signed_then || seen.header("x-amz-date").starts_with("20200101T0000");
  }
  EXPECT_TRUE(signed_then);
  EXPECT_OUTCOME(put, kRetry);  // the real server keeps another time
}

u64 peak_kib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6));
  }
  return 0;
}

TEST_F(S3, ALargeObjectTakesLittleMemory) {
  if (std::getenv("SLUICE_TEST_FULL") == nullptr) GTEST_SKIP() << "4 GiB: ./test --full does it";
  const SourceFile file(8);
  Source large = file.source();
  large.size = u64{4} << 30;
  ASSERT_EQ(::ftruncate(large.file, i64(large.size)), 0);
  large.crc32c = digests_of(large.reader(), 0, large.size, 0).value().crc32c;
  auto opened = open_bucket("s3://bucket", {.endpoint = server_->url(), .ca_file = {}});
  std::ofstream("/proc/self/clear_refs") << 5;  // the peak from here on
  const u64 before = peak_kib();
  const i64 begin = os::monotonic_ns();
  EXPECT_OUTCOME(opened.value()->put(name_, large, "", told_.progress()), kStored);
  const double seconds = double(os::monotonic_ns() - begin) / 1e9;
  const u64 more = peak_kib() - before;
  std::printf("4 GiB in %.1f s, %llu KiB more memory at the peak\n", seconds,
              (unsigned long long)more);
  EXPECT_LT(more, 64 * 1024U);
}

TEST_F(S3, ReadsNoFileThatHasChanged) {
  const SourceFile file(1000);
  Source wrong = file.source();
  wrong.crc32c ^= 1;
  EXPECT_OUTCOME(bucket()->put(name_, wrong, "", told_.progress()), kRefused);
  Source longer = file.source();
  longer.size += 1;
  EXPECT_OUTCOME(bucket()->put(name_, longer, "", told_.progress()), kRefused);
  EXPECT_EQ(count(proxy_->take_seen(), "PUT "), 0);
}

}  // namespace
}  // namespace sluice::upload
