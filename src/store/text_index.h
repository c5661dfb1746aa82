// Full-text search over the messages of `records`: an index that inserting rows does not pay for
// (docs/decisions/0007-text-is-indexed-in-parts.md).
//
// The index is a row of parts. A part is an FTS5 table without content, records_text_ID, that holds
// the messages of all rows with ids from first_record to last_record; `text_parts` says which parts
// there are. Rows in no part's range are not indexed yet, and a search reads them
// (store/text_match.h). Whoever wants the index up to date calls TextIndexer::step().
//
// What is taken out of `records` stays in its part, and a search does not find it: it looks up the
// rows. Ids are given again only above the newest row: when that goes, or a message changes, a
// trigger marks the parts that do not say the truth any more as stale. Such parts, and those all of
// whose rows have gone, are dropped as a whole.
//
// Threading: single-owner, as the connection. Blocking: as the disk; a lock of others is not waited
// for (kRetryable). Errors: those of Statement.
#ifndef SLUICE_SRC_STORE_TEXT_INDEX_H_
#define SLUICE_SRC_STORE_TEXT_INDEX_H_

#include <string>
#include <vector>

#include "store/sqlite.h"

namespace sluice::storage {

// How messages are cut into words, in the index and for rows that are not in it.
inline constexpr char kTextTable[] =
    "fts5(message, content='', columnsize=0, tokenize='unicode61 remove_diacritics 2')";

struct TextPart {
  i64 id = 0;
  i64 first_record = 0;
  i64 last_record = 0;
  i64 rows = 0;   // when they were indexed
  i64 bytes = 0;  // of their messages
};

// Of a part, as it stands in SQL.
[[nodiscard]] std::string text_table(i64 part);

[[nodiscard]] Result<bool> has_text_index(Connection& connection);
// Those that say the truth, in the order of their rows; none without an index.
[[nodiscard]] Result<std::vector<TextPart>> text_parts(Connection& connection);

// Within a transaction: drops one part that is stale or whose rows have all gone; with `sparse`
// also one that has lost more than half of them from its beginning. False: there is none.
[[nodiscard]] Result<bool> drop_dead_part(Connection& connection, bool sparse);
// Within a transaction: marks parts that have lost more than half of their rows, wherever. Counts
// all rows that are indexed.
Status mark_sparse_parts(Connection& connection);
// Within a transaction: marks all.
Status mark_all_parts(Connection& connection);
// Within a transaction: takes away what is left without parts. The store is as it was without.
Status remove_text_index(Connection& connection);

struct IndexCounts {
  u64 rows = 0;
  u64 steps = 0;
  i64 longest_step_ns = 0;  // with its commit
};

class TextIndexer {
 public:
  static constexpr i64 kStepNs = 10'000'000;
  // A part is full when it has so many bytes of messages, or an eighth of the store's rows.
  static constexpr i64 kPartBytesMax = 16 << 20;
  static constexpr i64 kPartRowsMin = 8192;

  // `connection` must outlive it and have the tables.
  explicit TextIndexer(Connection& connection) : connection_(connection) {}

  // One short transaction, sized by the clock: makes the index when there is none, drops a part
  // that is dead, or indexes rows, the oldest first. True: there is more to do now.
  [[nodiscard]] Result<bool> step();

  [[nodiscard]] const IndexCounts& counts() const { return counts_; }

 private:
  // Rows that are in no part, and where they are to go.
  struct Gap {
    i64 first = 0;
    i64 last = 0;
    TextPart part;  // id 0: a new one
  };
  [[nodiscard]] Result<bool> is_behind();
  [[nodiscard]] Result<bool> find_gap(Gap& gap);
  Status work();
  Status fill(Gap& gap, i64 until_ns);

  Connection& connection_;
  IndexCounts counts_;
  Statement insert_;
  i64 part_of_insert_ = 0;
};

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_TEXT_INDEX_H_
