// sanitizers: address
// Google Cloud Storage: a fake that gcs_judge.py proves with Google's own client, and faults.
#include <gtest/gtest.h>

#include "os/process.h"
#include "upload/gcs_fake.h"
#include "upload/open_bucket.h"
#include "upload/source_file.h"
#include "upload/unpacked.h"

namespace sluice::upload {
namespace {

constexpr std::size_t kMiB = 1 << 20;
constexpr std::size_t kKiB = 1 << 10;

#define EXPECT_OUTCOME(attempt, expected) \
  EXPECT_EQ(int((attempt).outcome), int(Outcome::expected)) << (attempt).why

class Gcs : public ::testing::Test {
 protected:
  Gcs() : server_([this](const Seen& seen) { return fake_.answer(seen); }) {
    ::unsetenv("STORAGE_EMULATOR_HOST");
    ::unsetenv("CLOUD_STORAGE_EMULATOR_ENDPOINT");
  }

  // Of one part at once: sessions; of more: parts that are composed.
  std::unique_ptr<Bucket> bucket(u32 at_once = 1, u64 part_bytes = 4 * kMiB,
                                 u32 timeout_ms = 5000) {
    auto opened = open_bucket("gs://bucket", {.part_bytes = part_bytes,
                                              .parts_at_once = at_once,
                                              .timeout_ms = timeout_ms,
                                              .endpoint = server_.url(),
                                              .ca_file = {}});
    EXPECT_TRUE(opened.ok()) << opened.status().message();
    return std::move(opened.value());
  }
  void at(const std::string& text, int nth, const Fault& fault) {
    server_.set_faults([text, fault, left = nth](const Seen& seen) mutable {
      return seen.has(text) && --left == 0 ? fault : Fault{};
    });
  }
  [[nodiscard]] static int count(const std::vector<Seen>& seen, std::string_view text) {
    return int(
        std::count_if(seen.begin(), seen.end(), [text](const Seen& one) { return one.has(text); }));
  }
  Attempt put(const SourceFile& file, u32 at_once = 1) {
    return bucket(at_once)->put(name_, file.source(), told_.memo(), told_.progress());
  }

  GcsFake fake_;
  HttpServer server_;
  const std::string name_ = "dir/a b+&=%.log";
  Told told_;
};

TEST_F(Gcs, StoresOneOfAnySize) {
  for (const u32 at_once : {1U, 3U}) {
    for (const std::size_t size :
         {0UL, 1UL, 256 * kKiB, 8 * kMiB, 8 * kMiB + 1, 12 * kMiB, 23 * kMiB}) {
      const SourceFile file(size);
      Told told;
      const Attempt put = bucket(at_once)->put(name_, file.source(), "", told.progress());
      EXPECT_OUTCOME(put, kStored);
      EXPECT_EQ(put.sent, size);
      EXPECT_EQ(told.at(), size);
      EXPECT_TRUE(fake_.bytes(name_) == file.bytes()) << size;
      EXPECT_EQ(fake_.count(), 1U);  // and no parts
      EXPECT_EQ(fake_.object(name_).type, "text/plain");
      EXPECT_OUTCOME(*bucket()->same(name_, file.source()), kStored);
      fake_.clear();
    }
  }
}

// In one piece, in a session, composed of parts; and what another compressor made of the same file
// is the same content.
TEST_F(Gcs, StoresWhatIsCompressedWhileItIsSent) {
  for (const std::size_t size : {std::size_t{0}, 1 * kMiB, 9 * kMiB}) {
    for (const u32 at_once : {1U, 2U}) {
      const SourceFile file(size), other(size + 1, 2);
      const Source source = file.packed(UploadCompression::gzip);
      Told told;
      EXPECT_OUTCOME(bucket(at_once)->put(name_, source, "", told.progress()), kStored);
      EXPECT_TRUE(unpacked(UploadCompression::gzip, fake_.bytes(name_)) == file.bytes());
      EXPECT_EQ(fake_.object(name_).type, "application/gzip");
      EXPECT_EQ(fake_.object(name_).metadata["sluice-unpacked-bytes"], std::to_string(size));
      EXPECT_EQ(fake_.object(name_).metadata["sluice-unpacked-crc32c"],
                crc32c_text(file.source().crc32c));
      EXPECT_OUTCOME(*bucket()->same(name_, source), kStored);
      EXPECT_OUTCOME(*bucket()->same(name_, file.packed(UploadCompression::zstd)), kStored);
      EXPECT_OUTCOME(*bucket()->same(name_, other.packed(UploadCompression::gzip)), kExists);
      EXPECT_OUTCOME(*bucket()->same(name_, file.source()), kExists);
      fake_.clear();
    }
  }
}

TEST_F(Gcs, ComposesInATreeAndRemovesTheParts) {
  const SourceFile file(9 * kMiB + 5);
  fake_.set_page_max(7);
  const std::string id(16, 'a');
  fake_.put(name_ + ".tmp." + id + "/p00000", "of a lost predecessor");
  fake_.put(name_ + ".tmp.notes/p1", "of somebody else");
  auto store = bucket(3, 256 * kKiB);
  EXPECT_OUTCOME(store->put(name_, file.source(), "", told_.progress()), kStored);
  EXPECT_TRUE(fake_.bytes(name_) == file.bytes());
  const auto seen = server_.take_seen();
  EXPECT_EQ(count(seen, "/compose"), 3);  // 37 parts: two groups, and those
  EXPECT_EQ(fake_.count(), 2U);
  EXPECT_TRUE(fake_.has(name_ + ".tmp.notes/p1"));
}

// The object is right, and its parts cost money: they are removed by the attempts that follow.
TEST_F(Gcs, ComesBackForPartsThatItCouldNotRemove) {
  const SourceFile file(9 * kMiB);
  at("DELETE ", 2, {.what = Fault::kReset});
  const Attempt first = put(file, 3);
  EXPECT_OUTCOME(first, kRetry);
  EXPECT_NE(first.why.find("its parts still are"), std::string::npos) << first.why;
  EXPECT_EQ(fake_.count(), 2U);
  EXPECT_OUTCOME(put(file, 3), kStored);
  EXPECT_EQ(fake_.count(), 1U);
  // Who may not remove them is not kept from going on.
  fake_.clear();
  server_.set_faults([](const Seen& seen) {
    return seen.has("DELETE ") ? Fault{.what = Fault::kAnswer, .text = http_answer("403 No")}
                               : Fault{};
  });
  Told told;
  EXPECT_OUTCOME(bucket(3)->put(name_, file.source(), "", told.progress()), kStored);
}

TEST_F(Gcs, NeverReplacesWhatIsThere) {
  for (const u32 at_once : {1U, 3U}) {
    for (const std::size_t size : {10UL, 9 * kMiB}) {
      const SourceFile ours(size), theirs(20, 9);
      fake_.put(name_, theirs.bytes());
      Told told;
      EXPECT_OUTCOME(bucket(at_once)->put(name_, ours.source(), "", told.progress()), kExists);
      EXPECT_OUTCOME(*bucket()->same(name_, ours.source()), kExists);
      // And what comes while we are at it.
      fake_.clear();
      server_.set_faults([&](const Seen& seen) {
        if (seen.has("compose") || seen.has("media") || seen.has("upload_id=")) {
          if (!fake_.has(name_)) fake_.put(name_, theirs.bytes());
        }
        return Fault{};
      });
      EXPECT_OUTCOME(bucket(at_once)->put(name_, ours.source(), "", told.progress()), kExists);
      EXPECT_TRUE(fake_.bytes(name_) == theirs.bytes());
      EXPECT_EQ(fake_.count(), 1U);
      server_.set_faults({});
      fake_.clear();
    }
  }
  EXPECT_FALSE(bucket()->same(name_, SourceFile(1).source()));
}

TEST_F(Gcs, GoesOnWhereTheSessionIs) {
  const SourceFile file(23 * kMiB);
  at("upload_id=", 4, {.what = Fault::kReset, .bytes = kMiB});
  EXPECT_OUTCOME(put(file), kRetry);
  EXPECT_EQ(told_.kept(), 1);
  server_.set_faults({});
  const Attempt again = put(file);
  EXPECT_OUTCOME(again, kStored);
  EXPECT_EQ(again.sent, 11 * kMiB);  // three pieces of 4 MiB were there
  EXPECT_EQ(told_.at(), file.source().size);
  EXPECT_EQ(told_.kept(), 1);
  EXPECT_TRUE(fake_.bytes(name_) == file.bytes());
}

// The store keeps less of a piece than it was sent: the rest goes again, and the whole is right.
TEST_F(Gcs, SendsAgainWhatTheStoreDidNotKeep) {
  const SourceFile file(13 * kMiB);
  int pieces = 0;
  server_.set_faults([&](const Seen& seen) {
    if (!seen.has("upload_id=") || ++pieces != 2) return Fault{};
    // Only 256 KiB of the second piece: the fake is told the same.
    Seen shorter = seen;
    return Fault{.what = Fault::kAnswer,
                 .text = http_answer("308 Resume Incomplete", "", "Range: bytes=0-4194303\r\n")};
  });
  EXPECT_OUTCOME(put(file), kStored);
  EXPECT_EQ(pieces, 5);  // 4, 4 (not kept), 4, 4, 1 MiB
  EXPECT_TRUE(fake_.bytes(name_) == file.bytes());
}

TEST_F(Gcs, A308WithoutARangeMeansNothingIsThere) {
  const SourceFile file(9 * kMiB);
  at("upload_id=", 1, {.what = Fault::kAnswer, .text = http_answer("308 Resume Incomplete")});
  EXPECT_OUTCOME(put(file), kStored);
  EXPECT_TRUE(fake_.bytes(name_) == file.bytes());
}

TEST_F(Gcs, EndsWhenTheStoreKeepsNothing) {
  const SourceFile file(9 * kMiB);
  server_.set_faults([](const Seen& seen) {
    if (!seen.has("upload_id=")) return Fault{};
    return Fault{.what = Fault::kAnswer, .text = http_answer("308 Resume Incomplete")};
  });
  const Attempt put_one = put(file);
  EXPECT_OUTCOME(put_one, kRetry);
  EXPECT_NE(put_one.why.find("keeps nothing"), std::string::npos) << put_one.why;
  EXPECT_EQ(count(server_.take_seen(), "upload_id="), 3);
}

TEST_F(Gcs, BelievesNoRangeThatWasNotSent) {
  const SourceFile file(13 * kMiB);
  for (const char* range : {"bytes=0-8388608", "bytes=0-99999999999999999999", "bytes=5-9", "x"}) {
    at("upload_id=", 1,
       {.what = Fault::kAnswer,
        .text = http_answer("308 Resume Incomplete", "", std::string("Range: ") + range + "\r\n")});
    Told told;
    const Attempt put_one = bucket()->put(name_, file.source(), "", told.progress());
    EXPECT_OUTCOME(put_one, kRetry);
    EXPECT_NE(put_one.why.find("more than was sent"), std::string::npos) << range << put_one.why;
    EXPECT_FALSE(fake_.has(name_));
  }
}

TEST_F(Gcs, ALostAnswerIsFoundOut) {
  for (const u32 at_once : {1U, 3U}) {
    for (const std::size_t size : {10UL, 9 * kMiB}) {
      const SourceFile file(size);
      Told told;
      const char* last = size == 10 ? "media" : at_once == 1 ? "upload_id=" : "compose";
      at(last, size == 10 || at_once == 3 ? 1 : 3, {.what = Fault::kLoseAnswer});
      EXPECT_OUTCOME(bucket(at_once)->put(name_, file.source(), "", told.progress()), kRetry);
      EXPECT_TRUE(fake_.has(name_));
      server_.set_faults({});
      EXPECT_OUTCOME(*bucket()->same(name_, file.source()), kStored);
      const Attempt again =
          bucket(at_once)->put(name_, file.source(), told.memo(), told.progress());
      EXPECT_OUTCOME(again, kStored);
      EXPECT_LE(again.sent, 10U);
      EXPECT_EQ(fake_.count(), 1U);
      fake_.clear();
    }
  }
}

TEST_F(Gcs, BeginsAnewWhenTheSessionIsGone) {
  const SourceFile file(9 * kMiB);
  at("upload_id=", 2, {.what = Fault::kReset});
  EXPECT_OUTCOME(put(file), kRetry);
  fake_.lose_sessions();
  EXPECT_OUTCOME(put(file), kStored);
  EXPECT_EQ(told_.kept(), 2);
  EXPECT_TRUE(fake_.bytes(name_) == file.bytes());
}

TEST_F(Gcs, GoesOnWithThePartsThatAreThere) {
  const SourceFile file(23 * kMiB);
  at("p00004", 1, {.what = Fault::kReset, .bytes = kMiB});
  EXPECT_OUTCOME(put(file, 3), kRetry);
  server_.set_faults({});
  const std::size_t there = fake_.count();
  EXPECT_GE(there, 3U);
  // One of them has other bytes, whoever put them there.
  const std::string memo = told_.memo();
  const std::string id = nlohmann::json::parse(memo)["parts"];
  fake_.put(name_ + ".tmp." + id + "/p00001", "other");
  (void)server_.take_seen();
  EXPECT_OUTCOME(put(file, 3), kStored);
  EXPECT_EQ(std::size_t(count(server_.take_seen(), "uploadType=media")), 6 - (there - 1));
  EXPECT_TRUE(fake_.bytes(name_) == file.bytes());
  EXPECT_EQ(fake_.count(), 1U);
}

TEST_F(Gcs, ForgetsSessionsAndParts) {
  const SourceFile file(9 * kMiB);
  for (const u32 at_once : {1U, 3U}) {
    Told told;
    at(at_once == 1 ? "upload_id=" : "compose", 1, {.what = Fault::kReset});
    auto store = bucket(at_once);
    EXPECT_OUTCOME(store->put(name_, file.source(), "", told.progress()), kRetry);
    server_.set_faults({});
    EXPECT_EQ(fake_.count(), at_once == 1 ? 0U : 3U);
    EXPECT_OUTCOME(store->forget(name_, told.memo()), kStored);
    EXPECT_OUTCOME(store->forget(name_, told.memo()), kStored);
    EXPECT_EQ(fake_.count(), 0U);
  }
  EXPECT_OUTCOME(bucket()->forget(name_, "no memo"), kStored);
  (void)server_.take_seen();
  EXPECT_OUTCOME(bucket()->forget(name_, R"({"session":"http://127.0.0.1:1/x?upload_id=1"})"),
                 kStored);
  EXPECT_TRUE(server_.take_seen().empty());
}

TEST_F(Gcs, BeginsNothingThatCannotBeKept) {
  const SourceFile file(9 * kMiB);
  told_.refuse_to_keep();
  for (const u32 at_once : {1U, 3U}) {
    EXPECT_OUTCOME(bucket(at_once)->put(name_, file.source(), "", told_.progress()), kRetry);
    const auto seen = server_.take_seen();
    EXPECT_EQ(count(seen, "media"), 0);
    EXPECT_EQ(count(seen, "DELETE "), at_once == 1 ? 1 : 0);
  }
}

TEST_F(Gcs, TakesNothingThatIsNotWhatWasSent) {
  const SourceFile file(9 * kMiB), small(10);
  // The bytes change under way: the store refuses them by the checksum.
  Source wrong = small.source();
  wrong.crc32c ^= 1;
  Told told;
  (void)bucket()->put(name_, wrong, "", told.progress());
  EXPECT_FALSE(fake_.has(name_));
  wrong = file.source();
  wrong.crc32c ^= 1;
  EXPECT_OUTCOME(bucket()->put(name_, wrong, "", told.progress()), kRetry);
  EXPECT_FALSE(fake_.has(name_));
  // The store has something else than it was sent, and says so: it is removed again.
  for (const u32 at_once : {1U, 3U}) {
    for (const SourceFile* source : {&small, &file}) {
      server_.set_faults([&](const Seen& seen) {
        const bool part = seen.has(".tmp.");
        if (seen.has("GET ") || seen.has("DELETE ") || (part && !seen.has("compose"))) {
          return Fault{};
        }
        return Fault{.what = Fault::kEdit, .edit = [](std::string answer) {
                       const std::size_t at_crc = answer.find("\"crc32c\":\"");
                       if (at_crc != std::string::npos) answer.replace(at_crc + 10, 4, "AAAA");
                       return answer;
                     }};
      });
      Told one;
      const Attempt put_one = bucket(at_once)->put(name_, source->source(), "", one.progress());
      EXPECT_OUTCOME(put_one, kRetry);
      EXPECT_NE(put_one.why.find("it was removed"), std::string::npos) << put_one.why;
      EXPECT_EQ(fake_.count(), 0U);
      server_.set_faults({});
      EXPECT_OUTCOME(bucket(at_once)->put(name_, source->source(), one.memo(), one.progress()),
                     kStored);
      fake_.clear();
    }
  }
}

TEST_F(Gcs, SaysWhatBecameOfAFault) {
  struct Case {
    const char* name;
    Fault fault;
    Outcome outcome;
    u64 wait_ms;
    const char* why;
  };
  const std::string denied = http_answer("403 Forbidden", R"({"error":{"message":"no access"}})");
  const Case cases[] = {
      {"503",
       {.what = Fault::kAnswer, .text = http_answer("503 Busy", "", "Retry-After: 3\r\n")},
       Outcome::kRetry,
       3000,
       "HTTP 503"},
      {"429", {.what = Fault::kAnswer, .text = http_answer("429 Slow")}, Outcome::kRetry, 0, "429"},
      {"408", {.what = Fault::kAnswer, .text = http_answer("408 Late")}, Outcome::kRetry, 0, "408"},
      {"403", {.what = Fault::kAnswer, .text = denied}, Outcome::kRefused, 0, "403, no access"},
      {"302",
       {.what = Fault::kAnswer,
        .text = http_answer("302 F", "", "Location: http://127.0.0.1:1/\r\n")},
       Outcome::kRefused,
       0,
       "redirects are not followed (to 127.0.0.1:1)"},
      {"reset", {.what = Fault::kReset, .bytes = 100}, Outcome::kRetry, 0, ""},
      {"silence", {.what = Fault::kSilence}, Outcome::kRetry, 0, "no answer for 500 ms"},
      {"cut", {.what = Fault::kCut, .bytes = 30}, Outcome::kRetry, 0, ""},
  };
  const SourceFile small(10), file(9 * kMiB);
  for (const Case& one : cases) {
    for (const char* request :
         {"media", "uploadType=resumable&name", "upload_id=", "p00001", "compose"}) {
      SCOPED_TRACE(std::string(one.name) + " " + request);
      const bool silence = std::string(one.name) == "silence";
      if (silence && std::string(request) == "compose") continue;  // has minutes for its work
      fake_.clear();
      Told told;
      const bool parts = std::string(request) == "p00001" || std::string(request) == "compose";
      const Source& source = std::string(request) == "media" ? small.source() : file.source();
      at(request, 1, one.fault);
      const Attempt put_one = bucket(parts ? 3 : 1, 4 * kMiB, silence ? 500 : 5000)
                                  ->put(name_, source, "", told.progress());
      EXPECT_EQ(int(put_one.outcome), int(one.outcome)) << put_one.why;
      EXPECT_EQ(put_one.wait_ms, one.wait_ms);
      EXPECT_NE(put_one.why.find(one.why), std::string::npos) << put_one.why;
      server_.set_faults({});
      EXPECT_OUTCOME(bucket(parts ? 3 : 1)->put(name_, source, told.memo(), told.progress()),
                     kStored);
    }
  }
}

TEST_F(Gcs, NeverGoesToASessionAtAnotherHost) {
  const SourceFile file(9 * kMiB);
  HttpServer elsewhere([](const Seen&) { return http_answer("200 OK"); });
  at("uploadType=resumable", 1,
     {.what = Fault::kAnswer,
      .text = http_answer("200 OK", "", "Location: " + elsewhere.url() + "/s?upload_id=1\r\n")});
  const Attempt put_one = put(file);
  EXPECT_OUTCOME(put_one, kRefused);
  EXPECT_TRUE(elsewhere.take_seen().empty());
  EXPECT_EQ(told_.kept(), 0);
}

// What a session's URL holds is as good as a password.
TEST_F(Gcs, SaysNoSession) {
  const SourceFile file(9 * kMiB);
  server_.set_faults([](const Seen& seen) {
    if (!seen.has("upload_id=")) return Fault{};
    const std::string id = seen.target.substr(seen.target.find("upload_id=") + 10);
    return Fault{.what = Fault::kAnswer,
                 .text = http_answer("403 Forbidden", R"({"error":{"message":"never )" + id +
                                                          R"( or )" + seen.target + "\"}}")};
  });
  const Attempt put_one = put(file);
  EXPECT_OUTCOME(put_one, kRefused);
  EXPECT_NE(put_one.why.find("never ***"), std::string::npos) << put_one.why;
  EXPECT_EQ(put_one.why.find("id1"), std::string::npos) << put_one.why;
}

TEST_F(Gcs, StopsInTheMiddle) {
  const SourceFile file(23 * kMiB);
  for (const u32 at_once : {1U, 3U}) {
    std::stop_source stop;
    Told told;
    told.on_at([&](u64 bytes) {
      if (bytes > 5 * kMiB) stop.request_stop();
    });
    const Attempt put_one =
        bucket(at_once)->put(name_, file.source(), "", told.progress(stop.get_token()));
    EXPECT_OUTCOME(put_one, kStopped);
    EXPECT_LT(put_one.sent, file.source().size);
    EXPECT_FALSE(fake_.has(name_));
  }
}

TEST_F(Gcs, FindsTheEmulatorInVariables) {
  for (const char* name : {"STORAGE_EMULATOR_HOST", "CLOUD_STORAGE_EMULATOR_ENDPOINT"}) {
    for (const std::string& url : {server_.url(), server_.url().substr(7)}) {
      ::setenv(name, url.c_str(), 1);
      // A key that must not go there.
      ::setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "token", 1);
      auto opened = open_bucket("gs://bucket", {});
      ASSERT_TRUE(opened.ok());
      EXPECT_FALSE(opened.value()->same(name_, SourceFile(1).source()));
      const auto seen = server_.take_seen();
      ASSERT_EQ(seen.size(), 1U);
      EXPECT_EQ(seen[0].header("authorization"), "");
      ::unsetenv(name);
      ::unsetenv("GOOGLE_OAUTH_ACCESS_TOKEN");
    }
  }
}

}  // namespace
}  // namespace sluice::upload
