// Lines that `sluice export` wrote, back into rows that are the same.
//
// Numbers of runs and sites in an export are those of the store it came from; definitions say which
// they are. Going on in the middle, the definitions before must be read again.
//
// Threading: single-owner. Lines are untrusted: one that is not as export writes it is refused, and
// why is said.
#ifndef SLUICE_SRC_CLI_IMPORT_EXPORT_H_
#define SLUICE_SRC_CLI_IMPORT_EXPORT_H_

#include <string_view>
#include <unordered_map>

#include "store/restore.h"

namespace sluice::cli {

// Lines or records of an export, of whichever form.
class ExportedRows {
 public:
  virtual ~ExportedRows() = default;
  // Within a transaction. kFatal: the line is none.
  virtual Status add(std::string_view line) = 0;
  // After a rollback, or when others have committed: ids that were found may not be there.
  virtual void forget() = 0;
  // Lines that were a row.
  [[nodiscard]] u64 rows() const { return rows_; }

 protected:
  u64 rows_ = 0;
};

class ExportedLines final : public ExportedRows {
 public:
  explicit ExportedLines(storage::Restorer& restorer) : restorer_(restorer) {}

  // Whether a text that begins like this is an export of a version that is known here.
  [[nodiscard]] static bool is_export(std::string_view head);
  [[nodiscard]] static bool is_definition(std::string_view line);

  Status add(std::string_view line) override;
  void forget() override;

 private:
  Status define(std::string_view line);

  storage::Restorer& restorer_;
  // What was defined, by its number in the export; ids when they were needed.
  std::unordered_map<i64, storage::RunRow> runs_;
  std::unordered_map<i64, storage::SiteRow> sites_;
  std::unordered_map<i64, i64> run_ids_, site_ids_;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_IMPORT_EXPORT_H_
