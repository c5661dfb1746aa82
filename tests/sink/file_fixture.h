// Writers of a log file, and the oracle of what must stand in it.
//
// A Writer is what one process has: a region, a journal, a sink over them. Its lines are
// "NAME SEQUENCE text", so that every line says whose it is and which. The oracle wants each of
// them exactly once, in order, and no other line, in the files of the log taken together.
#ifndef SLUICE_TESTS_SINK_FILE_FIXTURE_H_
#define SLUICE_TESTS_SINK_FILE_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "sink/file_name.h"
#include "sink/make.h"
#include "support/journal_maker.h"
#include "support/read_file.h"

namespace sluice::testing {

using test::read_file;

class Directory {
 public:
  explicit Directory(const std::string& parent = in_memory()) {
    std::random_device random;
    path_ = parent + "/sluice-sink-" + std::to_string(random()) + std::to_string(random());
    EXPECT_TRUE(std::filesystem::create_directory(path_)) << path_;
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;

  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }
  void clear() const {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directory(path_);
  }

 private:
  static std::string in_memory() {
#ifdef _WIN32
    return std::filesystem::temp_directory_path().parent_path().generic_string();
#else
    return "/dev/shm";
#endif
  }
  std::string path_;
};

inline void write_text(const std::string& path, const std::string& content) {
  std::ofstream(path, std::ios::binary) << content;
}

// Rotated files in order of their numbers, then the current one.
inline std::vector<std::string> files_of(const std::string& log) {
  const sink::FileName name(log);
  std::map<u64, std::string> rotated;
  for (const auto& entry : std::filesystem::directory_iterator(name.directory())) {
    const std::string base = entry.path().filename().generic_string();
    if (const auto number = name.rotated_number(base))
      rotated[*number] = entry.path().generic_string();
  }
  std::vector<std::string> files;
  for (const auto& [number, path] : rotated) files.push_back(path);
  if (std::filesystem::exists(log)) files.push_back(log);
  return files;
}
inline std::string content_of(const std::string& log) {
  std::string all;
  for (const std::string& file : files_of(log)) all += read_file(file);
  return all;
}
inline std::vector<std::string> lines_of(const std::string& content) {
  std::vector<std::string> lines;
  std::istringstream in(content);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

struct WriterOptions {
  std::string name = "a";
  std::string log;
  u32 batches = 3;
  u32 records = 3;      // a batch
  u32 long_record = 0;  // this sequence is longer than the intent area
  u64 rotate_bytes = 0;
  u64 rotate_seconds = 0;
  std::string rotate_at{};
  u32 keep_files = 0;
  u64 keep_seconds = 0;
  bool compress = false;
  bool intent_area = true;
  bool same_text = false;          // every line is "same"
  std::string region_directory{};  // empty: the region is private memory
};

inline region::RegionOptions region_of(const WriterOptions& options) {
  region::RegionOptions region = small_region();
  copy_text(region.directory, options.region_directory);
  region.private_memory = options.region_directory.empty();
  return region;
}

class Writer {
 public:
  explicit Writer(WriterOptions options)
      : options_(std::move(options)), region_(region_of(options_)), journal_(region_.get()) {
    if (options_.intent_area) region_.give_intent_area(0, 128 * 1024);
    const u32 site = journal_.add_site(text_site("{}", {{ArgType::kString, ""}}));
    for (u32 batch = 0; batch < options_.batches; ++batch) {
      for (u32 i = 0; i < options_.records; ++i) {
        const std::string body = text_of(journal_.next_sequence() + i);
        journal_.add(site, {text(body)});
      }
      journal_.commit();
    }
    config_.kind = SinkKind::text;
    config_.path = options_.log;
    config_.pattern = options_.same_text ? "same" : options_.name + " %(sequence) %(message)";
    config_.rotate_bytes = options_.rotate_bytes;
    config_.rotate_seconds = options_.rotate_seconds;
    config_.rotate_at = options_.rotate_at;
    config_.keep_files = options_.keep_files;
    config_.keep_seconds = options_.keep_seconds;
    config_.compress = options_.compress;
    config_.required = true;
  }

  // Starts the sink anew, as a new process on the same region does. What is there is dropped first.
  Status start(os::Io& io) {
    sink_.reset();
    catalog_ = std::make_unique<back::Catalog>(region_.get());
    auto made = make(io);
    if (!made.ok()) return made.status();
    sink_ = std::move(made.value());
    return sink_->open(*catalog_, cursor_);
  }
  // Writes the first `count` batches, or what of them the cursor has not passed, in groups of one,
  // two and three; the first error ends it.
  Status write(u32 count = ~u32{0}) {
    std::vector<BatchView> group;
    const std::size_t end = std::min<std::size_t>(count, journal_.batches().size());
    for (std::size_t i = 0; i < end; ++i) {
      const BatchView batch(journal_.batches()[i].data());
      if (batch.next_sequence() <= cursor_.sequence()) continue;
      group.push_back(batch);
      if (group.size() <= i % 3 && i + 1 < end) continue;
      Status status = sink_->write(group, *catalog_, cursor_);
      if (!status.ok()) return status;
      EXPECT_EQ(cursor_.sequence(), batch.next_sequence());
      group.clear();
    }
    return {};
  }
  void stop() { sink_.reset(); }

  [[nodiscard]] std::vector<std::string> expected() const {
    std::vector<std::string> lines;
    for (u64 i = 1; i < journal_.next_sequence(); ++i) {
      lines.push_back(
          options_.same_text ? "same" : options_.name + " " + std::to_string(i) + " " + text_of(i));
    }
    return lines;
  }
  [[nodiscard]] u64 records() const { return journal_.callers(); }
  [[nodiscard]] const std::string& name() const { return options_.name; }
  [[nodiscard]] region::SinkEntry& entry() { return region_.entry(); }
  [[nodiscard]] region::Region& region() { return region_.get(); }
  [[nodiscard]] back::Sink& sink() { return *sink_; }
  [[nodiscard]] back::Cursor& cursor() { return cursor_; }
  [[nodiscard]] back::SinkConfig& config() { return config_; }
  [[nodiscard]] JournalMaker& journal() { return journal_; }

  // The counters account for every record, once.
  void expect_exact_counters() {
    EXPECT_EQ(entry().delivered.load(), records());
    EXPECT_EQ(entry().filtered.load(), 0u);
    EXPECT_EQ(entry().dropped_error.load(), 0u);
  }

  // What stands where the real sink would: negative controls.
  using Factory = std::function<std::unique_ptr<back::Sink>(const back::SinkConfig&, os::Io&)>;
  void use(Factory factory) { factory_ = std::move(factory); }

 private:
  [[nodiscard]] std::string text_of(u64 sequence) const {
    if (sequence == options_.long_record) return std::string(150'000, 'x');
    return "text of " + std::to_string(sequence * 7);
  }
  Result<std::unique_ptr<back::Sink>> make(os::Io& io) {
    if (factory_) return factory_(config_, io);
    return sink::make_sink(config_, io, region_.get());
  }

  const WriterOptions options_;
  TestRegion region_;
  JournalMaker journal_;
  back::SinkConfig config_;
  back::Cursor cursor_{region_.entry()};
  std::unique_ptr<back::Catalog> catalog_;
  std::unique_ptr<back::Sink> sink_;
  Factory factory_;
};

// What is wrong with `content`, which several writers share; empty: nothing. Reported, not
// asserted, so that negative controls can want it.
inline std::string find_fault(const std::string& content, const std::vector<Writer*>& writers) {
  if (!content.empty() && content.back() != '\n') return "the file does not end in a newline";
  std::map<std::string, std::vector<std::string>> by_writer;
  for (const std::string& line : lines_of(content)) {
    const std::string name = line.substr(0, line.find(' '));
    by_writer[name].push_back(line);
  }
  for (const Writer* writer : writers) {
    const std::vector<std::string> expected = writer->expected();
    const std::vector<std::string>& found = by_writer[writer->name()];
    for (std::size_t i = 0; i < std::max(expected.size(), found.size()); ++i) {
      if (i < expected.size() && i < found.size() && expected[i] == found[i]) continue;
      return writer->name() + ": line " + std::to_string(i) + " is \"" +
             (i < found.size() ? found[i].substr(0, 80) : "missing") + "\"";
    }
    by_writer.erase(writer->name());
  }
  if (!by_writer.empty()) return "a line that nobody wrote: " + by_writer.begin()->second[0];
  return "";
}

}  // namespace sluice::testing

#endif  // SLUICE_TESTS_SINK_FILE_FIXTURE_H_
