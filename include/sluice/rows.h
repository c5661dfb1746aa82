// What queries of a store take and give: values, and rows of them.
//
// Threading: values.
#ifndef SLUICE_ROWS_H_
#define SLUICE_ROWS_H_

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "sluice/detail/api.h"

namespace sluice {
inline namespace v1 {

using Blob = std::vector<std::byte>;

// A value as SQLite has it: NULL, INTEGER, REAL, TEXT (UTF-8) or BLOB. Made from any number, text,
// or nullptr. An unsigned integer above 2^63-1 becomes a REAL.
class SqlValue {
 public:
  SqlValue() = default;
  SqlValue(std::nullptr_t) {}
  template <std::integral T>
  SqlValue(T value) : value_(number(value)) {}
  template <std::floating_point T>
  SqlValue(T value) : value_(static_cast<double>(value)) {}
  SqlValue(const char* text) : SqlValue(std::string(text)) {}
  SqlValue(std::string_view text) : SqlValue(std::string(text)) {}
  SqlValue(std::string text) : value_(std::move(text)) {}
  SqlValue(Blob bytes) : value_(std::move(bytes)) {}

  [[nodiscard]] bool is_null() const { return std::holds_alternative<std::nullptr_t>(value_); }
  // The value as a T: bool or another integer, a floating-point number, std::string,
  // std::string_view (which lives as long as this value) or Blob. None when it is NULL, of another
  // kind, or does not fit; an INTEGER is a number too, and a REAL that is whole an integer.
  template <class T>
  [[nodiscard]] std::optional<T> as() const;

  friend bool operator==(const SqlValue&, const SqlValue&) = default;

 private:
  friend struct SqlValueAccess;
  using Variant = std::variant<std::nullptr_t, std::int64_t, double, std::string, Blob>;

  template <class T>
  static Variant number(T value) {
    if constexpr (std::is_unsigned_v<T> && sizeof(T) == sizeof(std::int64_t)) {
      if (value > std::uint64_t(INT64_MAX)) return static_cast<double>(value);
    }
    return static_cast<std::int64_t>(value);
  }

  Variant value_ = nullptr;
};

// The result of a query, in memory.
class Rows {
 public:
  // A row; lives as long as the Rows.
  class Row {
   public:
    Row(const Rows& rows, const std::vector<SqlValue>& values) : rows_(&rows), values_(&values) {}
    [[nodiscard]] const SqlValue& operator[](std::size_t column) const {
      return (*values_)[column];
    }
    // By the column's name; NULL when there is no such column.
    [[nodiscard]] SLUICE_API const SqlValue& operator[](std::string_view column) const;
    template <class T, class Column>
    [[nodiscard]] std::optional<T> get(Column column) const {
      if constexpr (std::is_integral_v<Column>) {
        return (*this)[static_cast<std::size_t>(column)].template as<T>();
      } else {
        return (*this)[column].template as<T>();
      }
    }

   private:
    const Rows* rows_;
    const std::vector<SqlValue>* values_;
  };

  class Iterator {
   public:
    Iterator(const Rows& rows, std::size_t at) : rows_(&rows), at_(at) {}
    Row operator*() const { return (*rows_)[at_]; }
    Iterator& operator++() {
      ++at_;
      return *this;
    }
    friend bool operator==(const Iterator&, const Iterator&) = default;

   private:
    const Rows* rows_;
    std::size_t at_;
  };

  [[nodiscard]] const std::vector<std::string>& columns() const { return columns_; }
  [[nodiscard]] std::size_t size() const { return rows_.size(); }
  [[nodiscard]] bool empty() const { return rows_.empty(); }
  [[nodiscard]] Row operator[](std::size_t row) const { return {*this, rows_[row]}; }
  [[nodiscard]] Iterator begin() const { return {*this, 0}; }
  [[nodiscard]] Iterator end() const { return {*this, rows_.size()}; }

 private:
  friend struct RowsAccess;
  std::vector<std::string> columns_;
  std::vector<std::vector<SqlValue>> rows_;
};

template <class T>
std::optional<T> SqlValue::as() const {
  const auto* const integer = std::get_if<std::int64_t>(&value_);
  const auto* const real = std::get_if<double>(&value_);
  if constexpr (std::is_same_v<T, bool>) {
    if (integer) return *integer != 0;
  } else if constexpr (std::is_integral_v<T>) {
    std::int64_t whole = 0;
    if (integer) {
      whole = *integer;
    } else if (real && *real >= -0x1p63 && *real < 0x1p63) {
      whole = static_cast<std::int64_t>(*real);
      if (static_cast<double>(whole) != *real) return std::nullopt;
    } else {
      return std::nullopt;
    }
    if (std::in_range<T>(whole)) return static_cast<T>(whole);
  } else if constexpr (std::is_floating_point_v<T>) {
    if (integer) return static_cast<T>(*integer);
    if (real) return static_cast<T>(*real);
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
    if (const auto* const text = std::get_if<std::string>(&value_)) return T(*text);
  } else {
    static_assert(std::is_same_v<T, Blob>, "sluice: a value is a number, a text or a Blob");
    if (const auto* const bytes = std::get_if<Blob>(&value_)) return *bytes;
  }
  return std::nullopt;
}

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_ROWS_H_
