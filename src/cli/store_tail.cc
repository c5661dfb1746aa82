#include "cli/store_tail.h"

#include "cli/command.h"
#include "cli/log_lines.h"
#include "cli/store_option.h"
#include "os/child.h"
#include "os/io.h"
#include "store/select.h"

namespace sluice::cli {
namespace {

constexpr i64 kLookNs = 50'000'000;  // how often the store is asked whether it has changed

class StoreTail {
 public:
  StoreTail(std::string path, const ViewOptions& options, Filter filter)
      : path_(std::move(path)), options_(options), filter_(std::move(filter)) {}

  Status run(std::unique_ptr<storage::Connection> store, u64 lines) {
    Status status;
    {
      const storage::DatabaseUse use;
      look_at_file(file_);
      status = follow(std::move(store));
      if (status.ok()) status = show_last(lines);
    }
    while (status.ok() && !ended() && !stopped()) {
      const storage::DatabaseUse use;
      status = show_new();
      // Others hold it, or it is full: it will be better soon.
      if (status.error_class() == ErrorClass::kRetryable) status = {};
    }
    output_.flush();
    return status;
  }
  [[nodiscard]] int exit_code() const { return output_.exit_code(); }

 private:
  bool look_at_file(os::FileId& file) const {
    os::FileInfo info;
    if (os::real_io().stat_followed(path_.c_str(), info) != 0) return false;
    file = info.id();
    return true;
  }

  Status follow(std::unique_ptr<storage::Connection> store) {
    // What belongs to a connection goes before it.
    lines_.reset();
    finder_.reset();
    version_ = {};
    seen_version_ = -1;
    store_ = std::move(store);
    const Status status = store_->prepare_into(version_, "PRAGMA data_version");
    if (!status.ok()) return status;
    finder_ = std::make_unique<storage::LogFinder>(*store_, filter_);
    if (options_.json || options_.format == "json") {
      lines_ = make_row_lines(*store_, {.json = true, .csv = false});
      const Result<std::string> head = lines_->head();
      return head.status();
    }
    std::vector<std::string> mistakes;  // it has been read before
    lines_ = make_text_lines(*store_, std::move(*make_pattern(options_.pattern, mistakes)));
    return {};
  }

  Status show_last(u64 lines) {
    const Result<i64> newest = store_->integer_of("SELECT max(id) FROM records");
    if (!newest.ok()) return newest.status();
    last_ = newest.value();
    if (lines == 0) return {};
    Result<std::vector<i64>> ids = finder_->newest(lines);
    if (!ids.ok()) return ids.status();
    // What has come since is for show_new().
    std::erase_if(ids.value(), [&](i64 id) { return id > last_; });
    return show(std::move(ids.value()));
  }

  Status show_new() {
    os::FileId now;
    // A store that was set aside, or removed and made anew, is read from its start.
    if (look_at_file(now) && !(now == file_)) {
      auto store = open_store(path_, storage::Access::kRead);
      if (!store.ok()) return {};  // it is being made
      file_ = now;
      last_ = 0;
      waiting_.clear();
      const Status status = follow(std::move(store.value()));
      if (!status.ok()) return status;
    }
    const Result<bool> row = version_.step();
    if (!row.ok()) return row.status();
    const i64 version = version_.integer(0);
    version_.reset();
    if (version == seen_version_ && waiting_.empty()) return {};
    Result<std::vector<i64>> ids = finder_->since(last_);
    if (!ids.ok()) return ids.status();
    seen_version_ = version;
    return show(std::move(ids.value()));
  }

  // What cannot be read now is shown with what comes next.
  Status show(std::vector<i64> ids) {
    waiting_.insert(waiting_.end(), ids.begin(), ids.end());
    Status status;
    std::size_t done = 0;
    for (; done < waiting_.size() && !ended(); ++done) {
      const Result<std::string_view> line = lines_->line(waiting_[done]);
      status = line.status();
      if (!status.ok()) break;
      if (line.value().empty()) continue;
      ++shown_;
      open_ = output_.write(line.value()) && open_;
    }
    waiting_.erase(waiting_.begin(), waiting_.begin() + std::ptrdiff_t(done));
    open_ = output_.flush() && open_;
    return status;
  }

  [[nodiscard]] bool ended() const { return !open_ || (filter_.limit && shown_ >= *filter_.limit); }
  // Waits a little for a signal, or for the end of whoever reads our output.
  bool stopped() {
    (void)os::wait_readable(inbox_.fd(), -1, kLookNs);
    if (os::reader_has_gone(1)) open_ = false;
    for (auto signal = inbox_.next(); signal.number; signal = inbox_.next()) {
      told_ = told_ || os::is_end_signal(signal.number);
    }
    return told_ || !open_;
  }

  const std::string path_;
  const ViewOptions& options_;
  const Filter filter_;
  os::SignalInbox inbox_;
  Output output_;
  os::FileId file_;
  std::unique_ptr<storage::Connection> store_;
  storage::Statement version_;
  std::unique_ptr<storage::LogFinder> finder_;
  std::unique_ptr<LogLines> lines_;
  i64 seen_version_ = -1;
  i64 last_ = 0;
  std::vector<i64> waiting_;  // to be shown
  u64 shown_ = 0;
  bool open_ = true;
  bool told_ = false;
};

}  // namespace

int tail_store(const std::string& path, const ViewOptions& options, u64 lines,
               std::vector<std::string> mistakes) {
  Filter filter = make_filter(options, mistakes);
  (void)make_pattern(options.pattern, mistakes);
  if (!options.json && options.format != "text" && options.format != "json") {
    mistakes.push_back("--format: " + in_quotes(options.format) +
                       " is no form of a store's; write text or json");
  }
  if (!options.sources.empty() || !options.pid.empty() || !options.product.empty() ||
      !options.directory.empty()) {
    mistakes.push_back("--store: a store is followed by itself; leave out the other sources");
  }
  std::unique_ptr<storage::Connection> store = open_store(path, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  StoreTail tail(path, options, std::move(filter));
  const Status status = tail.run(std::move(store), lines);
  if (status.ok()) return tail.exit_code();
  complain(status.message());
  return exit_code_of(status);
}

}  // namespace sluice::cli
