#include "collector/http_server.h"

#include <gtest/gtest.h>

#include <future>
#include <list>
#include <thread>

#include "collector/support/web_client.h"
#include "os/child.h"
#include "os/process.h"
#include "os/service_manager.h"
#include "os/tcp_socket.h"

namespace sluice::collector {
namespace {

using test::body_of;
using test::web_get;
using test::WebClient;

constexpr i64 kSecond = 1'000'000'000;

class Http : public ::testing::Test {
 protected:
  void start(HttpServer::Options options = {}) {
    options.listener = os::listen_tcp({.address = "127.0.0.1"}, 128);
    ASSERT_GE(options.listener, 0);
    port_ = os::listener_info(options.listener).port;
    if (!options.answer) {
      options.answer = [](std::string_view path) {
        return HttpAnswer{.body = "page " + std::string(path)};
      };
    }
    auto server = HttpServer::start(std::move(options));
    ASSERT_TRUE(server.ok()) << server.status().message();
    server_ = std::move(server.value());
  }
  void TearDown() override {
    if (server_) {
      EXPECT_EQ(server_->stop(deadline()), 0U);
    }
  }
  static u64 deadline() { return u64(os::monotonic_ns() + 60 * kSecond); }

  // The status line and all of one request with these lines as its head.
  std::string ask(const std::string& head) const {
    WebClient client(port_);
    client.say(head + "\r\n\r\n");
    client.end_saying();
    return client.answer();
  }
  std::string ask_as(const std::string& headers) const {
    return ask("GET /x HTTP/1.1\r\n" + headers);
  }
  static bool is(const std::string& answer, const std::string& status) {
    return answer.starts_with("HTTP/1.1 " + status + " ") ||
           answer.starts_with("HTTP/1.0 " + status + " ");
  }

  std::unique_ptr<HttpServer> server_;
  u16 port_ = 0;
};

TEST_F(Http, AnswersOnOneConnectionAfterTheOther) {
  start();
  WebClient client(port_);
  client.say(
      "GET /one?a=b HTTP/1.1\r\nHost: localhost\r\n\r\n"
      "GET /two HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(body_of(client.answer()), "page /one");
  EXPECT_EQ(body_of(client.answer()), "page /two");
  client.say("HEAD /three HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
  const std::string head = client.answer();
  EXPECT_TRUE(is(head, "200"));
  EXPECT_NE(head.find("Content-Length: 11"), std::string::npos);
  EXPECT_EQ(body_of(head), "");
  EXPECT_TRUE(client.ends());
  EXPECT_EQ(server_->stats().answered, 3U);
}

TEST_F(Http, OnlyNamesOfThisMachineAreAnswered) {
  start();
  for (const char* const host : {"localhost", "localhost:9464", "127.0.0.1", "127.1.2.3:80",
                                 "[::1]", "[::1]:9464", "localhost:"}) {
    EXPECT_TRUE(is(ask_as("Host: " + std::string(host)), "200")) << host;
  }
  for (const char* const host :
       {"example.org", "localhost.example.org", "127.0.0.1.example.org", "127.0.0.1@example.org",
        "0.0.0.0", "192.168.1.1", "[::2]", "[::1", "", ":80", "9464", "localhost:80x"}) {
    const std::string answer = ask_as("Host: " + std::string(host));
    EXPECT_TRUE(is(answer, "403")) << host << ": " << answer;
    EXPECT_EQ(answer.find("page"), std::string::npos);
  }
  EXPECT_TRUE(is(ask_as("Accept: */*"), "400")) << "no Host";
  EXPECT_TRUE(is(ask_as("Host: localhost\r\nHost: example.org"), "400")) << "two";
  EXPECT_TRUE(is(ask_as("Host: localhost\r\nOrigin: http://example.org"), "403"));
  EXPECT_TRUE(is(ask_as("Host: localhost\r\nOrigin: null"), "403"));
  EXPECT_TRUE(is(ask_as("Host: localhost\r\nOrigin: http://localhost:3000"), "200"));
}

TEST_F(Http, WithATokenWhoBearsItIsAnsweredByAnyName) {
  start({.any_host = true, .token = "s3cret", .answer = {}});
  EXPECT_TRUE(is(ask_as("Host: a.example.org"), "401"));
  EXPECT_TRUE(is(ask_as("Host: a.example.org\r\nAuthorization: Bearer s3cre"), "401"));
  EXPECT_TRUE(is(ask_as("Host: a.example.org\r\nAuthorization: Bearer s3crets"), "401"));
  EXPECT_TRUE(is(ask_as("Host: a.example.org\r\nAuthorization: Basic s3cret"), "401"));
  EXPECT_TRUE(is(ask_as("Host: a.example.org\r\nAuthorization: Bearer s3cret"), "200"));
  server_->set_token("other");
  EXPECT_TRUE(is(ask_as("Host: a.example.org\r\nAuthorization: Bearer s3cret"), "401"));
  EXPECT_TRUE(is(ask_as("Host: a.example.org\r\nAuthorization: Bearer other"), "200"));
}

TEST_F(Http, WhatIsNoRequestIsRefused) {
  start();
  EXPECT_TRUE(is(ask("nonsense"), "400"));
  EXPECT_TRUE(is(ask(std::string("GET /\0 HTTP/1.1\r\nHost: localhost", 33)), "400"));
  EXPECT_TRUE(is(ask("POST /metrics HTTP/1.1\r\nHost: localhost"), "405"));
  EXPECT_TRUE(is(ask("DELETE / HTTP/1.1\r\nHost: localhost"), "405"));
  const std::string body =
      ask("POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nabcd");
  EXPECT_FALSE(is(body, "200")) << body;
  const std::string pairs(9000, 'x');
  EXPECT_TRUE(is(ask_as("Host: localhost\r\nX: " + pairs), "431"));
  EXPECT_TRUE(is(ask("GET /" + pairs + " HTTP/1.1\r\nHost: localhost"), "431"));
  EXPECT_TRUE(is(ask_as("Host: localhost"), "200")) << "control";
  EXPECT_EQ(server_->stats().answered, 1U);
  EXPECT_GE(server_->stats().refused, 7U);
}

TEST_F(Http, ASlowHeadCostsItsConnectionOnly) {
  start({.answer = {}, .idle_ns_max = kSecond / 10});
  WebClient slow(port_);
  slow.say("GET / HTTP/1.1\r\nHost: loc");
  ASSERT_TRUE(slow.ends());
  WebClient silent(port_);
  ASSERT_TRUE(silent.ends());
  // Counted after the end that the client sees.
  while (server_->stats().timed_out < 2) std::this_thread::yield();
  EXPECT_EQ(server_->stats().timed_out, 2U);
}

TEST_F(Http, MoreThanSoManyConnectionsDisplaceTheIdlest) {
  start({.answer = {}, .connections_max = 8, .idle_ns_max = 600 * kSecond});
  std::list<WebClient> clients;
  for (int i = 0; i < 100; ++i) {
    clients.emplace_back(port_);
    ASSERT_TRUE(clients.back().connected());
    // So that they are accepted one after the other.
    clients.back().say("GET /n HTTP/1.1\r\nHost: localhost\r\n\r\n");
    ASSERT_EQ(body_of(clients.back().answer()), "page /n") << i;
  }
  EXPECT_EQ(server_->stats().displaced, 92U);
  EXPECT_TRUE(clients.front().ends());
  clients.back().say("GET /last HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(body_of(clients.back().answer()), "page /last");
}

TEST_F(Http, AClientThatReadsNothingDelaysNobody) {
  start({.answer =
             [](std::string_view path) {
               return HttpAnswer{.body = std::string(path == "/big" ? 32 << 20 : 3, 'x')};
             },
         .idle_ns_max = 600 * kSecond});
  WebClient deaf(port_);
  deaf.say("GET /big HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_EQ(body_of(web_get(port_, "/small")), "xxx");
  EXPECT_EQ(server_->stop(deadline()), 0U) << "and a stop does not wait for it";
}

TEST_F(Http, AnAnswerThatDoesNotComeIsSeenAndLeftBehind) {
  std::promise<void> asked, go_on;
  start({.answer = [&asked, gone_on = go_on.get_future().share()](std::string_view) {
    asked.set_value();
    gone_on.wait();
    return HttpAnswer{};
  }});
  while (!server_->gets_on()) {
  }
  WebClient client(port_);
  client.say("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  asked.get_future().wait();
  (void)server_->gets_on();  // the one before may have come in time
  EXPECT_FALSE(server_->gets_on());
  EXPECT_EQ(server_->stop(u64(os::monotonic_ns())), 1U);
  go_on.set_value();
  server_.reset();
  // Its thread is the last that holds the connection.
  while (!client.answer().empty()) {
  }
}

TEST(SameSecret, IsEquality) {
  EXPECT_TRUE(same_secret("abc", "abc"));
  EXPECT_TRUE(same_secret("", ""));
  EXPECT_FALSE(same_secret("abc", ""));
  EXPECT_FALSE(same_secret("", "abc"));
  EXPECT_FALSE(same_secret("abcabc", "abc"));
  EXPECT_FALSE(same_secret("abd", "abc"));
}

TEST(HttpServer, SaysWhyItCannotStart) {
  const auto refused = HttpServer::start({.listener = -1, .answer = {}});
  EXPECT_FALSE(refused.ok());
}

}  // namespace
}  // namespace sluice::collector
