// sluice::Store: a handle to the running store sink, and readers and writers beside it.
#include "sluice/store.h"

#include <algorithm>
#include <map>
#include <mutex>

#include "front/front.h"
#include "os/path.h"
#include "os/process.h"
#include "runtime/commit_watch.h"
#include "runtime/runtime.h"
#include "store/change.h"
#include "store/reader.h"
#include "store/schema.h"
#include "store/values.h"

namespace sluice {

namespace runtime {

Runtime::StorePlace Runtime::find_store(std::string_view path) {
  const Locked lock(mutex_);
  StorePlace place;
  place.running = running_;
  for (u32 i = 0; running_ && i < config_.sinks.size(); ++i) {
    const back::SinkConfig& sink = config_.sinks[i];
    if (sink.kind != SinkKind::store) continue;
    if (sink.private_file ? path != ":memory:" : path != sink.path) continue;
    place.sink = i;
    place.path = sink.path;
    break;
  }
  return place;
}

std::string Runtime::sink_problem(u32 sink) {
  const std::shared_ptr<back::Engine> engine = running_engine();
  if (!engine || sink >= engine->runners().size()) return {};
  return engine->runners()[sink]->problem();
}

}  // namespace runtime

inline namespace v1 {
namespace {

using storage::Change;
using storage::DatabaseUse;
using storage::Reader;
using StorePlace = runtime::Runtime::StorePlace;

i64 deadline_in(u32 ms) { return os::monotonic_ns() + i64{ms} * 1'000'000; }

const char* type_text(ColumnType type) {
  switch (type) {
    case ColumnType::text:
      return "TEXT";
    case ColumnType::integer:
      return "INTEGER";
    case ColumnType::real:
      return "REAL";
    case ColumnType::any:
      break;
  }
  return "ANY";
}

}  // namespace

struct Store::Impl {
  std::string asked_path;  // as find_store() takes it
  u32 wait_ms = 0;
  bool started = false;  // by open()
  std::shared_ptr<storage::Readers> readers = std::make_shared<storage::Readers>();
  std::mutex mutex;
  std::map<std::uint64_t, runtime::CommitWatch::Owner> hooks;  // under mutex
  std::uint64_t last_hook = 0;                                 // under mutex

  // The caller ends them, without the lock.
  auto take_hooks() {
    decltype(hooks) taken;
    const std::lock_guard lock(mutex);
    taken.swap(hooks);
    return taken;
  }

  Result<StorePlace> place() const {
    (void)front::ensure_region();  // a forked child starts here
    StorePlace found = runtime::runtime().find_store(asked_path);
    if (found.sink) return found;
    return Status{ErrorClass::kRetryable,
                  asked_path + ": nothing stores there any more; stop() was called"};
  }

  // Waits until what was said before is in the file.
  Result<StorePlace> settled(u32 timeout_ms) const {
    Result<StorePlace> found = place();
    if (!found.ok()) return found;
    std::string problem;
    const FlushResult flushed =
        runtime::runtime().flush(Reach::stored, timeout_ms, problem, found.value().sink);
    if (flushed.complete) return found;
    std::string why = runtime::runtime().sink_problem(*found.value().sink);
    if (why.empty()) why = "it is slower than what is said";
    const std::string place = found.value().path + ": ";
    if (why.starts_with(place)) why.erase(0, place.size());
    return Status{ErrorClass::kRetryable, place + "what was logged is not stored after " +
                                              std::to_string(timeout_ms) + " ms: " + why};
  }

  // A reader that sees it.
  Result<std::unique_ptr<Reader>> reader(bool wait) const {
    const Result<StorePlace> found = wait ? settled(wait_ms) : place();
    if (!found.ok()) return found.status();
    auto taken = readers->take(found.value().path);
    if (!taken.ok()) return storage::as_answer(taken.status());
    return taken;
  }

  // What `ask` answers with a reader that sees all that was said before.
  template <class Ask>
  auto ask(Ask&& question) const -> decltype(question(std::declval<Reader&>())) {
    Result<std::unique_ptr<Reader>> with = reader(true);
    if (!with.ok()) return with.status();
    auto answer = question(*with.value());
    readers->give_back(std::move(with.value()));
    return answer;
  }

  // Statements of the library's own that change what tables there are.
  template <class Work>
  Status change_schema(Work&& work) const {
    const Result<StorePlace> found = settled(wait_ms);
    if (!found.ok()) return found.status();
    return storage::as_answer(storage::retry_while_locked(deadline_in(wait_ms), [&]() -> Status {
      const DatabaseUse use;
      const auto connection = Change::connect(found.value().path);
      return connection.ok() ? work(*connection.value()) : connection.status();
    }));
  }
};

struct Cursor::Impl {
  std::shared_ptr<storage::Readers> readers;
  std::unique_ptr<Reader> reader;
  storage::Statement statement;  // of `reader`
  std::vector<std::string> columns;
  bool at_row = false;
  // What next() says from now on: SQLite would begin again.
  std::optional<Result<bool>> end;

  ~Impl() {
    if (!reader) return;
    const DatabaseUse use;
    statement = {};
    readers->give_back(std::move(reader));
  }
};

struct Transaction::Impl {
  std::unique_ptr<Change> change;
};

// ---- Cursor ----

Cursor::Cursor(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Cursor::Cursor(Cursor&&) noexcept = default;
Cursor& Cursor::operator=(Cursor&&) noexcept = default;
Cursor::~Cursor() = default;

Result<bool> Cursor::next() {
  if (!impl_->reader->is_ours()) {
    return fatal("the cursor belongs to the process that was forked; open another one");
  }
  if (impl_->end) return *impl_->end;
  const DatabaseUse use;
  const Result<bool> row = impl_->statement.step();
  impl_->at_row = row.ok() && row.value();
  if (impl_->at_row) return true;
  impl_->end = row.ok() ? Result<bool>(false) : storage::as_answer(row.status());
  impl_->statement.reset();  // its snapshot ends
  return *impl_->end;
}

const std::vector<std::string>& Cursor::columns() const { return impl_->columns; }

SqlValue Cursor::operator[](std::size_t column) const {
  if (!impl_->at_row || !impl_->reader->is_ours()) return {};
  const DatabaseUse use;
  return storage::value_of(impl_->statement, int(column));
}

// ---- Transaction ----

Transaction::Transaction(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Transaction::Transaction(Transaction&&) noexcept = default;
Transaction& Transaction::operator=(Transaction&&) noexcept = default;
Transaction::~Transaction() = default;

Result<std::int64_t> Transaction::execute(std::string_view sql,
                                          const std::vector<SqlValue>& parameters) {
  return impl_->change->execute(sql, parameters);
}

Result<Rows> Transaction::query(std::string_view sql, const std::vector<SqlValue>& parameters) {
  return impl_->change->query(sql, parameters, QueryOptions().max_rows);
}

Status Transaction::commit() { return impl_->change->commit(); }
void Transaction::rollback() { impl_->change->rollback(); }

// ---- Store ----

Store::Store(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&& other) noexcept {
  if (this != &other) {
    if (impl_) (void)close();
    impl_ = std::move(other.impl_);
  }
  return *this;
}
Store::~Store() {
  if (impl_) (void)close();
}

Result<Store> Store::open(std::string_view path, const StoreOptions& options) {
  if (path.empty()) return fatal("a store needs a path, such as app.db, or :memory:");
  auto impl = std::make_unique<Impl>();
  impl->asked_path = path == ":memory:" ? std::string(path) : os::absolute_path(path);
  impl->wait_ms = options.wait_ms;
  StorePlace place = runtime::runtime().find_store(impl->asked_path);
  if (!place.running) {
    Options start_options = options.start;
    const bool named =
        std::any_of(start_options.sinks.begin(), start_options.sinks.end(), [&](const Sink& sink) {
          return sink.kind == SinkKind::store &&
                 (sink.path == path || os::absolute_path(sink.path) == impl->asked_path);
        });
    if (!named) start_options.sinks.push_back(store_file(impl->asked_path));
    impl->started = start(start_options);
    const std::string problem(last_error());
    place = runtime::runtime().find_store(impl->asked_path);
    // Another thread may have been faster.
    if (!impl->started && !place.running) return fatal(problem);
  }
  if (!place.sink) {
    return fatal(impl->asked_path +
                 ": Sluice is running and stores nothing there; add store_file(\"" +
                 impl->asked_path + "\") to the sinks of start()");
  }
  return Store(std::move(impl));
}

Status Store::close() {
  if (!impl_) return {};
  if (runtime::CommitWatches::in_hook())
    return fatal("close() was called by a hook; call it elsewhere");
  Status status;
  if (impl_->place().ok()) status = impl_->settled(impl_->wait_ms).status();
  // Those that are taken end here. They get what is committed, and may ask, and add others, until
  // they have it.
  while (!impl_->take_hooks().empty()) {
  }
  impl_->readers->close();  // before the writer, which puts the file in order as the last
  if (impl_->started && !stop()) status = {ErrorClass::kRetryable, std::string(last_error())};
  impl_.reset();
  return status;
}

std::string Store::path() const {
  const StorePlace found = runtime::runtime().find_store(impl_->asked_path);
  return found.sink ? found.path : impl_->asked_path;
}

Result<std::vector<LogRow>> Store::get_logs(std::optional<Level> level, std::size_t limit) const {
  if (level == Level::off) return std::vector<LogRow>();  // no record has it
  return impl_->ask([&](Reader& reader) { return reader.logs(level, limit); });
}

Result<std::vector<LogRow>> Store::find_logs(std::string_view expression,
                                             std::optional<Level> at_least,
                                             std::size_t limit) const {
  return impl_->ask([&](Reader& reader) { return reader.find(expression, at_least, limit); });
}

Result<std::vector<MetricRow>> Store::get_metrics(std::string_view metric_name,
                                                  std::size_t limit) const {
  return impl_->ask([&](Reader& reader) { return reader.metrics(metric_name, limit); });
}

Result<LogStatistics> Store::get_log_statistics() const {
  return impl_->ask([](Reader& reader) { return reader.statistics(); });
}

Result<Rows> Store::query(std::string_view sql, const std::vector<SqlValue>& parameters,
                          const QueryOptions& options) const {
  Result<std::unique_ptr<Reader>> reader = impl_->reader(options.wait);
  if (!reader.ok()) return reader.status();
  reader.value()->limit(options.timeout_ms ? deadline_in(options.timeout_ms) : 0, options.stop);
  Result<Rows> rows = reader.value()->ask(sql, parameters, options.max_rows);
  impl_->readers->give_back(std::move(reader.value()));
  return rows;
}

Result<Cursor> Store::cursor(std::string_view sql, const std::vector<SqlValue>& parameters,
                             const QueryOptions& options) const {
  Result<std::unique_ptr<Reader>> reader = impl_->reader(options.wait);
  if (!reader.ok()) return reader.status();
  reader.value()->limit(options.timeout_ms ? deadline_in(options.timeout_ms) : 0, options.stop);
  auto impl = std::make_unique<Cursor::Impl>();
  impl->readers = impl_->readers;
  impl->reader = std::move(reader.value());
  const DatabaseUse use;
  Result<storage::Statement> statement = impl->reader->prepare(sql, parameters);
  if (!statement.ok()) return statement.status();
  impl->statement = std::move(statement.value());
  impl->columns = storage::column_names(impl->statement);
  return Cursor(std::move(impl));
}

Result<std::int64_t> Store::execute(std::string_view sql, const std::vector<SqlValue>& parameters) {
  Result<Transaction> transaction = begin();
  if (!transaction.ok()) return transaction.status();
  const Result<std::int64_t> changed = transaction.value().execute(sql, parameters);
  if (!changed.ok()) return changed;
  const Status committed = transaction.value().commit();
  if (!committed.ok()) return committed;
  return changed;
}

Result<Transaction> Store::begin() {
  const Result<StorePlace> found = impl_->settled(impl_->wait_ms);
  if (!found.ok()) return found.status();
  auto change = Change::begin(found.value().path, deadline_in(impl_->wait_ms));
  if (!change.ok()) return storage::as_answer(change.status());
  auto impl = std::make_unique<Transaction::Impl>();
  impl->change = std::move(change.value());
  return Transaction(std::move(impl));
}

Status Store::add_column(std::string_view name, ColumnType type) {
  return impl_->change_schema([&](storage::Connection& connection) {
    return storage::add_column(connection, name, type_text(type));
  });
}

Status Store::add_field_index(std::string_view field) {
  return impl_->change_schema(
      [&](storage::Connection& connection) { return storage::add_field_index(connection, field); });
}

Status Store::flush(std::uint32_t timeout_ms) const { return impl_->settled(timeout_ms).status(); }

Status Store::status() const {
  const Result<StorePlace> found = impl_->place();
  if (!found.ok()) return found.status();
  std::string problem = runtime::runtime().sink_problem(*found.value().sink);
  return problem.empty() ? Status() : Status{ErrorClass::kRetryable, std::move(problem)};
}

Result<std::uint64_t> Store::on_commit(std::function<void(const Commit&)> hook) {
  const Result<StorePlace> found = impl_->settled(impl_->wait_ms);
  if (!found.ok()) return found.status();
  runtime::Runtime& owner = runtime::runtime();
  auto watch = runtime::CommitWatch::start(found.value().path, std::move(hook), owner,
                                           owner.commit_watches());
  if (!watch.ok()) return storage::as_answer(watch.status());
  const std::lock_guard lock(impl_->mutex);
  impl_->hooks.emplace(++impl_->last_hook, std::move(watch.value()));
  return impl_->last_hook;
}

void Store::remove_hook(std::uint64_t id) {
  runtime::CommitWatch::Owner gone;  // outlives the lock: its hook may add others
  const std::lock_guard lock(impl_->mutex);
  const auto at = impl_->hooks.find(id);
  if (at == impl_->hooks.end() || at->second->is_this_thread()) return;
  gone = std::move(at->second);
  impl_->hooks.erase(at);
}

}  // namespace v1
}  // namespace sluice
