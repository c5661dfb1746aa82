#include "cli/log_lines.h"

#include <cstring>

#include "record/format.h"

namespace sluice::cli {
namespace {

using storage::Connection;
using storage::Statement;

constexpr std::size_t kSitesMax = 8192;
constexpr std::size_t kRunsMax = 1024;
// Of a text that is longer the rest is not shown.
constexpr std::size_t kTextBytesMax = 192 * 1024;

// Steps to the one row; false: it is not there.
Result<bool> look_up(Connection& store, Statement& statement, const char* sql, i64 id) {
  if (!statement) {
    const Status status = store.prepare_into(statement, sql);
    if (!status.ok()) return status;
  }
  statement.reset();
  statement.bind(1, id);
  return statement.step();
}

class RowLines final : public LogLines {
 public:
  RowLines(Connection& store, const FormOptions& form)
      : store_(store), csv_(form.csv), form_(make_form(form, {"extra_data"})) {}

  Result<std::string> head() override {
    const Result<bool> row = look_up(store_, find_, kSql, 0);
    if (!row.ok()) return row.status();
    columns_ = names_of(find_);
    return form_->head(columns_);
  }
  Result<std::string_view> line(i64 id) override {
    const Result<bool> row = look_up(store_, find_, kSql, id);
    if (!row.ok()) return row.status();
    if (!row.value()) return std::string_view();
    read_cells(find_, cells_);
    if (cells_.size() != columns_.size()) {
      // A column was added meanwhile: JSON says its name, CSV has said its columns.
      if (!csv_) {
        columns_ = names_of(find_);
        (void)form_->head(columns_);
      }
      cells_.resize(columns_.size());
    }
    line_ = form_->row(cells_);
    find_.reset();
    return std::string_view(line_);
  }

 private:
  static constexpr char kSql[] = "SELECT * FROM logs WHERE id = ?";

  Connection& store_;
  const bool csv_;
  const std::unique_ptr<Form> form_;
  Statement find_;
  std::vector<std::string> columns_;
  std::vector<Cell> cells_;
  std::string line_;
};

Level level_of(i64 severity) {
  for (const Level level :
       {Level::critical, Level::error, Level::warning, Level::notice, Level::info, Level::debug}) {
    if (severity >= i64(level)) return level;
  }
  return Level::trace;
}

class TextLines final : public LogLines {
 public:
  TextLines(Connection& store, TextPattern pattern)
      : store_(store), pattern_(std::move(pattern)), text_(store) {}

  Result<std::string_view> line(i64 id) override {
    const Result<bool> row = look_up(
        store_, find_,
        "SELECT time_ns, severity, run, sequence, thread, site, logger, event IS NOT NULL, body,"
        " attributes, context FROM records WHERE id = ?",
        id);
    if (!row.ok()) return row.status();
    if (!row.value()) return std::string_view();
    const Site& site = site_of(find_.integer(5), find_.integer(1), find_.integer(7) != 0);
    const std::string_view text =
        text_.of({find_.integer(5), find_.text(8), find_.text(9), find_.text(10)});
    encode(site, text.substr(0, kTextBytesMax));
    RecordView record;
    if (!RecordView::parse(bytes_, site, record)) return std::string_view();
    const std::string logger(find_.text(6));
    const Entry entry{.record = record,
                      .site = site,
                      .sequence = u64(find_.integer(3)),
                      .wall_ns = find_.integer(0),
                      .thread = {u32(find_.integer(4)), {}},
                      .logger = logger,
                      .run = &run_of(find_.integer(2))};
    buffer_.clear();
    (void)pattern_.append(entry, buffer_);
    find_.reset();
    return buffer_.text();
  }

 private:
  // A made-up site with the place of the stored one: its one visible text is the whole message.
  const Site& site_of(i64 id, i64 severity, bool event) {
    if (sites_.size() >= kSitesMax) {
      sites_.clear();
      pattern_.forget_sites();
    }
    auto& slot = sites_[{id, severity, event}];
    if (slot) return *slot;
    const storage::StoredSite& stored = text_.site(id);
    slot = std::make_unique<Site>();
    slot->id = kSiteFirstCaller;
    slot->level = level_of(severity);
    slot->kind = event ? RecordKind::kEvent : RecordKind::kLog;
    slot->flags = SiteFlag::kLoggerIsFirstArg;
    if (event) slot->flags |= SiteFlag::kNameIsFirstArg;
    slot->file = stored.file;
    slot->line = stored.line;
    slot->function = stored.function;
    slot->format = "{}";
    slot->arguments = {{ArgType::kU32, {}}, {ArgType::kString, {}}};
    return *slot;
  }
  void encode(const Site& site, std::string_view text) {
    constexpr std::size_t kTextAt = kRecordHeaderBytes + 16;
    const u64 bytes = round_up(kTextAt + text.size(), 8);
    bytes_.assign(bytes, std::byte{0});
    store(bytes_.data(), RecordHeader{u16(bytes / 8), 0, site.id, 0});
    store(bytes_.data() + kRecordHeaderBytes + 8, u64(text.size()));
    if (!text.empty()) std::memcpy(bytes_.data() + kTextAt, text.data(), text.size());
  }
  const RunInfo& run_of(i64 id) {
    if (const auto known = runs_.find(id); known != runs_.end()) return known->second;
    if (runs_.size() >= kRunsMax) runs_.clear();
    RunInfo& run = runs_[id];
    const Result<bool> row = look_up(
        store_, find_run_, "SELECT product, version, run_id, host, pid FROM runs WHERE id = ?", id);
    if (row.ok() && row.value()) {
      run.product = find_run_.text(0);
      run.version = find_run_.text(1);
      run.run_id = find_run_.text(2);
      run.host = find_run_.text(3);
      run.pid = u32(find_run_.integer(4));
    }
    find_run_.reset();
    return run;
  }

  Connection& store_;
  TextPattern pattern_;
  storage::RowText text_;
  Statement find_, find_run_;
  std::map<std::tuple<i64, i64, bool>, std::unique_ptr<Site>> sites_;
  std::unordered_map<i64, RunInfo> runs_;
  std::vector<std::byte> bytes_;
  TextBuffer buffer_;
};

}  // namespace

std::unique_ptr<LogLines> make_row_lines(Connection& store, const FormOptions& form) {
  return std::make_unique<RowLines>(store, form);
}

std::unique_ptr<LogLines> make_text_lines(Connection& store, TextPattern pattern) {
  return std::make_unique<TextLines>(store, std::move(pattern));
}

}  // namespace sluice::cli
