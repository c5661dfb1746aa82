#include "collector/store_writer.h"

#include <algorithm>
#include <chrono>

#include "os/process.h"
#include "sluice/detail/thread_block.h"
#include "store/file.h"

namespace sluice::collector {
namespace {

constexpr u64 kGroupBytes = 128 * 1024;  // what a region may take before the others have a turn
constexpr std::size_t kGroupBatchesMax = 256;
constexpr i64 kLookEveryNs = 1'000'000'000;
constexpr i64 kPauseNs = 50'000'000;
constexpr i64 kIdleNs = 500'000'000;
// Two groups are not closer than this when there is little in them: a transaction costs as much as
// a hundred rows.
constexpr i64 kGatherNs = 5'000'000;

storage::RunKey key_of(const region::Region& region) {
  storage::RunKey key;
  std::copy_n(region.header().region_id, key.size(), key.begin());
  return key;
}

}  // namespace

RegionFeed::RegionFeed(std::shared_ptr<RegionMirror> mirror)
    : mirror_(std::move(mirror)),
      catalog_(mirror_->region()),
      cursor_(mirror_->entry()),
      place_{cursor_.sequence(), cursor_.callers()},
      // relaxed: no other thread has it yet
      reader_(mirror_->journal(), mirror_->entry().cursor_position.load(std::memory_order_relaxed)),
      selection_(back::SinkConfig()) {}

void RegionFeed::end_with(const RunEnd& end) {
  const std::lock_guard lock(mutex_);
  end_ = end;
}

void RegionFeed::hangs(const std::string& what) {
  const std::lock_guard lock(mutex_);
  hangs_ = what;
}

void RegionFeed::give_up() {
  const std::lock_guard lock(mutex_);
  given_up_ = true;
}

bool RegionFeed::has_all() const {
  // acquire: the reader's work before its position (P4)
  const u64 position = mirror_->entry().cursor_position.load(JournalOrders::read_cursor);
  // relaxed: the drainer's own
  return position == mirror_->journal().committed->load(std::memory_order_relaxed);
}

bool RegionFeed::read_group(BatchGroup& group) {
  group.batches.clear();
  u64 used = 0;
  JournalReader<JournalSync> next = reader_;
  while (used < kGroupBytes && group.batches.size() < kGroupBatchesMax) {
    const JournalRead read = next.read(group.bytes.data() + used);
    if (read == JournalRead::kPassed && group.batches.empty()) {
      next.skip_to_oldest();
      reader_ = next;
      continue;
    }
    if (read == JournalRead::kDamaged && group.batches.empty()) {
      // A batch that its owner has written over: what is committed behind it cannot be found.
      // acquire: with write_back(): the batches before it (P30)
      reader_ = {mirror_->journal(),
                 mirror_->journal().committed->load(JournalOrders::read_committed)};
      mirror_->entry().cursor_position.store(reader_.position(), JournalOrders::publish_cursor);
      return false;
    }
    if (read != JournalRead::kBatch) break;
    const BatchView& batch = group.batches.emplace_back(group.bytes.data() + used);
    used += batch.header().bytes;
    next.advance(batch.header().bytes);
  }
  return !group.batches.empty();
}

void RegionFeed::pass(const BatchGroup& group, u64 missed) {
  for (const BatchView& batch : group.batches) reader_.advance(batch.header().bytes);
  region::SinkEntry& entry = mirror_->entry();
  const BatchHeader& last = group.batches.back().header();
  // relaxed, both: told with the position (P4)
  entry.dropped_backlog.fetch_add(missed, std::memory_order_relaxed);
  entry.cursor_callers.store(last.callers_before + last.callers, std::memory_order_relaxed);
  // release: our reads, and the cursor, before the drainer's acquire (P4)
  mirror_->entry().cursor_position.store(reader_.position(), JournalOrders::publish_cursor);
}

StoreWriter::StoreWriter(std::string path, os::Io& io, Reporter& reporter)
    : path_(std::move(path)),
      io_(io),
      reporter_(reporter),
      group_{.bytes = std::vector<char>(kGroupBytes + kBatchBytesMax), .batches = {}} {}

StoreWriter::~StoreWriter() {
  if (thread_.joinable()) thread_.detach();
}

Status StoreWriter::start() {
  const Status status = storage::check_file(path_);
  if (!status.ok()) return status;
  thread_ = std::thread([this] { thread_main(); });
  return {};
}

std::shared_ptr<RegionFeed> StoreWriter::add(std::shared_ptr<RegionMirror> mirror) {
  auto feed = std::make_shared<RegionFeed>(std::move(mirror));
  const std::lock_guard lock(mutex_);
  feeds_.push_back(feed);
  woken_ = true;
  changed_.notify_all();
  return feed;
}

void StoreWriter::wake() {
  const std::lock_guard lock(mutex_);
  woken_ = true;
  changed_.notify_all();
}

bool StoreWriter::stop(i64 deadline_ns) {
  if (!thread_.joinable()) return true;
  {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    changed_.notify_all();
    const std::chrono::steady_clock::time_point until{std::chrono::nanoseconds(deadline_ns)};
    if (!changed_.wait_until(lock, until, [this] { return is_over_; })) return false;
  }
  thread_.join();
  return true;
}

void StoreWriter::thread_main() {
  os::block_signals();
  os::set_thread_name("sluice-store");
  detail::t_block.in_sink = 1;
  for (;;) {
    Feeds feeds;
    {
      std::unique_lock lock(mutex_);
      rounds_.fetch_add(1, std::memory_order_relaxed);
      if (!woken_ && !stopping_) changed_.wait_for(lock, std::chrono::nanoseconds(kIdleNs));
      if (stopping_) break;
      woken_ = false;
      // Ended ones go here, with the addresses of their sites.
      const auto gone = std::erase_if(feeds_, [](const auto& feed) { return feed->ended(); });
      if (gone > 0) {
        current_ = nullptr;
        if (writer_) writer_->forget_sites();
      }
      feeds = feeds_;
    }
    rounds_.fetch_add(1, std::memory_order_relaxed);
    look_at_file();
    bool worked = false;
    for (const auto& feed : feeds) worked |= serve(*feed);
    std::unique_lock lock(mutex_);
    woken_ |= worked;
    // So that little comes together.
    if (!stopping_)
      changed_.wait_for(lock, std::chrono::nanoseconds(kGatherNs), [this] { return stopping_; });
  }
  writer_.reset();
  const std::lock_guard lock(mutex_);
  is_over_ = true;
  changed_.notify_all();
}

bool StoreWriter::serve(RegionFeed& feed) {
  if (feed.ended()) return false;
  std::optional<RunEnd> end;
  std::optional<std::string> hangs;
  bool given_up = false;
  {
    const std::lock_guard lock(feed.mutex_);
    end = feed.end_;
    hangs = feed.hangs_;
    given_up = feed.given_up_;
  }
  if (given_up) {
    region::Marks::set(feed.ended_, true);  // P31
    return false;
  }
  if (os::monotonic_ns() < pause_until_ns_) return true;
  if (hangs) {
    const Status status = store_hang(feed, *hangs);
    if (!status.ok()) fail(status);
    const std::lock_guard lock(feed.mutex_);
    // What the table never takes, for a trigger of the user's, must not keep records waiting.
    const bool is_over = status.ok() || status.error_class() == ErrorClass::kFatal;
    if (is_over && feed.hangs_ == hangs) feed.hangs_.reset();
    return true;
  }
  if (feed.read_group(group_)) {
    const Status status = write(feed);
    if (!status.ok()) fail(status);
    return true;
  }
  if (!end || !feed.has_all()) return false;
  const Status status = store_end(feed, *end);
  if (!status.ok()) {
    fail(status);
    return true;
  }
  region::Marks::set(feed.ended_, true);  // behind our last use of the mirror (P31)
  return true;
}

Status StoreWriter::open() {
  if (writer_) return {};
  Result<std::unique_ptr<storage::Writer>> writer =
      storage::Writer::open({.path = path_, .sync_each_commit = false});
  if (!writer.ok()) return writer.status();
  os::FileInfo info;
  if (io_.stat_followed(path_.c_str(), info) == 0) file_ = info.id();
  writer_ = std::move(writer.value());
  current_ = nullptr;
  ++opening_;
  return {};
}

Status StoreWriter::use(RegionFeed& feed) {
  Status status = open();
  if (!status.ok()) return status;
  const region::RegionHeader& header = feed.mirror_->region().header();
  const storage::RunKey key = key_of(feed.mirror_->region());
  if (feed.opening_ != opening_) {
    const Result<u64> next =
        writer_->use_run(key, feed.catalog_.run(), header.start_wall_ns, feed.place_);
    if (!next.ok()) return next.status();
    // A commit that a kill kept from being told.
    if (next.value() > feed.cursor_.sequence()) feed.cursor_.passed(next.value(), {});
    feed.opening_ = opening_;
  } else if (current_ != &feed) {
    writer_->go_on_with(key, feed.catalog_.run(), header.start_wall_ns, feed.run_, feed.place_);
  }
  current_ = &feed;
  feed.run_ = writer_->run();
  feed.place_ = writer_->place();
  return {};
}

Status StoreWriter::write(RegionFeed& feed) {
  Status status = use(feed);
  if (!status.ok()) return status;
  back::SinkCounts counts;
  const u64 next = std::max(group_.batches.back().next_sequence(), feed.cursor_.sequence());
  const BatchHeader& first = group_.batches.front().header();
  const BatchHeader& last = group_.batches.back().header();
  u64 missed = 0;
  status = writer_->begin();
  if (status.ok()) missed = writer_->missed_before(first.first_sequence, first.callers_before);
  if (missed > 0) {
    // relaxed: ours
    const u64 before = feed.cursor_.entry().dropped_backlog.load(std::memory_order_relaxed);
    status = writer_->add(feed.selection_.gap(feed.catalog_, path_, missed, before + missed));
  }
  if (status.ok()) status = add_rows(feed, counts);
  if (status.ok()) status = writer_->commit(next, last.callers_before + last.callers);
  if (!status.ok()) {
    writer_->roll_back();
    return status;
  }
  feed.run_ = writer_->run();
  feed.place_ = writer_->place();
  feed.cursor_.passed(next, counts);
  feed.pass(group_, missed);
  records_.fetch_add(counts.delivered, std::memory_order_relaxed);
  if (failing_.exchange(false, std::memory_order_relaxed)) {
    reporter_.report(path_ + ": works again");
  }
  return {};
}

Status StoreWriter::add_rows(RegionFeed& feed, back::SinkCounts& counts) {
  Status status;
  const auto take = [&](const sink::Item& item) {
    if (item.sequence < writer_->place().sequence) return true;
    status = writer_->add(item.entry);
    if (status.error_class() == ErrorClass::kFatal) {
      // A trigger or an index of the user's refuses it, and always will.
      counts.dropped_error += item.counts.delivered + item.counts.dropped_error;
      status = {};
      return true;
    }
    counts.delivered += item.counts.delivered;
    counts.dropped_error += item.counts.dropped_error;
    return status.ok();
  };
  for (const BatchView& batch : group_.batches) {
    if (!feed.selection_.walk(batch, feed.catalog_, feed.cursor_.sequence(), counts.filtered,
                              take)) {
      return status;
    }
  }
  return status;
}

Status StoreWriter::store_hang(RegionFeed& feed, const std::string& what) {
  const std::string reason = "hangs: " + what;
  Status status = use(feed);
  if (status.ok()) status = writer_->begin();
  if (!status.ok()) return status;
  Result<storage::Statement> update = writer_->connection().prepare(
      "UPDATE runs SET reason = ?2 WHERE id = ?1 AND ended_ns IS NULL AND reason IS NOT ?2");
  status = update.status();
  if (status.ok()) {
    storage::Statement& row = update.value();
    row.bind(1, writer_->run());
    what.empty() ? row.bind_null(2) : row.bind(2, std::string_view(reason));
    status = row.run();
  }
  if (status.ok()) status = writer_->commit(writer_->place().sequence);
  if (!status.ok()) writer_->roll_back();
  return status;
}

// A run that says itself how it ended, as `sluice run` does of its program, keeps what it said. One
// whose row was pruned meanwhile has it again from begin().
Status StoreWriter::store_end(RegionFeed& feed, const RunEnd& end) {
  Status status = use(feed);
  if (status.ok()) status = writer_->begin();
  if (!status.ok()) return status;
  Result<storage::Statement> update = writer_->connection().prepare(
      "UPDATE runs SET ended_ns = ?2, exit_code = ?3, signal = ?4, reason = ?5"
      " WHERE id = ?1 AND ended_ns IS NULL");
  status = update.status();
  if (status.ok()) {
    storage::Statement& row = update.value();
    row.bind(1, writer_->run());
    row.bind(2, end.ended_ns);
    end.exit_code ? row.bind(3, i64(*end.exit_code)) : row.bind_null(3);
    end.signal ? row.bind(4, i64(*end.signal)) : row.bind_null(4);
    row.bind(5, std::string_view(end.reason));
    status = row.run();
  }
  if (status.ok()) status = writer_->commit(writer_->place().sequence);
  if (!status.ok()) writer_->roll_back();
  return status;
}

// Somebody may have put another file in its place: what we would write into the old one is lost.
void StoreWriter::look_at_file() {
  const i64 now = os::monotonic_ns();
  if (!writer_ || now < next_look_ns_) return;
  next_look_ns_ = now + kLookEveryNs;
  os::FileInfo info;
  if (io_.stat_followed(path_.c_str(), info) == 0 && info.id() == file_) return;
  writer_.reset();
  reporter_.report(path_ + ": is another file now, which is gone on with");
}

void StoreWriter::fail(const Status& status) {
  pause_until_ns_ = os::monotonic_ns() + kPauseNs;
  if (status.error_class() == ErrorClass::kRotate) {
    writer_.reset();
    const Result<std::string> aside = storage::set_aside(path_);
    reporter_.report(status.message() +
                     (aside.ok() ? "; the damaged file is now " + aside.value()
                                 : "; it cannot be set aside: " + aside.status().message()));
    return;
  }
  if (failing_.exchange(true, std::memory_order_relaxed)) return;
  reporter_.report(status.message() + "; what comes waits in the regions");
}

}  // namespace sluice::collector
