// Records of the CSV that `sluice export --csv` wrote, back into rows.
//
// They are the same but for what CSV has not: call sites, and of runs all but the id. A run is one
// of its own by that id, whichever file it comes from.
//
// Threading: single-owner. Records are untrusted: one that is not as export writes it is refused,
// and why is said.
#ifndef SLUICE_SRC_CLI_IMPORT_CSV_H_
#define SLUICE_SRC_CLI_IMPORT_CSV_H_

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "cli/csv_record.h"
#include "cli/import_export.h"

namespace sluice::cli {

class ExportedCsv final : public ExportedRows {
 public:
  explicit ExportedCsv(storage::Restorer& restorer) : restorer_(restorer) {}

  // Whether it is CSV, by its name and by how its text begins; not whether export wrote it.
  [[nodiscard]] static bool is_csv(std::string_view path, std::string_view head);

  // Once, before rows. kFatal: these are not the columns that export writes, and how to mend it.
  // `custom`: the columns that users have added to the store.
  Status set_columns(std::string_view record, const std::vector<storage::CustomColumn>& custom);

  Status add(std::string_view record) override;
  void forget() override { run_ids_.clear(); }

 private:
  using Fields = std::vector<CsvField>;
  Status read_log(const Fields& fields, storage::LogRow& row) const;
  Status read_point(const Fields& fields, storage::PointRow& row) const;
  Status read_column(const CsvField& field, const storage::CustomColumn& column,
                     storage::LogRow& row) const;
  [[nodiscard]] Result<std::optional<i64>> run_of(const CsvField& field, i64 time_ns);

  storage::Restorer& restorer_;
  bool metrics_ = false;
  std::size_t columns_ = 0;
  std::vector<storage::CustomColumn> custom_;  // of the file
  std::unordered_map<std::string, i64> run_ids_;
};

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_IMPORT_CSV_H_
