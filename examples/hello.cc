// The smallest program that logs. Writes hello.log here.
#include <sluice/sluice.h>

int main() {
  sluice::start_or_exit({.product = "hello", .sinks = {sluice::text_file("hello.log")}});
  SLUICE_INFO("Hello, {name}! {count} things to say.", "world", 1);
}
