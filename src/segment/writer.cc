#include "segment/writer.h"

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "os/os_error.h"
#include "ring/journal.h"
#include "segment/dictionary_frames.h"
#include "segment/directory.h"

namespace sluice {
namespace {

constexpr u64 kSegmentBytesMin = 4096;
constexpr u64 kKeepBytesMax = u64{1} << 30;
constexpr u64 kSkipMax = u64{1} << 30;  // sequences in one skip record: a frame counts them in u32
// A failing file is given up for a new one within the same call, once.
constexpr int kFilesTried = 2;

// Errors that pass without a new file: space is made, a limit is raised.
bool passes(int error) {
  return error == -EMFILE || error == -ENFILE ||
         class_of_write_error(error) == ErrorClass::kRetryable;
}

bool is_unusable_directory(int error) {
  switch (-error) {
    case EACCES:
    case EPERM:
    case EROFS:
    case ENOENT:
    case ENOTDIR:
    case ENAMETOOLONG:
    case ELOOP:
    case EEXIST:
      return true;
    default:
      return false;
  }
}

Status check_options(const SegmentOptions& options) {
  std::string wrong;
  if (options.directory.empty()) wrong += "; directory is empty";
  if (!is_segment_name(options.name)) {
    wrong += "; name \"" + options.name + "\" must be letters, digits, '.', '_' or '-'";
  }
  if (options.segment_bytes < kSegmentBytesMin ||
      options.segment_bytes > SegmentWriter::kSegmentBytesMax) {
    wrong +=
        "; segment_bytes " + std::to_string(options.segment_bytes) + " must be 4 KiB to 16 GiB";
  }
  if (options.keep_bytes > kKeepBytesMax) {
    wrong += "; keep_bytes " + std::to_string(options.keep_bytes) + " must be at most 1 GiB";
  }
  return wrong.empty() ? Status() : fatal("segment options: " + wrong.substr(2));
}

}  // namespace

Result<std::unique_ptr<SegmentWriter>> SegmentWriter::open(SegmentOptions options,
                                                           const RunDefinition& run) {
  const Status checked = check_options(options);
  if (!checked.ok()) return checked;
  if (options.io == nullptr) options.io = &os::real_io();
  const Result<u64> number = next_number(*options.io, options.directory, options.name);
  if (!number.ok()) return number.status();
  return std::unique_ptr<SegmentWriter>(new SegmentWriter(std::move(options), run, number.value()));
}

SegmentWriter::SegmentWriter(SegmentOptions options, const RunDefinition& run, u64 number)
    : io_(*options.io),
      options_(std::move(options)),
      run_(run),
      table_(run),
      arena_(options_.keep_bytes),
      file_(io_, options_.directory, options_.name, number) {}

// ---- taking records ----

// True when the record needed nothing but a copy.
bool SegmentWriter::take(u64 sequence, ByteView record, const Site* site) {
  if (frame_ == nullptr || sequence != next_sequence_ || record.size() < kRecordHeaderBytes ||
      used_ + record.size() > kFrameBytes) {
    return false;
  }
  const auto header = load<RecordHeader>(record.data());
  if (header.size() != record.size() || header.site < kSiteFirstCaller ||
      !table_.site_is_defined(header.site, site) || !table_.thread_is_defined(header.slot()) ||
      !table_.clock_is_defined() || !table_.run_is_defined()) {
    return false;
  }
  put(record);
  ++next_sequence_;
  ++header_.sequence_count;
  ++header_.record_count;
  ++header_.caller_count;
  last_skip_ = nullptr;
  return true;
}

Status SegmentWriter::check(u64 sequence, ByteView record, const Site* site) const {
  if (record.size() < kRecordHeaderBytes || record.size() > kRecordBytesMax + kBatchGrowthMax) {
    return fatal("record of " + std::to_string(record.size()) + " bytes refused");
  }
  const auto header = load<RecordHeader>(record.data());
  if (header.size() != record.size()) return fatal("record whose size field is wrong refused");
  if (is_definition(header.site) || header.site == kSitePadding || header.site == kSiteSkipped) {
    return fatal("record of site " + std::to_string(header.site) + " refused: use define_*, skip");
  }
  if (site != nullptr && site->id != header.site) {
    return fatal("record of site " + std::to_string(header.site) + " with the definition of " +
                 std::to_string(site->id) + " refused");
  }
  if (sequence < next_sequence_) {
    return fatal("sequence " + std::to_string(sequence) + " refused: the next is " +
                 std::to_string(next_sequence_));
  }
  return {};
}

Status SegmentWriter::append_slow(u64 sequence, ByteView record, const Site* site) {
  Status status = check(sequence, record, site);
  if (!status.ok()) return status;
  const auto header = load<RecordHeader>(record.data());
  if (header.site > kSiteIdMax || header.site < kSiteFirstCaller) site = nullptr;
  const bool conflict =
      (site != nullptr && table_.conflicts(*site)) ||
      std::any_of(sites_wanted_.begin(), sites_wanted_.end(),
                  [this](const Site* wanted) { return table_.conflicts(*wanted); });
  if (conflict) status = seal();
  if (status.ok()) status = make_room(sequence, record.size(), site, header.slot());
  if (!status.ok()) return status;
  put_missing();
  table_.mark_defined(site, header.slot());
  put(record);
  ++next_sequence_;
  ++header_.sequence_count;
  ++header_.record_count;
  header_.caller_count += header.site >= kSiteFirstCaller ? 1 : 0;
  last_skip_ = nullptr;
  return {};
}

Status SegmentWriter::skip(u64 first, u64 count) {
  if (first < next_sequence_) return fatal("skip below the next sequence refused");
  while (count > 0) {
    const u32 now = u32(std::min(count, kSkipMax));
    const bool extends = frame_ != nullptr && last_skip_ != nullptr && first == next_sequence_ &&
                         header_.sequence_count <= kSkipMax;
    if (!extends) {
      if (frame_ != nullptr && header_.sequence_count > kSkipMax) close_frame();
      Status status = make_room(first, kSkipRecordBytes, nullptr, DefinitionTable::kNoSlot);
      if (!status.ok()) return status;
      put_missing();
      table_.mark_defined(nullptr, DefinitionTable::kNoSlot);
      std::byte record[kSkipRecordBytes];
      store(record, RecordHeader{kSkipRecordBytes / 8, 0, kSiteSkipped, 0});
      store(record + kRecordHeaderBytes, u64{0});
      put(record);
      last_skip_ = frame_ + used_ - kSkipRecordBytes;
    }
    store(last_skip_ + kRecordHeaderBytes, skipped_sequences(last_skip_) + now);
    header_.sequence_count += now;
    next_sequence_ += now;
    first += now;
    count -= now;
  }
  return {};
}

// Leaves an open frame with room for the record and missing_, or says why there is none.
Status SegmentWriter::make_room(u64 sequence, std::size_t record_bytes, const Site* site,
                                u16 slot) {
  for (;;) {
    if (frame_ == nullptr) {
      Status status = begin_frame(sequence);
      if (!status.ok()) return status;
    }
    if (sequence == next_sequence_ && put_wanted_sites()) {
      missing_.clear();
      table_.collect_missing(site, slot, missing_);
      const bool fresh = used_ == kFrameHeaderBytes;
      if (fresh || used_ + missing_.size() + record_bytes <= kFrameBytes) return {};
    }
    close_frame();
  }
}

// False when the frame is too full for them.
bool SegmentWriter::put_wanted_sites() {
  while (!sites_wanted_.empty()) {
    const Site* const site = sites_wanted_.back();
    if (site->id <= kSiteIdMax && site->id >= kSiteFirstCaller) {
      missing_.clear();
      table_.collect_missing(site, DefinitionTable::kNoSlot, missing_);
      if (used_ + missing_.size() > kFrameBytes) return false;
      put_missing();
      table_.mark_defined(site, DefinitionTable::kNoSlot);
    }
    sites_wanted_.pop_back();
  }
  return true;
}

Status SegmentWriter::begin_frame(u64 sequence) {
  Status status = write_out();
  if (!status.ok()) return status;
  if (file_.is_open() && (sealing_ || file_.offset() >= options_.segment_bytes)) {
    status = seal();
    if (!status.ok()) return status;
  }
  if (file_.offset() - window_start_ >= kWindowBytes) {
    table_.begin_window();
    window_start_ = file_.offset();
  }
  table_.begin_frame();
  frame_ = arena_.begin();
  used_ = kFrameHeaderBytes;
  last_skip_ = nullptr;
  header_ = {};
  header_.magic = kFrameMagic;
  header_.version = kFrameVersion;
  header_.kind = u8(FrameKind::kData);
  header_.first_sequence = sequence;
  header_.region_id = run_.region_id;
  next_sequence_ = sequence;
  return {};
}

void SegmentWriter::close_frame() {
  if (frame_ == nullptr) return;
  header_.payload_bytes = used_ - kFrameHeaderBytes;
  store(frame_, header_);
  const u32 extent = u32(frame_extent(header_));
  std::memset(frame_ + used_, 0, extent - used_);
  arena_.commit(extent, header_.record_count, header_.end_sequence());
  counts_.records += header_.record_count;
  counts_.caller_records += header_.caller_count;
  frame_ = nullptr;
}

SegmentCounts SegmentWriter::counts() const {
  SegmentCounts counts = counts_;
  if (frame_ != nullptr) {
    counts.records += header_.record_count;
    counts.caller_records += header_.caller_count;
  }
  return counts;
}

void SegmentWriter::put_missing() {
  if (!missing_.empty()) put(missing_);
}

void SegmentWriter::put(ByteView record) {
  std::memcpy(frame_ + used_, record.data(), record.size());
  used_ += u32(record.size());
}

// ---- writing them ----

Status SegmentWriter::flush() {
  close_frame();
  return write_out();
}

Status SegmentWriter::write_out() {
  int error = 0;
  for (int tried = 0; tried < kFilesTried; ++tried) {
    error = try_write_out();
    if (error == 0) return {};
    ++counts_.write_failures;
    if (!file_.is_open() || passes(error)) break;
    abandon_file(false);
  }
  return failed("write", error);
}

int SegmentWriter::try_write_out() {
  while (arena_.has_unwritten()) {
    if (!file_.is_open()) {
      const int error = start_file();
      if (error < 0) return error;
    }
    if (!preamble_.empty()) {
      const int error = file_.write(preamble_);
      if (error < 0) return error;
      counts_.bytes += preamble_.size();
      preamble_.clear();
      window_start_ = file_.offset();
    }
    const FrameArena::Frame& frame = arena_.next_unwritten();
    stamp_frame(frame.bytes, file_.segment_id(), file_.offset());
    const int error = file_.write({frame.bytes, frame.size});
    if (error < 0) return error;
    ++frames_in_file_;
    ++counts_.frames;
    counts_.bytes += frame.size;
    written_end_ = std::max(written_end_, frame.end_sequence);
    arena_.mark_written();
  }
  for (const std::string& path : superseded_) io_.unlink(path.c_str());
  superseded_.clear();
  return 0;
}

int SegmentWriter::start_file() {
  const int error = file_.create(next_segment_id());
  if (error < 0) return error;
  ++counts_.files;
  frames_in_file_ = 0;
  std::vector<ByteView> sites;
  u16 flags = 0;
  if (dictionary_first_) {
    for (const u32 id : table_.used_sites()) sites.push_back(table_.site_record(id));
    flags = kRepeatsFrames;
  }
  dictionary_first_ = false;
  const u64 sequence = load<FrameHeader>(arena_.next_unwritten().bytes).first_sequence;
  preamble_.clear();
  build_header({file_.segment_id(), run_.region_id, 0, sequence, flags}, table_.run_record(), sites,
               preamble_);
  return 0;
}

u64 SegmentWriter::next_segment_id() const {
  if (options_.segment_id != 0) return options_.segment_id + counts_.files;
  std::random_device random;
  return (u64{random()} << 32) | random();
}

Status SegmentWriter::sync() {
  if (sealing_) return seal();
  for (int tried = 0; tried < kFilesTried; ++tried) {
    Status status = flush();
    if (!status.ok()) return status;
    const int error = file_.has_unsynced() ? file_.sync() : 0;
    if (error == 0) {
      mark_durable();
      if (counts_.records_at_risk == at_risk_told_) return {};
      const u64 lost =
          counts_.records_at_risk - std::exchange(at_risk_told_, counts_.records_at_risk);
      return {ErrorClass::kRotate,
              options_.directory + ": " + std::to_string(lost) +
                  " records written before a failed sync may be lost: more than keep_bytes"};
    }
    ++counts_.sync_failures;
    abandon_file(true);
  }
  return failed("sync", -EIO);
}

Status SegmentWriter::seal() {
  int error = 0;
  for (int tried = 0; tried < kFilesTried; ++tried) {
    Status status = flush();
    if (!status.ok()) return status;
    if (!file_.is_open()) return {};
    error = write_seal();
    if (error < 0) {
      ++counts_.write_failures;
      if (passes(error)) return failed("seal", error);
      abandon_file(false);
      continue;
    }
    error = file_.sync();
    if (error == 0) {
      ++counts_.files_sealed;
      sealing_ = false;
      mark_durable();
      file_.close();
      window_start_ = 0;
      table_.begin_segment();
      return {};
    }
    ++counts_.sync_failures;
    abandon_file(true);
  }
  // The file cannot be sealed, but perhaps everything is safe without.
  return arena_.held() == 0 ? Status() : failed("seal", error);
}

int SegmentWriter::write_seal() {
  if (!sealing_) {
    std::vector<ByteView> sites;
    for (const u32 id : table_.used_sites()) sites.push_back(table_.site_record(id));
    preamble_.clear();
    build_seal({file_.segment_id(), run_.region_id, file_.offset(), next_sequence_, 0},
               table_.run_record(), sites, preamble_);
    sealing_ = true;
  }
  const int error = preamble_.empty() ? 0 : file_.write(preamble_);
  if (error < 0) return error;
  counts_.bytes += preamble_.size();
  preamble_.clear();
  return 0;
}

// The open file takes nothing more. With sync_failed nothing since the last good sync is taken to
// be in it; otherwise one sync says whether it is.
void SegmentWriter::abandon_file(bool sync_failed) {
  preamble_.clear();
  sealing_ = false;
  if (frames_in_file_ == 0) {
    file_.discard();
  } else {
    ++counts_.files_abandoned;
    if (!sync_failed && file_.sync() < 0) {
      ++counts_.sync_failures;
      sync_failed = true;
    }
    if (sync_failed) {
      const u64 lost = arena_.rewrite_all();
      counts_.records_at_risk += lost;
      if (lost == 0 && !file_.ever_synced()) superseded_.push_back(file_.path());
      counts_.frames_rewritten += arena_.held();
    } else {
      mark_durable();
    }
    file_.close();
  }
  frames_in_file_ = 0;
  window_start_ = 0;
  // The frames still held were made for a file in which their sites were defined.
  dictionary_first_ = arena_.has_unwritten();
  if (!dictionary_first_) table_.begin_segment();
}

void SegmentWriter::mark_durable() {
  arena_.forget_written();
  durable_end_ = written_end_;
}

Status SegmentWriter::failed(const char* what, int os_error) const {
  const bool unusable = !file_.is_open() && is_unusable_directory(os_error);
  return {unusable ? ErrorClass::kDisableSink : ErrorClass::kRetryable,
          (file_.path().empty() ? options_.directory : file_.path()) + ": " + what + ": " +
              os::error_text(os_error),
          -os_error};
}

}  // namespace sluice
