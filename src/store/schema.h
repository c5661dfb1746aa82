// The store's tables (docs/formats/store.md): made, recognised, brought up to date.
//
// Threading: as the connection. Blocking: as the disk. Failure: a file that is no store of ours is
// never changed; the error says what it is and what to do.
#ifndef SLUICE_SRC_STORE_SCHEMA_H_
#define SLUICE_SRC_STORE_SCHEMA_H_

#include <string>
#include <vector>

#include "sluice/level.h"
#include "store/sqlite.h"

namespace sluice::storage {

inline constexpr i64 kApplicationId = 0x534c5543;  // "SLUC", in the file's header
inline constexpr i64 kSchemaVersion = 3;

enum class SchemaState : u8 {
  kEmpty,    // a database without tables, or an empty file
  kCurrent,  // ours, of this version
  kOlder,    // ours; migrate() brings it up to date
  kNewer,    // ours, of a later version of this program
  kForeign,  // somebody else's
};

// What stands in the file; kRotate when it is damaged or no database.
[[nodiscard]] Result<SchemaState> look_at_schema(Connection& connection);

// kFatal for a newer or foreign one: what it is, and how to mend it.
Status refuse_unless_current(SchemaState state, const std::string& path);

// Makes or updates the tables, in one transaction. Nothing happens to one that is current.
Status make_schema(Connection& connection);

// A column that the user added to the records.
struct CustomColumn {
  std::string name;
  std::string type;  // TEXT, INTEGER, REAL or ANY
};
[[nodiscard]] Result<std::vector<CustomColumn>> custom_columns(Connection& connection);

// Adds a column to the records and to the view `logs`; records that have a field of that name fill
// it. One that is there with the same type is left as it is. `type`: as in CustomColumn. Within the
// caller's transaction if there is one.
Status add_column(Connection& connection, std::string_view name, std::string_view type);

// Makes queries for one value of this field fast, in what is stored already and what comes.
Status add_field_index(Connection& connection, std::string_view field);

// Rows of `records` as SQL: the level's name in capitals, and the time as text. The indexes are on
// just these expressions, so a query must use them to the letter.
extern const char kLevelText[];
extern const char kTimeText[];
// The value of a field, attributes before context, as an expression for a query and for its index.
// Not every name can stand in a JSON path of SQLite's (https://www.sqlite.org/json1.html).
[[nodiscard]] bool has_field_expression(std::string_view field);
[[nodiscard]] std::string field_expression(std::string_view field);

// "ERROR": how the store writes a level.
[[nodiscard]] std::string_view level_text(Level level);

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_SCHEMA_H_
