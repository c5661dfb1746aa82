// sanitizers: address
// One request and its answer: what goes out, what comes back, and when it ends.
#include "net/http.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "os/process.h"
#include "upload/http_server.h"
#include "upload/source_file.h"
#include "upload/test_certificate.h"

namespace sluice::net {
namespace {

using upload::Fault;
using upload::http_answer;
using upload::HttpServer;
using upload::Seen;
using End = Answer::End;

#define EXPECT_END(answer, expected) EXPECT_EQ(int((answer).end), int(expected)) << (answer).error

class HttpTest : public ::testing::Test {
 protected:
  HttpTest()
      : server_([](const Seen& seen) {
          return http_answer("200 OK", seen.method + ' ' + seen.target + ' ' + seen.body,
                             "X-One: 1\r\nx-two:  2  \r\n");
        }),
        http_({.timeout_ms = 5000}) {}

  void answer_by(const Fault& fault) {
    server_.set_faults([fault](const Seen&) { return fault; });
  }
  Request to(const std::string& target, const std::string& method = "GET") {
    return {.method = method, .url = server_.url() + target, .direct = true};
  }

  HttpServer server_;
  Http http_;
};

TEST_F(HttpTest, CarriesMethodHeadersAndBody) {
  Request request = to("/a%20b/../c?d=e&f", "POST");
  request.headers = {"X-Test: yes", "Content-Type: text/plain"};
  request.body.text = "body";
  const Answer answer = http_.send(request);
  EXPECT_END(answer, End::kAnswered);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, "POST /a%20b/../c?d=e&f body");
  ASSERT_NE(answer.header("x-two"), nullptr);
  EXPECT_EQ(*answer.header("x-two"), "2");
  EXPECT_EQ(answer.header("x-three"), nullptr);
  EXPECT_EQ(answer.sent, 4U);
  const auto seen = server_.take_seen();
  ASSERT_EQ(seen.size(), 1U);
  EXPECT_EQ(seen[0].header("x-test"), "yes");
  EXPECT_TRUE(seen[0].header("user-agent").starts_with("sluice/"));
  for (const char* method : {"PUT", "DELETE", "HEAD"}) {
    EXPECT_END(http_.send(to("/x", method)), End::kAnswered);
    EXPECT_EQ(server_.take_seen()[0].method, method);
  }
}

TEST_F(HttpTest, CarriesARangeOfAFile) {
  const upload::SourceFile file(3 << 20);
  Request request = to("/", "PUT");
  request.body = {.read = file.source().reader(), .at = 1000, .size = 2 << 20};
  u64 told = 0;
  request.sent = [&](u64 bytes) { told = bytes; };
  const Answer answer = http_.send(request);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.sent, 2U << 20);
  EXPECT_EQ(told, 2U << 20);
  EXPECT_TRUE(server_.take_seen()[0].body == file.bytes().substr(1000, 2 << 20));
  request.body.size = 4 << 20;  // more than there is
  const Answer shorter = http_.send(request);
  EXPECT_END(shorter, End::kFailed);
  EXPECT_NE(shorter.error.find("shorter"), std::string::npos) << shorter.error;
}

TEST_F(HttpTest, LetsNobodyAddAHeader) {
  for (const std::string& bad :
       {std::string("A: b\r\nC: d"), std::string("A: b\nC: d"), std::string("A: \0b", 5)}) {
    Request request = to("/");
    request.headers = {bad};
    EXPECT_END(http_.send(request), End::kImpossible);
  }
  EXPECT_TRUE(server_.take_seen().empty());
}

TEST_F(HttpTest, BoundsWhatIsAnswered) {
  Request request = to("/");
  request.answer_max = 1000;
  answer_by({.what = Fault::kAnswer, .text = http_answer("200 OK", std::string(1000, 'x'))});
  EXPECT_END(http_.send(request), End::kAnswered);
  answer_by({.what = Fault::kAnswer, .text = http_answer("200 OK", std::string(1001, 'x'))});
  EXPECT_END(http_.send(request), End::kFailed);
  std::string many;
  for (int i = 0; i < 100; ++i) many += "H" + std::to_string(i) + ": x\r\n";
  answer_by({.what = Fault::kAnswer, .text = http_answer("200 OK", "", many)});
  EXPECT_END(http_.send(request), End::kFailed);
  answer_by({.what = Fault::kAnswer,
             .text = http_answer("200 OK", "", "H: " + std::string(9000, 'x') + "\r\n")});
  EXPECT_END(http_.send(request), End::kFailed);
  answer_by({});
  EXPECT_END(http_.send(request), End::kAnswered);
}

TEST_F(HttpTest, TakesNoHalfAnswer) {
  const std::string whole = http_answer("200 OK", "0123456789");
  for (std::size_t bytes = 0; bytes < whole.size(); bytes += 7) {
    answer_by({.what = Fault::kCut, .text = {}, .bytes = bytes});
    EXPECT_END(http_.send(to("/")), End::kFailed);
  }
}

TEST_F(HttpTest, FollowsNoRedirect) {
  for (const char* status : {"301 M", "302 F", "303 S", "307 T", "308 P"}) {
    answer_by({.what = Fault::kAnswer,
               .text = http_answer(status, "", "Location: " + server_.url() + "/other\r\n")});
    EXPECT_EQ(http_.send(to("/", "PUT")).status, std::stoi(status));
  }
  EXPECT_EQ(server_.take_seen().size(), 5U);
}

TEST_F(HttpTest, EndsWhereNobodyIs) {
  const std::string nobody = HttpServer([](const Seen&) { return std::string(); }).url();
  EXPECT_END(http_.send({.url = nobody + "/", .direct = true}), End::kFailed);
  EXPECT_END(http_.send({.url = "http://host.invalid/", .direct = true}), End::kFailed);
  EXPECT_END(http_.send({.url = "http://[/", .direct = true}), End::kImpossible);
  EXPECT_NE(int(http_.send({.url = "file:///etc/passwd"}).end), int(End::kAnswered));
}

TEST_F(HttpTest, EndsWhenTheAnswerTakesTooLong) {
  answer_by({.what = Fault::kSilence});
  Request request = to("/", "PUT");
  request.answer_ms = 300;
  const i64 begin = os::monotonic_ns();
  const Answer answer = http_.send(request);
  EXPECT_END(answer, End::kFailed);
  EXPECT_NE(answer.error.find("no answer for 300 ms"), std::string::npos) << answer.error;
  EXPECT_GE(os::monotonic_ns() - begin, 300'000'000);
}

TEST_F(HttpTest, StopsAtOnce) {
  answer_by({.what = Fault::kSilence});
  std::stop_source stop;
  Request request = to("/");
  request.stop = stop.get_token();
  Http patient({.timeout_ms = 600'000});
  const std::jthread stopper([&] {
    while (server_.take_seen().empty()) os::sleep_ns(1'000'000);
    stop.request_stop();
  });
  EXPECT_END(patient.send(request), End::kStopped);
  EXPECT_END(patient.send(request), End::kStopped);  // and begins nothing
}

TEST_F(HttpTest, ServesManyThreads) {
  std::vector<std::jthread> threads;
  std::atomic<int> right{0};
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 20; ++i) {
        const std::string target = "/" + std::to_string(thread * 100 + i);
        right += http_.send(to(target)).body == "GET " + target + " ";
      }
    });
  }
  threads.clear();
  EXPECT_EQ(right, 80);
}

TEST(Https, TrustsTheGivenCertificateOnly) {
  const upload::TestCertificate certificate, other;
  HttpServer server([](const Seen&) { return http_answer("200 OK", "x"); }, certificate.server());
  char folder[] = "/tmp/sluice_http_XXXXXX";
  const std::string ca = std::string(::mkdtemp(folder)) + "/ca.pem";
  const Request request{.url = server.url() + "/", .direct = true};
  const auto send = [&](const std::string& file) {
    return Http({.timeout_ms = 5000, .ca_file = file}).send(request);
  };
  std::ofstream(ca) << certificate.pem();
  EXPECT_END(send(ca), End::kAnswered);
  EXPECT_END(send(""), End::kImpossible);
  std::ofstream(ca) << other.pem();
  EXPECT_END(send(ca), End::kImpossible);
  EXPECT_END(send("/nonexistent"), End::kImpossible);
  EXPECT_EQ(server.take_seen().size(), 1U);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sluice::net
