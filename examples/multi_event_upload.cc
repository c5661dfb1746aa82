// Many event streams written by many threads, and every finished file of them in a bucket, once.
//
//     multi_event_upload [URL]     gs://bucket/prefix, s3://bucket/prefix; default: a directory
//     here
//
// Ends with 1 if a record or a file is missing.
#include <sluice/stream.h>
#include <sluice/upload.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

constexpr int kThreads = 10;
constexpr int kRecords = 10'000;  // of a thread

// Ends the program with what is wrong; a server would go on.
template <class T>
T must(sluice::Result<T> result) {
  if (!result.ok()) {
    std::fprintf(stderr, "%s\n", result.status().message().c_str());
    std::exit(1);
  }
  return std::move(result).value();
}

void tell(const sluice::UploadEvent& event) {
  if (event.step == sluice::UploadStep::uploaded) {
    std::printf("uploaded %.*s in %.1f ms\n", static_cast<int>(event.file.size()),
                event.file.data(), event.took_ms);
  }
}

}  // namespace

int main(int count, char** values) {
  const char* const to = count > 1 ? values[1] : "bucket";

  sluice::StreamOptions streams;
  streams.flush_interval_ms = 1000;
  streams.rotate_bytes = 512 * 1024;
  auto events = must(sluice::StreamSet::open("events", streams));

  sluice::UploadOptions uploads;
  uploads.layout = sluice::UploadLayout::hive;
  uploads.on_event = tell;
  auto uploader = must(sluice::Uploader::start("events", to, uploads));

  const std::vector<std::string> names = {"payment", "login", "search"};
  std::atomic<std::uint64_t> accepted{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kRecords; ++i) {
        const std::string record = "user=" + std::to_string(thread) + " n=" + std::to_string(i);
        const std::string& name = names[static_cast<std::size_t>(i) % names.size()];
        if (events.write(name, record) == sluice::Admission::kOk) ++accepted;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  // Closed files are finished files; then all of them are sent.
  const bool closed = events.close().ok();
  const bool tried = uploader.drain(60'000);
  const sluice::StreamStatistics written = events.statistics();
  const sluice::UploadStatistics sent = uploader.statistics();
  const bool stopped = uploader.stop();

  const sluice::FlushMetrics metrics = events.flush_metrics();
  std::printf("%llu records accepted, %llu dropped, %llu bytes in %llu files\n",
              static_cast<unsigned long long>(written.accepted),
              static_cast<unsigned long long>(written.dropped()),
              static_cast<unsigned long long>(written.bytes_written),
              static_cast<unsigned long long>(written.files));
  std::printf("flushes: %llu, %.2f ms on average, %.2f ms at most\n",
              static_cast<unsigned long long>(metrics.flushes), metrics.flush_ms_average,
              metrics.flush_ms_max);
  std::printf("uploads: %llu files, %llu successful, %llu failed, %llu bytes, %.1f ms on average\n",
              static_cast<unsigned long long>(sent.files),
              static_cast<unsigned long long>(sent.successful),
              static_cast<unsigned long long>(sent.failed),
              static_cast<unsigned long long>(sent.bytes), sent.upload_ms_average());
  const bool all = written.accepted == accepted && written.lost == 0 &&
                   sent.bytes == written.bytes_written && sent.failed + sent.later == 0;
  return closed && tried && stopped && all ? 0 : 1;
}
