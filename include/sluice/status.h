// Status and Result: how calls that are not on the hot path report failure. Nothing here throws.
//
// A Status carries what the caller does next (its class) and one sentence for a person: what
// failed, where, and how to mend it. The hot path uses Admission instead.
//
// Threading: values.
#ifndef SLUICE_STATUS_H_
#define SLUICE_STATUS_H_

#include <string>
#include <utility>
#include <variant>

namespace sluice {
inline namespace v1 {

enum class ErrorClass {
  kNone,         // success
  kRetryable,    // the same call may succeed later (EINTR, ENOSPC, a lock held elsewhere)
  kRotate,       // this file is finished (EIO, a failed fsync); go on with a new one
  kDisableSink,  // this destination cannot work as configured
  kFatal,        // the operation cannot be done at all
};

class [[nodiscard]] Status {
 public:
  // Not defaulted: `return {}` would clear the whole object first.
  Status() {}
  Status(ErrorClass error_class, std::string message, int os_error = 0)
      : class_(error_class), os_error_(os_error), message_(std::move(message)) {}

  [[nodiscard]] bool ok() const { return class_ == ErrorClass::kNone; }
  [[nodiscard]] ErrorClass error_class() const { return class_; }
  [[nodiscard]] const std::string& message() const { return message_; }
  // The errno value behind it, 0 when there is none.
  [[nodiscard]] int os_error() const { return os_error_; }

 private:
  ErrorClass class_ = ErrorClass::kNone;
  int os_error_ = 0;
  std::string message_;
};

// A value or the Status that says why there is none.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::move(value)) {}
  Result(Status status) : state_(std::move(status)) {}

  [[nodiscard]] bool ok() const { return std::holds_alternative<T>(state_); }
  // Only when ok().
  [[nodiscard]] T& value() & { return std::get<T>(state_); }
  [[nodiscard]] const T& value() const& { return std::get<T>(state_); }
  // The value itself: `for (auto& row : f().value())` would lose its Result before the first row.
  [[nodiscard]] T value() && { return std::get<T>(std::move(state_)); }
  [[nodiscard]] Status status() const { return ok() ? Status() : std::get<Status>(state_); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_STATUS_H_
