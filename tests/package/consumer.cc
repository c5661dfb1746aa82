// The program of a user who has just installed the library. Writes consumer.log here.
#include <sluice/sluice.h>

int main() {
  sluice::start_or_exit({.product = "consumer", .sinks = {sluice::text_file("consumer.log")}});
  SLUICE_INFO("order {id} at {price}", 17, 99.5);
  sluice::info("{} and {}", "functions", 2);
}
