// Records of one segment file, or of all in a directory: each name's files in their order, one name
// after the other. Following goes on with the next file of a name when there is one.
#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "cli/command.h"
#include "cli/record_source.h"
#include "os/io.h"
#include "record/builtin.h"
#include "segment/directory.h"
#include "segment/reader.h"

namespace sluice::cli {
namespace {

// The files of one name, one after the other.
struct Chain {
  std::string name;
  std::optional<u64> number;  // of the open file, or of one left out before the first
  std::string path;
  std::unique_ptr<SegmentReader> reader;
  u64 next_sequence = 0;
  std::optional<RegionId> region;  // of the last file before this one that names its run
  bool at_end = false;
};

class SegmentSource final : public RecordSource {
 public:
  SegmentSource(std::string directory, const SourceOptions& options)
      : directory_(std::move(directory)), last_records_(options.last_records) {}

  Status open_file(const std::string& path) {
    auto reader = SegmentReader::open(os::real_io(), path);
    if (!reader.ok()) return reader.status();
    Chain chain;
    chain.path = path;
    chain.reader = std::move(reader.value());
    chains_.push_back(std::move(chain));
    return {};
  }

  Status open_directory() {
    const auto listed = list_segments(os::real_io(), directory_);
    if (!listed.ok()) return listed.status();
    if (listed.value().empty()) {
      return fatal(in_quotes(directory_) + " holds no segment files (.seg); check the path");
    }
    add_names(listed.value(), last_records_);
    return {};
  }

  const Entry* next() override {
    for (; at_ < chains_.size(); ++at_) {
      Chain& chain = chains_[at_];
      while (!chain.at_end) {
        if (chain.reader->next(record_)) {
          if (const Entry* entry = make_entry(chain)) return entry;
        } else if (!next_file(chain)) {
          chain.at_end = true;
        }
      }
    }
    return nullptr;
  }

  bool follow() override {
    const std::size_t names = chains_.size();
    if (!directory_.empty()) {
      const auto listed = list_segments(os::real_io(), directory_);
      if (listed.ok()) add_names(listed.value(), 0);
    }
    bool more = chains_.size() > names;
    for (Chain& chain : chains_) {
      // Also for one whose next file is there: what was written last to this one comes first.
      const bool grown = chain.reader->follow();
      if (grown || next_number(chain)) {
        chain.at_end = false;
        more = true;
      }
    }
    at_ = 0;
    return more;
  }

  u64 generation() const override { return generation_; }

  std::string trouble() const override {
    std::string text = problems_;
    for (const Chain& chain : chains_) text += damage_of(chain);
    if (unreadable_ > 0) {
      text += (text.empty() ? "" : "\n") + std::to_string(unreadable_) +
              " records could not be read: their definitions are lost";
    }
    return text;
  }

 private:
  // The listed number behind the chain's. Numbers are walked as listed, never counted up: a file's
  // name may say any.
  std::optional<u64> next_number(const Chain& chain) const {
    const auto found = numbers_.find(chain.name);
    if (found == numbers_.end()) return std::nullopt;
    const std::vector<u64>& numbers = found->second;
    const auto next = chain.number ? std::upper_bound(numbers.begin(), numbers.end(), *chain.number)
                                   : numbers.begin();
    return next == numbers.end() ? std::nullopt : std::optional<u64>(*next);
  }

  void add_names(const std::vector<SegmentName>& listed, u64 last_records) {
    numbers_.clear();
    for (const SegmentName& file : listed) numbers_[file.name].push_back(file.number);
    for (const auto& [name, numbers] : numbers_) {
      const bool known = std::any_of(chains_.begin(), chains_.end(),
                                     [&name = name](const Chain& c) { return c.name == name; });
      if (known) continue;
      Chain chain;
      chain.name = name;
      const std::size_t before = files_before(name, numbers, last_records);
      if (before > 0) chain.number = numbers[before - 1];
      if (next_file(chain)) chains_.push_back(std::move(chain));
    }
  }

  // How many of a name's files are left out, so that the others hold the last records.
  [[nodiscard]] std::size_t files_before(const std::string& name, const std::vector<u64>& numbers,
                                         u64 last_records) const {
    if (last_records == 0) return 0;
    std::size_t before = numbers.size();
    for (u64 found = 0; before > 0 && found < last_records; --before) {
      auto reader = SegmentReader::open(os::real_io(), path_of(name, numbers[before - 1]));
      if (reader.ok()) found += reader.value()->index().counts().records;
    }
    return before;
  }

  [[nodiscard]] std::string path_of(const std::string& name, u64 number) const {
    return directory_ + "/" + segment_file_name(name, number);
  }

  // One that is there and cannot be read is told of, once; one that was removed meanwhile is not.
  void note_unopened(const std::string& path, const Status& status) {
    os::FileInfo info;
    if (os::real_io().stat(path.c_str(), info) != 0 || !unopened_.insert(path).second) return;
    problems_ += status.message() + "; its records are missing here\n";
  }

  // Goes on with the next file of the name; false when there is none.
  bool next_file(Chain& chain) {
    while (const std::optional<u64> number = next_number(chain)) {
      chain.number = number;
      const std::string path = path_of(chain.name, *number);
      auto reader = SegmentReader::open(os::real_io(), path);
      if (!reader.ok()) {
        note_unopened(path, reader.status());
        continue;
      }
      go_on_with(chain, path, std::move(reader.value()));
      return true;
    }
    return false;
  }

  // A file that goes on with the run of the one before may repeat some of its records.
  void go_on_with(Chain& chain, const std::string& path, std::unique_ptr<SegmentReader> reader) {
    if (chain.reader && chain.reader->index().run()) {
      chain.region = chain.reader->index().region_id();
    }
    if (chain.region && reader->index().run() && *chain.region == reader->index().region_id()) {
      reader->start_at(chain.next_sequence);
    }
    if (chain.reader) problems_ += damage_of(chain);
    chain.path = path;
    chain.reader = std::move(reader);
    run_of_ = nullptr;
    ++generation_;
  }

  static std::string damage_of(const Chain& chain) {
    if (chain.reader->damaged_ranges() == 0) return {};
    return chain.path + ": skipped " + std::to_string(chain.reader->damaged_bytes()) +
           " damaged bytes in " + std::to_string(chain.reader->damaged_ranges()) +
           " places; see `sluice verify`\n";
  }

  const Entry* make_entry(Chain& chain) {
    chain.next_sequence = record_.sequence + 1;
    const u32 id = record_.header.site;
    const Site* site = record_.site;
    if (site == nullptr && id < kSiteFirstCaller) site = &builtin_site(id);
    if (site == nullptr || !RecordView::parse(record_.bytes, *site, view_)) {
      ++unreadable_;
      return nullptr;
    }
    if (record_.run != run_of_) {
      run_of_ = record_.run;
      run_ = {};
      if (run_of_) {
        run_ = {run_of_->product, run_of_->version, run_of_->run_id, run_of_->host,
                u32(run_of_->pid)};
      }
    }
    ThreadName thread;
    if (record_.thread) thread = {u32(record_.thread->tid), record_.thread->name};
    if (record_.clock) {
      clock_ = {record_.clock->ticks, record_.clock->wall_ns, record_.clock->ns_per_tick_2_32};
    }
    entry_.reset();  // an Entry holds references
    entry_.emplace(Entry{.record = view_,
                         .site = *site,
                         .sequence = record_.sequence,
                         .wall_ns = record_.wall_ns.value_or(0),
                         .thread = thread,
                         .logger = site->logger,
                         .run = &run_,
                         .sites = &chain.reader->index().sites(),
                         .clock = record_.clock ? &clock_ : nullptr});
    return &*entry_;
  }

  const std::string directory_;  // empty: one file
  const u64 last_records_;
  std::vector<Chain> chains_;
  std::size_t at_ = 0;
  std::map<std::string, std::vector<u64>> numbers_;  // of each name's files, as listed last; sorted
  SegmentRecord record_;
  RecordView view_;
  std::optional<Entry> entry_;
  const RunDefinition* run_of_ = nullptr;
  RunInfo run_;
  TickClock clock_;
  std::string problems_;
  std::set<std::string> unopened_;
  u64 unreadable_ = 0;
  u64 generation_ = 0;
};

}  // namespace

Result<std::unique_ptr<RecordSource>> open_segments(const std::string& path, bool directory,
                                                    const SourceOptions& options) {
  auto source = std::make_unique<SegmentSource>(directory ? path : std::string(), options);
  const Status status = directory ? source->open_directory() : source->open_file(path);
  if (!status.ok()) return status;
  return Result<std::unique_ptr<RecordSource>>(std::move(source));
}

}  // namespace sluice::cli
