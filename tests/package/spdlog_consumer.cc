// The program of a user of spdlog who has just changed the library. Writes consumer.log here.
#include "spdlog/sinks/basic_file_sink.h"
#include "spdlog/spdlog.h"

int main() {
  auto log = spdlog::basic_logger_mt("consumer", "consumer.log", true);
  log->info("order {} at {}", 17, 99.5);
  log->info("{} and {}", "functions", 2);
}
