#include "store/text_match.h"

#include "record/escape.h"
#include "store/text_index.h"

namespace sluice::storage {
namespace {

constexpr std::size_t kTextsMax = 4096;
constexpr std::size_t kTextBytesMax = 1 << 20;

Status no_expression(const std::string& expression, std::string_view why) {
  return fatal("\"" + escaped(TextForm::kText, expression) +
               "\" is no search expression: " + std::string(why) +
               "; write words, \"a phrase\", wor*, AND, OR, NOT, NEAR(a b), and put what holds"
               " other characters than letters and digits in double quotes");
}

}  // namespace

Result<std::unique_ptr<TextMatcher>> TextMatcher::make(const std::string& expression) {
  const DatabaseUse use;
  if (expression.find_first_not_of(" \t\r\n") == std::string::npos) {
    return no_expression(expression, "it is empty");
  }
  // SQLite reads up to a zero byte, and has questions of its own that begin with a star.
  if (expression.find('\0') != std::string::npos || expression[0] == '*') {
    return no_expression(expression, expression[0] == '*' ? "it begins with *" : "a zero byte");
  }
  std::unique_ptr<TextMatcher> matcher(new TextMatcher);
  matcher->expression_ = expression;
  Result<std::unique_ptr<Connection>> memory = Connection::open(":memory:", Access::kWrite);
  if (!memory.ok()) return memory.status();
  matcher->memory_ = std::move(memory.value());
  Connection& db = *matcher->memory_;
  Status status = db.run("CREATE VIRTUAL TABLE texts USING " + std::string(kTextTable));
  const auto make = [&](Statement& to, std::string_view sql) {
    if (status.ok()) status = db.prepare_into(to, sql);
  };
  make(matcher->insert_, "INSERT INTO texts(rowid, message) VALUES(?, ?)");
  make(matcher->match_, "SELECT rowid FROM texts WHERE texts MATCH ? ORDER BY rowid");
  make(matcher->clear_, "INSERT INTO texts(texts) VALUES('delete-all')");
  if (!status.ok()) return status;
  const Result<std::vector<std::size_t>> none = matcher->take();
  if (none.ok()) return matcher;
  if (none.status().error_class() != ErrorClass::kDisableSink) return none.status();
  return no_expression(expression, escaped(TextForm::kText, sqlite3_errmsg(db.get())));
}

bool TextMatcher::full() const { return size_ >= kTextsMax || bytes_ >= kTextBytesMax; }

Status TextMatcher::add(std::string_view text) {
  if (size_ == 0) {
    const Status begun = memory_->run("BEGIN");
    if (!begun.ok()) return begun;
  }
  // In order: FTS5 would write its words out for every rowid that goes down.
  insert_.bind(1, i64(size_));
  ++size_;
  bytes_ += text.size();
  insert_.bind(2, text);
  return insert_.run();
}

Result<std::vector<std::size_t>> TextMatcher::take() {
  std::vector<std::size_t> matching;
  match_.bind(1, std::string_view(expression_));
  for (;;) {
    const Result<bool> row = match_.step();
    if (!row.ok()) return row.status();
    if (!row.value()) break;
    matching.push_back(std::size_t(match_.integer(0)));
  }
  match_.reset();
  if (size_ == 0) return matching;
  size_ = bytes_ = 0;
  Status status = clear_.run();
  if (status.ok()) status = memory_->run("COMMIT");
  if (!status.ok()) return status;
  return matching;
}

}  // namespace sluice::storage
