// The ways to say something: levels, loggers with a threshold each, fields, context, values of your
// own types, exceptions, events, metrics, state. Writes loggers.log and loggers.jsonl here.
#include <sluice/sluice.h>

#include <stdexcept>
#include <string>

namespace shop {

struct Price {
  long cents;
};
// Makes Price something that can be logged: found by the compiler because it stands beside Price.
double sluice_value(const Price& price) { return static_cast<double>(price.cents) / 100; }

enum class Color { red, green };
std::string_view sluice_value(Color color) { return color == Color::red ? "red" : "green"; }

}  // namespace shop

namespace {

using sluice::kv;

sluice::Logger g_net{"net"};
sluice::Logger g_http{"net.http"};

void levels() {
  SLUICE_DEBUG("not shown: the root logger's threshold is info");
  SLUICE_INFO("started with {} workers", 4);
  SLUICE_WARNING("disk {percent:.1f} % full", 91.25);
  sluice::error("no macro needed: {} of {} failed", 3, 10);
}

void loggers() {
  SLUICE_LOGGER_DEBUG(g_http, "GET {path}", "/index.html");  // "net" lets debug through, see main
  SLUICE_LOGGER_INFO(g_net, "connected to {host}:{port}", "example.org", 443);
}

void fields_and_context() {
  const sluice::Context request(kv("request", 17), kv("user", "ann"));
  SLUICE_INFO("order {id} at {price}", 1001, shop::Price{9950});
  SLUICE_INFO("paint", kv("color", shop::Color::green), kv("litres", 2.5));
  SLUICE_EVENT("order.paid", kv("id", 1001), kv("ok", true));
}

void exceptions() {
  try {
    throw std::runtime_error("connection lost");
  } catch (const std::exception& error) {
    SLUICE_ERROR("cannot deliver: {what}", error.what(), kv("retry", true));
  }
}

void metrics_and_state() {
  SLUICE_COUNTER("orders", 1, kv("shop", "north"));
  SLUICE_GAUGE("queue.depth", 12);
  SLUICE_TIMER("request", 0.0042);
  SLUICE_STATE(kv("open", true), kv("customers", 3));
}

}  // namespace

int main() {
  sluice::start_or_exit(
      {.product = "loggers",
       .sinks = {sluice::text_file("loggers.log"), sluice::json_file("loggers.jsonl")}});
  sluice::set_level("net", sluice::Level::debug);
  levels();
  loggers();
  fields_and_context();
  exceptions();
  metrics_and_state();
  return sluice::stop() ? 0 : 1;
}
