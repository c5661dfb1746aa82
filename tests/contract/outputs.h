// What came out: files as lines, JSON Lines as objects, and a callback sink that keeps records.
#ifndef SLUICE_TESTS_CONTRACT_OUTPUTS_H_
#define SLUICE_TESTS_CONTRACT_OUTPUTS_H_

#include <sluice/sluice.h>

#include <atomic>
#include <mutex>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "support/read_file.h"

namespace sluice::test {

inline std::vector<std::string> read_lines(const std::string& path) {
  std::vector<std::string> lines;
  std::istringstream in(read_file(path));
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

inline std::vector<nlohmann::json> read_json(const std::string& path) {
  std::vector<nlohmann::json> objects;
  for (const std::string& line : read_lines(path)) objects.push_back(nlohmann::json::parse(line));
  return objects;
}

// Keeps a copy of every record. Its lines become whole again when a test reads them by take().
class Kept {
 public:
  struct Record {
    std::int64_t unix_ns;
    std::uint64_t sequence;
    Level level;
    std::uint32_t thread_id;
    std::string logger;
    std::string message;
    nlohmann::json json;
  };

  Kept() = default;
  ~Kept() { (void)stop(60'000); }  // nothing may come here any more
  Kept(const Kept&) = delete;
  Kept& operator=(const Kept&) = delete;

  // The sink to give to start(); required, so that nothing is skipped.
  [[nodiscard]] Sink sink(Sink options = {}) {
    if (options.need == Sink::Need::by_kind) options.need = Sink::Need::required;
    return callback(
        [](const CallbackRecord& record, void* self) { static_cast<Kept*>(self)->add(record); },
        this, options);
  }
  void add(const CallbackRecord& record) {
    const std::lock_guard lock(mutex_);
    records_.push_back({record.unix_ns, record.sequence, record.level, record.thread_id,
                        std::string(record.logger), std::string(record.message),
                        nlohmann::json::parse(record.json)});
  }
  [[nodiscard]] std::vector<Record> take() {
    const std::lock_guard lock(mutex_);
    return std::exchange(records_, {});
  }
  [[nodiscard]] std::size_t count() {
    const std::lock_guard lock(mutex_);
    return records_.size();
  }
  // Delivers what was said and gives the messages.
  [[nodiscard]] std::vector<std::string> messages() {
    (void)flush();
    std::vector<std::string> texts;
    for (const Record& record : take()) texts.push_back(record.message);
    return texts;
  }
  [[nodiscard]] Record last() {
    (void)flush();
    const std::lock_guard lock(mutex_);
    return records_.empty() ? Record{} : records_.back();
  }

 private:
  std::mutex mutex_;
  std::vector<Record> records_;
};

// A callback sink that stands still from its first record on until it is let go.
class Gate {
 public:
  Gate() = default;
  ~Gate() {
    open();
    (void)stop();
  }
  Gate(const Gate&) = delete;
  Gate& operator=(const Gate&) = delete;

  [[nodiscard]] Sink sink(Sink options = {}) {
    return callback([](const CallbackRecord&, void* self) { static_cast<Gate*>(self)->wait(); },
                    this, options);
  }
  void open() {
    open_.store(1, std::memory_order_release);
    open_.notify_all();
  }
  void wait_until_entered() { entered_.wait(0, std::memory_order_acquire); }
  [[nodiscard]] std::uint32_t entered() const { return entered_.load(std::memory_order_acquire); }

  void wait() {
    entered_.fetch_add(1, std::memory_order_release);
    entered_.notify_all();
    open_.wait(0, std::memory_order_acquire);
  }

 private:
  std::atomic<std::uint32_t> open_{0};
  std::atomic<std::uint32_t> entered_{0};
};

}  // namespace sluice::test

#endif  // SLUICE_TESTS_CONTRACT_OUTPUTS_H_
