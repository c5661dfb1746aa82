// A FieldMatch as a condition in SQL.
//
// Threading: plain functions.
#ifndef SLUICE_SRC_STORE_FIELD_CONDITION_H_
#define SLUICE_SRC_STORE_FIELD_CONDITION_H_

#include "record/filter.h"
#include "store/select.h"

namespace sluice::storage {

struct FieldCondition {
  // Holds for every record that the match lets through, and for others unless `exact`.
  std::string sql;
  std::vector<Bound> values;
  bool exact = false;
};
[[nodiscard]] FieldCondition field_condition(const FieldMatch& match);

// The names of fields whose indexes (add_field_index) the condition can use, all of them; empty:
// none would help.
[[nodiscard]] std::vector<std::string> fields_looked_at(const FieldMatch& match);

}  // namespace sluice::storage

#endif  // SLUICE_SRC_STORE_FIELD_CONDITION_H_
