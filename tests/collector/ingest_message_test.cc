// What is a message of the ingest socket, what is a part of one, and what is none.
#include "collector/ingest_message.h"

#include <gtest/gtest.h>

namespace sluice::collector {
namespace {

template <class T>
std::string bytes_of(const T& message) {
  return {reinterpret_cast<const char*>(&message), sizeof message};
}

EndMessage an_end() {
  EndMessage end{};
  end.magic = kEndMagic;
  end.version = kEndVersion;
  end.pid = 7;
  end.start_time = 8;
  end.pid_namespace = 9;
  return end;
}

// Every part of a message is one, and the whole of it is the message, whatever follows.
void expect_grows_to(const std::string& message, IngestMessage::Kind kind) {
  for (std::size_t size = 0; size < message.size(); ++size) {
    EXPECT_EQ(read_ingest({message.data(), size}).kind, IngestMessage::kPart) << size;
  }
  for (const char* behind : {"", "x"}) {
    const std::string bytes = message + behind;
    const IngestMessage read = read_ingest(bytes);
    EXPECT_EQ(read.kind, kind);
    EXPECT_EQ(read.bytes, message.size());
  }
}

TEST(IngestMessage, ARegion) {
  const std::string region = "/dev/shm/sluice-0/a";
  RegistrationHead head{kRegistrationMagic, kRegistrationVersion, u16(region.size()),
                        kRegistrationDrain, 0};
  std::string message = bytes_of(head) + region;
  expect_grows_to(message, IngestMessage::kRegion);
  EXPECT_EQ(read_ingest(message).region, region);
  EXPECT_EQ(read_ingest(message).place, std::nullopt);
  head.place = 3;
  message = bytes_of(head) + region;
  EXPECT_EQ(read_ingest(message).place, std::optional<u32>(3));
}

TEST(IngestMessage, AnEnd) {
  EndMessage end = an_end();
  expect_grows_to(bytes_of(end), IngestMessage::kEnd);
  EXPECT_FALSE(read_ingest(bytes_of(end)).end.known);
  end.ended = 1;
  end.signal = 11;
  end.core = 1;
  const std::string bytes = bytes_of(end);
  const IngestMessage read = read_ingest(bytes);
  EXPECT_TRUE(read.end.known);
  EXPECT_EQ(read.end.signal, 11);
  EXPECT_TRUE(read.end.core);
  EXPECT_EQ(read.process, (ProcessName{.pid = 7, .uid = 0, .start_time = 8, .pid_namespace = 9}));
}

TEST(IngestMessage, None) {
  RegistrationHead head{kRegistrationMagic, kRegistrationVersion, kRegistrationPathMax + 1,
                        kRegistrationDrain, 0};
  std::vector<std::string> wrong = {"no message of ours", bytes_of(head)};
  head.version = 77;
  wrong.push_back(bytes_of(head));
  const auto with = [&wrong](void (*change)(EndMessage&)) {
    EndMessage end = an_end();
    change(end);
    wrong.push_back(bytes_of(end));
  };
  with([](EndMessage& end) { end.version = 77; });
  with([](EndMessage& end) { end.ended = 2; });
  with([](EndMessage& end) { end.core = 2; });
  with([](EndMessage& end) { end.signal = 65; });
  with([](EndMessage& end) { end.pid = 0; });
  with([](EndMessage& end) { end.start_time = 0; });
  with([](EndMessage& end) { end.pid_namespace = 0; });
  for (const std::string& bytes : wrong) {
    const IngestMessage read = read_ingest(bytes);
    EXPECT_EQ(read.kind, IngestMessage::kWrong);
    EXPECT_NE(read.problem, "");
  }
}

}  // namespace
}  // namespace sluice::collector
