// Records of a file of lines: JSON objects where a line is one, text otherwise.
#include <algorithm>

#include "cli/line_file.h"
#include "cli/line_record.h"
#include "cli/record_source.h"

namespace sluice::cli {
namespace {

class LineSource final : public RecordSource {
 public:
  explicit LineSource(std::unique_ptr<LineFile> file)
      : file_(std::move(file)), records_(file_->modified_ns()) {}

  const Entry* next() override {
    if (rest_.empty()) {
      do {
        if (!file_->next(rest_)) return nullptr;
        if (rest_.ends_with('\r')) rest_.remove_suffix(1);  // of a line end "\r\n"
      } while (rest_.empty());
      if (rest_.starts_with('{')) {
        if (const Entry* entry = records_.from_json(rest_)) {
          line_ = rest_;
          rest_ = {};
          is_json_ = true;
          return entry;
        }
      }
    }
    // Text longer than a record can hold comes in pieces.
    is_json_ = false;
    line_ = rest_.substr(0, LineRecord::kTextBytesMax);
    rest_.remove_prefix(line_.size());
    return &records_.from_text(line_);
  }

  bool follow() override { return file_->follow(); }
  std::string_view line() const override { return line_; }
  bool line_is_json() const override { return is_json_; }
  std::string trouble() const override { return file_->problem(); }

 private:
  std::unique_ptr<LineFile> file_;
  LineRecord records_;
  std::string_view rest_;  // of the file's line, not yet given out
  std::string_view line_;
  bool is_json_ = false;
};

}  // namespace

Result<std::unique_ptr<RecordSource>> open_lines(const std::string& path,
                                                 const SourceOptions& options) {
  auto file = std::make_unique<LineFile>(os::real_io(), path, options.following);
  const Status status = file->open();
  if (!status.ok()) return status;
  return Result<std::unique_ptr<RecordSource>>(std::make_unique<LineSource>(std::move(file)));
}

}  // namespace sluice::cli
