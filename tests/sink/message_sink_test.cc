// syslog and journald: what stands on the wire, and what an absent, full, restarted or picky
// receiver costs. Receivers are sockets of the test's own that parse strictly.
#include "sink/message_sink.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <optional>

#include "record/rfc5424.h"
#include "sink/file_fixture.h"

namespace sluice::testing {
namespace {

using test::Rfc5424;

// A socket that messages come to. Non-blocking.
class Inbox {
 public:
  static constexpr std::size_t kRoom = 1 << 20;

  explicit Inbox(int fd) : fd_(fd) {}
  Inbox(Inbox&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  ~Inbox() {
    if (fd_ >= 0) ::close(fd_);
  }
  static Inbox unix_datagram(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strcpy(address.sun_path, path.c_str());
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    return Inbox(fd);
  }
  // `room`: about so many bytes wait to be read.
  static Inbox inet(int type, u16 port = 0, int room = 0) {
    const int fd = ::socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int on = 1;
    ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (room != 0) ::setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    if (type == SOCK_STREAM) {
      EXPECT_EQ(::listen(fd, 4), 0);
    }
    return Inbox(fd);
  }
  [[nodiscard]] u16 port() const {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    ::getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    return ntohs(address.sin_port);
  }
  [[nodiscard]] Inbox accept() const {
    return Inbox(::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  }
  // One datagram, or what is there of a stream; the bytes of a file in memory where one comes.
  std::optional<std::string> take() {
    std::string bytes(kRoom, '\0');
    iovec place{bytes.data(), bytes.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    msghdr message{};
    message.msg_iov = &place;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t got = ::recvmsg(fd_, &message, MSG_CMSG_CLOEXEC);
    if (got < 0) return std::nullopt;
    bytes.resize(std::size_t(got));
    if (const cmsghdr* const head = CMSG_FIRSTHDR(&message)) {
      int memory = -1;
      std::memcpy(&memory, CMSG_DATA(head), sizeof memory);
      EXPECT_EQ(::fcntl(memory, F_GET_SEALS) & (F_SEAL_WRITE | F_SEAL_SHRINK),
                F_SEAL_WRITE | F_SEAL_SHRINK);
      bytes.resize(kRoom);
      bytes.resize(std::size_t(::pread(memory, bytes.data(), bytes.size(), 0)));
      ::close(memory);
      in_memory_ = true;
    }
    return bytes;
  }
  std::string take_all() {
    std::string all;
    while (const auto bytes = take()) {
      if (bytes->empty()) break;
      all += *bytes;
    }
    return all;
  }
  [[nodiscard]] bool in_memory() const { return in_memory_; }

 private:
  int fd_;
  bool in_memory_ = false;
};

// An entry of the journal's native protocol; what is wrong, or nothing.
std::string parse_journal(const std::string& entry, std::map<std::string, std::string>& to) {
  for (std::size_t at = 0; at < entry.size();) {
    std::size_t end = at;
    while (end < entry.size() &&
           (std::isupper(u8(entry[end])) || std::isdigit(u8(entry[end])) || entry[end] == '_')) {
      ++end;
    }
    const std::string name = entry.substr(at, end - at);
    if (name.empty() || name.size() > 64 || !std::isupper(u8(name[0]))) return "name " + name;
    if (end >= entry.size()) return "no value of " + name;
    u64 size = 0;
    if (entry[end] == '=') {
      size = entry.find('\n', end) - end - 1;
    } else if (entry[end] == '\n' && end + 9 < entry.size()) {
      std::memcpy(&size, entry.data() + end + 1, 8);
      end += 8;
    } else {
      return "byte behind " + name;
    }
    if (end + 1 + size >= entry.size() || entry[end + 1 + size] != '\n') return "end of " + name;
    to[name] = entry.substr(end + 1, size);
    at = end + 2 + size;
  }
  return "";
}

class MessageSinkTest : public ::testing::Test {
 protected:
  void configure(SinkKind kind, std::string to) {
    config_.kind = kind;
    config_.path = std::move(to);
    site_ = journal_.add_site(text_site("hello {}",
                                        {{ArgType::kString, ""}, {ArgType::kString, "user"}},
                                        Level::warning, "net.http"));
  }
  void say(std::string_view what, std::string_view user = "ann") {
    journal_.add(site_, {text(what), text(user)});
    journal_.commit();
  }
  // Everything that the cursor has not passed.
  Status write() {
    if (!sink_) {
      auto made = sink::make_sink(config_, os::real_io(), region_.get());
      if (!made.ok()) return made.status();
      sink_ = std::move(made.value());
      EXPECT_TRUE(sink_->open(catalog_, cursor_).ok());
    }
    std::vector<BatchView> batches;
    for (const auto& bytes : journal_.batches()) {
      const BatchView batch(bytes.data());
      if (batch.next_sequence() > cursor_.sequence()) batches.push_back(batch);
    }
    return batches.empty() ? Status() : sink_->write(batches, catalog_, cursor_);
  }
  // For what more than fills the buffers of a TCP connection.
  static region::RegionOptions roomy() {
    region::RegionOptions options = small_region();
    options.reserved_bytes = 48 << 20;
    options.journal_bytes = 16 << 20;
    return options;
  }
  u64 delivered() { return region_.entry().delivered.load(); }

  Directory directory_;
  const std::string path_ = directory_ / "socket";
  TestRegion region_{roomy()};
  JournalMaker journal_{region_.get()};
  back::Catalog catalog_{region_.get()};
  back::Cursor cursor_{region_.entry()};
  back::SinkConfig config_;
  std::unique_ptr<back::Sink> sink_;
  u32 site_ = 0;
};

TEST_F(MessageSinkTest, SyslogIsRfc5424) {
  Inbox inbox = Inbox::unix_datagram(path_);
  configure(SinkKind::syslog, path_);
  config_.facility = 16;
  say("a]b\nc", "q\"\\]");
  ASSERT_TRUE(write().ok());
  Rfc5424 read;
  const std::string message = inbox.take().value_or("nothing");
  ASSERT_EQ(read.parse(message), "") << message;
  EXPECT_EQ(read.priority, 16 * 8 + 4);
  EXPECT_EQ(read.app, "demo");
  EXPECT_EQ(read.process, std::to_string(::getpid()));
  EXPECT_EQ(read.message, "hello a]b\\nc");
  EXPECT_EQ(read.data["fields@32473"]["user"], "q\"\\]");
  EXPECT_EQ(read.data["sluice@32473"]["logger"], "net.http");
  EXPECT_EQ(read.data["sluice@32473"]["source"], "demo.cc:42");
  EXPECT_EQ(delivered(), 1u);
}

TEST_F(MessageSinkTest, JournaldGetsFieldsUnderItsNames) {
  Inbox inbox = Inbox::unix_datagram(path_);
  configure(SinkKind::journald, path_);
  say("you", "two\nlines");
  ASSERT_TRUE(write().ok());
  std::map<std::string, std::string> read;
  const std::string entry = inbox.take().value_or("nothing");
  ASSERT_EQ(parse_journal(entry, read), "") << entry;
  EXPECT_EQ(read["MESSAGE"], "hello you");
  EXPECT_EQ(read["PRIORITY"], "4");
  EXPECT_EQ(read["SYSLOG_IDENTIFIER"], "demo");
  EXPECT_EQ(read["CODE_FILE"], "src/demo.cc");
  EXPECT_EQ(read["CODE_LINE"], "42");
  EXPECT_EQ(read["CODE_FUNC"], "run");
  EXPECT_EQ(read["TID"], "4711");
  EXPECT_EQ(read["SLUICE_LOGGER"], "net.http");
  EXPECT_EQ(read["USER"], "two\nlines");
  EXPECT_FALSE(inbox.in_memory());
}

TEST_F(MessageSinkTest, JournaldGetsLongEntriesInASealedFile) {
  Inbox inbox = Inbox::unix_datagram(path_);
  configure(SinkKind::journald, path_);
  const std::string huge(400'000, 'x');
  say("a");
  say(huge);
  say("c");
  ASSERT_TRUE(write().ok());
  std::vector<std::string> messages;
  while (const auto entry = inbox.take()) {
    std::map<std::string, std::string> read;
    ASSERT_EQ(parse_journal(*entry, read), "");
    messages.push_back(read["MESSAGE"]);
  }
  EXPECT_EQ(messages, (std::vector<std::string>{"hello a", "hello " + huge, "hello c"}));
  EXPECT_TRUE(inbox.in_memory());
}

TEST_F(MessageSinkTest, WhatNoDatagramTakesIsCutAndThatIsSaid) {
  Inbox inbox = Inbox::inet(SOCK_DGRAM);
  configure(SinkKind::syslog, "udp:127.0.0.1:" + std::to_string(inbox.port()));
  std::string umlauts;
  for (int i = 0; i < 60'000; ++i) umlauts += "\xc3\xbc";
  say(umlauts);
  const Status status = write();
  EXPECT_NE(status.message().find("such messages are cut"), std::string::npos);
  Rfc5424 read;
  ASSERT_EQ(read.parse(inbox.take().value_or("nothing")), "");
  EXPECT_TRUE(read.message.ends_with("\xc3\xbc [cut]"));
  EXPECT_GT(read.message.size(), 40'000u);
  say(umlauts);
  EXPECT_TRUE(write().ok()) << "said once";
  EXPECT_EQ(delivered(), 2u);
}

TEST_F(MessageSinkTest, AnAbsentReceiverIsRetriedAndAFormerOneFoundAgain) {
  configure(SinkKind::syslog, path_);
  say("1");
  const Status status = write();
  EXPECT_EQ(status.error_class(), ErrorClass::kRetryable);
  EXPECT_NE(status.message().find(path_ + ": cannot be sent to: ENOENT"), std::string::npos)
      << status.message();
  EXPECT_EQ(delivered(), 0u);
  {
    Inbox inbox = Inbox::unix_datagram(path_);
    ASSERT_TRUE(write().ok());
    EXPECT_NE(inbox.take_all().find("hello 1"), std::string::npos);
  }
  say("2");
  EXPECT_FALSE(write().ok());
  std::filesystem::remove(path_);
  Inbox again = Inbox::unix_datagram(path_);
  say("3");
  ASSERT_TRUE(write().ok());
  Rfc5424 second, third;
  EXPECT_EQ(second.parse(again.take().value_or("")), "");
  EXPECT_EQ(third.parse(again.take().value_or("")), "");
  EXPECT_EQ(second.message + third.message, "hello 2hello 3");
  EXPECT_EQ(delivered(), 3u);
}

TEST_F(MessageSinkTest, AFullReceiverGetsEverythingOnceItReads) {
  Inbox inbox = Inbox::unix_datagram(path_);
  configure(SinkKind::journald, path_);
  u64 queue = 0;
  std::ifstream("/proc/sys/net/unix/max_dgram_qlen") >> queue;
  const u64 records = 2 * queue + 5;
  for (u64 i = 0; i < records; ++i) journal_.add(site_, {text("x"), text(std::to_string(i))});
  journal_.commit();
  std::vector<std::string> users;
  int full = 0;
  for (Status status = write();; status = write()) {
    while (const auto entry = inbox.take()) {
      std::map<std::string, std::string> read;
      ASSERT_EQ(parse_journal(*entry, read), "");
      users.push_back(read["USER"]);
    }
    if (status.ok()) break;
    ASSERT_NE(status.message().find("the receiver takes nothing"), std::string::npos);
    ++full;
  }
  EXPECT_GT(full, 0);
  ASSERT_EQ(users.size(), records);
  for (u64 i = 0; i < records; ++i) ASSERT_EQ(users[i], std::to_string(i));
  EXPECT_EQ(delivered(), records);
}

TEST_F(MessageSinkTest, WhatItMissedIsSaid) {
  Inbox inbox = Inbox::unix_datagram(path_);
  configure(SinkKind::syslog, path_);
  say("1");
  ASSERT_TRUE(write().ok());
  ASSERT_TRUE(sink_->write_gap(12, 40).ok());
  say("2");
  ASSERT_TRUE(write().ok());
  (void)inbox.take();
  Rfc5424 gap, next;
  ASSERT_EQ(gap.parse(inbox.take().value_or("")), "");
  EXPECT_NE(gap.message.find("12"), std::string::npos) << gap.message;
  ASSERT_EQ(next.parse(inbox.take().value_or("")), "");
  EXPECT_EQ(next.message, "hello 2");
  EXPECT_EQ(delivered(), 2u);
}

// One that waited for its receiver while the journal went on is counted once: as missed.
TEST_F(MessageSinkTest, AMessageUnderWayThatWasMissedIsNotCountedTwice) {
  configure(SinkKind::syslog, path_);
  say("1");
  ASSERT_FALSE(write().ok());
  ASSERT_TRUE(sink_->write_gap(1, 1).ok());
  Inbox inbox = Inbox::unix_datagram(path_);
  say("2");
  ASSERT_TRUE(write().ok());
  Rfc5424 first;
  ASSERT_EQ(first.parse(inbox.take().value_or("")), "");
  EXPECT_EQ(first.message, "hello 1");
  EXPECT_EQ(delivered(), 1u) << "the second";
}

// LENGTH SP MESSAGE, one after the other.
std::vector<std::string> messages_of(std::string stream) {
  std::vector<std::string> messages;
  while (!stream.empty()) {
    std::size_t digits = 0;
    const std::size_t size = std::stoul(stream, &digits);
    EXPECT_EQ(stream[digits], ' ');
    Rfc5424 read;
    EXPECT_EQ(read.parse(stream.substr(digits + 1, size)), "");
    messages.push_back(read.message);
    stream.erase(0, std::min(digits + 1 + size, stream.size()));
  }
  return messages;
}

TEST_F(MessageSinkTest, TcpCountsOctetsAndConnectsAgain) {
  std::optional<Inbox> listener(Inbox::inet(SOCK_STREAM));
  const u16 port = listener->port();
  configure(SinkKind::syslog, "tcp:127.0.0.1:" + std::to_string(port));
  say("1");
  say("two\nlines");
  ASSERT_TRUE(write().ok());
  std::optional<Inbox> connection(listener->accept());
  EXPECT_EQ(messages_of(connection->take_all()),
            (std::vector<std::string>{"hello 1", "hello two\\nlines"}));
  connection.reset();  // the peer ends it
  say("3");
  ASSERT_TRUE(write().ok());
  connection.emplace(listener->accept());
  EXPECT_EQ(messages_of(connection->take_all()), std::vector<std::string>{"hello 3"});
  connection.reset();
  listener.reset();
  say("4");
  const Status status = write();
  EXPECT_NE(status.message().find("cannot be sent to: ECONNREFUSED"), std::string::npos)
      << status.message();
  listener.emplace(Inbox::inet(SOCK_STREAM, port));
  ASSERT_TRUE(write().ok());
  connection.emplace(listener->accept());
  EXPECT_EQ(messages_of(connection->take_all()), std::vector<std::string>{"hello 4"});
  EXPECT_EQ(delivered(), 4u);
}

TEST_F(MessageSinkTest, AMessageUnderWayOnTcpGoesOnWhereItWas) {
  Inbox listener = Inbox::inet(SOCK_STREAM, 0, 4096);
  configure(SinkKind::syslog, "tcp:127.0.0.1:" + std::to_string(listener.port()));
  std::vector<std::string> expected;
  for (int i = 0; i < 60; ++i) {
    const std::string what = std::to_string(i) + std::string(200'000, 'x');
    say(what);
    expected.push_back("hello " + what);
  }
  std::optional<Inbox> connection;
  std::string stream;
  int full = 0;
  for (Status status = write();; status = write()) {
    if (!connection) connection.emplace(listener.accept());
    stream += connection->take_all();
    if (status.ok()) break;
    ++full;
  }
  EXPECT_GT(full, 0);
  EXPECT_TRUE(messages_of(stream) == expected);
  EXPECT_EQ(delivered(), expected.size());
}

TEST_F(MessageSinkTest, UdpThatNobodyTakesIsSaidOnce) {
  std::optional<Inbox> inbox(Inbox::inet(SOCK_DGRAM));
  configure(SinkKind::syslog, "udp:127.0.0.1:" + std::to_string(inbox->port()));
  inbox.reset();
  std::string said;
  for (int i = 0; i < 10; ++i) {
    say(std::to_string(i));
    said += write().message();
  }
  EXPECT_NE(said.find("nobody listens there"), std::string::npos) << said;
  EXPECT_EQ(said.find("nobody listens"), said.rfind("nobody listens")) << said;
}

TEST_F(MessageSinkTest, MistakesSayWhatAndHow) {
  const auto mistake = [](SinkKind kind, std::string to, u8 facility = 1) {
    back::SinkConfig config;
    config.kind = kind;
    config.path = std::move(to);
    config.facility = facility;
    return sink::check_sink(config, os::real_io()).message();
  };
  EXPECT_NE(mistake(SinkKind::syslog, "udp:box:514").find("no address in digits"),
            std::string::npos);
  EXPECT_NE(mistake(SinkKind::syslog, "tcp:127.0.0.1:0").find("port 0"), std::string::npos);
  EXPECT_NE(mistake(SinkKind::syslog, "log").find("such as /dev/log, udp:"), std::string::npos);
  EXPECT_NE(mistake(SinkKind::journald, "udp:127.0.0.1:514").find("such as /run/systemd"),
            std::string::npos);
  EXPECT_NE(mistake(SinkKind::journald, "/" + std::string(200, 'x')).find("107 bytes"),
            std::string::npos);
  EXPECT_NE(mistake(SinkKind::syslog, "/dev/log", 24).find("facility 24"), std::string::npos);
  EXPECT_EQ(mistake(SinkKind::syslog, "udp:[::1]:514"), "");
  EXPECT_EQ(mistake(SinkKind::journald, "/run/systemd/journal/socket"), "");
}

}  // namespace
}  // namespace sluice::testing
