// Records of streams: of one file of blocks, or of a directory of streams, in which each stream's
// files follow each other in their order, one stream after the other.
#include <algorithm>
#include <map>
#include <tuple>

#include "cli/command.h"
#include "cli/line_record.h"
#include "cli/record_source.h"
#include "os/io.h"
#include "segment/source.h"
#include "stream/block_scanner.h"
#include "stream/directory.h"
#include "stream/names.h"

namespace sluice::cli {
namespace {

class BlockSource final : public RecordSource {
 public:
  BlockSource(std::string path, std::unique_ptr<ByteSource> bytes)
      : path_(std::move(path)), bytes_(std::move(bytes)), scanner_(*bytes_) {}

  const Entry* next() override {
    if (rest_.empty()) {
      while (next_ == texts_.size()) {
        if (!next_block()) return nullptr;
      }
      line_ = rest_ = texts_[next_++];
      // Bytes that are JSON were written as it.
      if (rest_.starts_with('{')) {
        if (const Entry* entry = records_->from_json(rest_)) {
          is_json_ = true;
          rest_ = {};
          return entry;
        }
      }
    }
    // Text longer than a record can hold comes in pieces.
    is_json_ = false;
    line_ = rest_.substr(0, LineRecord::kTextBytesMax);
    rest_.remove_prefix(line_.size());
    return &records_->from_text(line_);
  }
  bool follow() override { return next_block(); }
  bool ended() const override { return sealed_; }
  std::string_view line() const override { return line_; }
  bool line_is_json() const override { return is_json_; }
  std::string trouble() const override {
    std::string text;
    const auto add = [&](u64 count, std::string_view what) {
      if (count == 0) return;
      text += (text.empty() ? in_quotes(path_) + ": " : ", ") + std::to_string(count) +
              std::string(what);
    };
    add(missing_, " records are damaged");
    add(scanner_.damaged_bytes(), " bytes are damaged");
    add(sealed_ ? scanner_.tail().length : 0, " bytes behind its end");
    return text.empty() ? text : text + "; see `sluice verify`";
  }

 private:
  bool next_block() {
    texts_.clear();
    next_ = 0;
    if (!scanner_.next(block_)) return false;
    const stream::BlockHeader& header = block_.header;
    sealed_ = header.kind == u8(stream::BlockKind::kSeal);
    // Its records say no time of their own, but for those that do.
    if (!records_) records_ = std::make_unique<LineRecord>(header.begin_ns);
    stream::for_each_record(block_.bytes, block_.good,
                            [this](ByteView record) { texts_.push_back(as_text(record)); });
    missing_ += header.records - std::min<u64>(header.records, texts_.size());
    return true;
  }

  const std::string path_;
  const std::unique_ptr<ByteSource> bytes_;
  stream::BlockScanner scanner_;
  stream::Block block_;
  std::unique_ptr<LineRecord> records_;
  std::vector<std::string_view> texts_;  // of the block
  std::size_t next_ = 0;
  std::string_view rest_;  // of the record, not yet given out
  std::string_view line_;
  bool is_json_ = false;
  bool sealed_ = false;
  u64 missing_ = 0;
};

// One file after the other.
class FileChain final : public RecordSource {
 public:
  explicit FileChain(std::vector<std::string> paths) : paths_(std::move(paths)) {}

  const Entry* next() override {
    for (; at_ < paths_.size(); ++at_, file_.reset()) {
      if (!file_) {
        auto opened = open_source(paths_[at_], {});
        if (!opened.ok()) {
          add_trouble(opened.status().message());
          continue;
        }
        file_ = std::move(opened.value());
        ++generation_;
      }
      if (const Entry* entry = file_->next()) return entry;
      add_trouble(file_->trouble());
    }
    return nullptr;
  }
  bool follow() override { return false; }
  bool ended() const override { return true; }
  u64 generation() const override { return generation_; }
  std::string_view line() const override { return file_ ? file_->line() : std::string_view(); }
  bool line_is_json() const override { return file_ && file_->line_is_json(); }
  std::string trouble() const override { return trouble_; }

 private:
  void add_trouble(const std::string& text) {
    if (!text.empty()) trouble_ += (trouble_.empty() ? "" : "\n") + text;
  }

  const std::vector<std::string> paths_;
  std::size_t at_ = 0;
  std::unique_ptr<RecordSource> file_;
  u64 generation_ = 0;
  std::string trouble_;
};

}  // namespace

bool is_stream_directory(const std::string& path) {
  os::FileInfo info;
  return os::real_io().stat((path + "/" + stream::kIndexName).c_str(), info) == 0 && info.regular;
}

std::vector<std::string> stream_files(const std::string& directory) {
  // By stem and number; the file that is written comes last.
  std::map<std::tuple<std::string, u64>, std::string> files;
  (void)os::real_io().list(directory.c_str(), [&](const char* name) {
    const std::string_view text(name);
    if (!text.ends_with(".log") || text.starts_with('.')) return;
    const stream::FinishedName finished = stream::parse_finished(text);
    const std::string_view stem =
        finished.number > 0 ? finished.stem : text.substr(0, text.size() - 4);
    const u64 number = finished.number > 0 ? finished.number : ~u64{0};
    files[{std::string(stem), number}] = directory + (directory.ends_with('/') ? "" : "/") + name;
  });
  std::vector<std::string> paths;
  for (const auto& [key, path] : files) paths.push_back(path);
  return paths;
}

Result<std::unique_ptr<RecordSource>> open_blocks(const std::string& path) {
  auto bytes = sluice::open_source(os::real_io(), path);
  if (!bytes.ok()) return bytes.status();
  return Result<std::unique_ptr<RecordSource>>(
      std::make_unique<BlockSource>(path, std::move(bytes.value())));
}

Result<std::unique_ptr<RecordSource>> open_streams(const std::string& directory,
                                                   const SourceOptions& options) {
  if (options.following) {
    return fatal(in_quotes(directory) + " is a directory of streams: name the file to follow");
  }
  return Result<std::unique_ptr<RecordSource>>(
      std::make_unique<FileChain>(stream_files(directory)));
}

}  // namespace sluice::cli
