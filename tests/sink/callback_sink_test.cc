// Callbacks: what they are given, that they may throw, and that sinks' own records do not come
// back.
#include "sink/callback_sink.h"

#include <gtest/gtest.h>

#include <stdexcept>

#include "sink/make.h"
#include "support/journal_maker.h"

namespace sluice::testing {
namespace {

struct Seen {
  std::vector<std::string> messages;
  std::vector<std::string> json;
  std::vector<u64> sequences;
  std::vector<i64> times;
  u32 thread_id = 0;
  std::string logger;
  enum { kNothing, kRuntimeError, kInt } throws = kNothing;
};

void take(const CallbackRecord& record, void* user) {
  auto& seen = *static_cast<Seen*>(user);
  seen.messages.emplace_back(record.message);
  seen.json.emplace_back(record.json);
  seen.sequences.push_back(record.sequence);
  seen.times.push_back(record.unix_ns);
  seen.thread_id = record.thread_id;
  seen.logger = record.logger;
  if (seen.throws == Seen::kRuntimeError) throw std::runtime_error("boom");
  if (seen.throws == Seen::kInt) throw 7;
}

class CallbackSinkTest : public ::testing::Test {
 protected:
  CallbackSinkTest() {
    site_ =
        journal_.add_site(text_site("hello {}", {{ArgType::kString, ""}}, Level::info, "net.http"));
    config_.kind = SinkKind::callback;
    config_.callback = &take;
    config_.user = &seen_;
    for (const char* name : {"ada", "bob"}) journal_.add(site_, {text(name)});
  }
  Status write() {
    if (!sink_) {
      auto made = sink::make_sink(config_, os::real_io(), region_.get());
      EXPECT_TRUE(made.ok());
      sink_ = std::move(made.value());
      EXPECT_TRUE(sink_->open(catalog_, cursor_).ok());
    }
    const BatchView batch(journal_.batches()[0].data());
    return sink_->write({&batch, 1}, catalog_, cursor_);
  }

  TestRegion region_;
  JournalMaker journal_{region_.get()};
  back::Catalog catalog_{region_.get()};
  back::Cursor cursor_{region_.entry()};
  back::SinkConfig config_;
  Seen seen_;
  std::unique_ptr<back::Sink> sink_;
  u32 site_ = 0;
};

TEST_F(CallbackSinkTest, GetsEveryRecordWhole) {
  journal_.commit();
  ASSERT_TRUE(write().ok());
  EXPECT_EQ(seen_.messages, (std::vector<std::string>{"hello ada", "hello bob"}));
  EXPECT_EQ(seen_.sequences, (std::vector<u64>{1, 2}));
  EXPECT_EQ(seen_.times[1], JournalMaker::kWallNs + 2);
  EXPECT_EQ(seen_.thread_id, 4711u);
  EXPECT_EQ(seen_.logger, "net.http");
  EXPECT_TRUE(seen_.json[0].starts_with("{\"ts\":\"")) << seen_.json[0];
  EXPECT_EQ(seen_.json[0].back(), '}');
  EXPECT_EQ(region_.entry().delivered.load(), 2u);
  EXPECT_EQ(cursor_.sequence(), 3u);
}

TEST_F(CallbackSinkTest, ExceptionsEndHereAndAreSaidOnce) {
  journal_.commit();
  seen_.throws = Seen::kRuntimeError;
  const Status status = write();
  EXPECT_EQ(status.error_class(), ErrorClass::kRetryable);
  EXPECT_NE(status.message().find("boom"), std::string::npos);
  EXPECT_EQ(cursor_.sequence(), 3u);
  EXPECT_TRUE(write().ok());
  EXPECT_EQ(seen_.messages.size(), 2u);
  EXPECT_EQ(static_cast<sink::CallbackSink&>(*sink_).exceptions(), 2u);
  EXPECT_EQ(region_.entry().delivered.load(), 2u);
}

TEST_F(CallbackSinkTest, AnythingCanBeThrown) {
  journal_.commit();
  seen_.throws = Seen::kInt;
  EXPECT_NE(write().message().find("unknown type"), std::string::npos);
}

TEST_F(CallbackSinkTest, RecordsOfSinkThreadsAreFiltered) {
  journal_.commit(1);
  ASSERT_TRUE(write().ok());
  EXPECT_TRUE(seen_.messages.empty());
  EXPECT_EQ(region_.entry().filtered.load(), 2u);
  EXPECT_EQ(cursor_.sequence(), 3u);
}

}  // namespace
}  // namespace sluice::testing
