#include "sluice/exception.h"

#include <cxxabi.h>

#include <cstdlib>
#include <typeinfo>

#include "sluice/log.h"

namespace sluice {
inline namespace v1 {
namespace {

constexpr int kNestedMax = 16;

// A site for each level, as in by_name.cc.
template <Level kLevel>
void log_at(std::string_view message, std::string_view type, std::string_view text) noexcept {
  SLUICE_LOG(kLevel, "{}: {}", message, text, kv("exception.type", type),
             kv("exception.message", text));
}

void log_one(Level level, std::string_view message, std::string_view type,
             std::string_view text) noexcept {
  switch (level) {
    case Level::trace:
      return log_at<Level::trace>(message, type, text);
    case Level::debug:
      return log_at<Level::debug>(message, type, text);
    case Level::info:
      return log_at<Level::info>(message, type, text);
    case Level::notice:
      return log_at<Level::notice>(message, type, text);
    case Level::warning:
      return log_at<Level::warning>(message, type, text);
    case Level::error:
      return log_at<Level::error>(message, type, text);
    case Level::critical:
      return log_at<Level::critical>(message, type, text);
    case Level::off:
      return;
  }
}

void log_typed(Level level, const std::exception& exception, std::string_view message,
               int depth) noexcept {
  int status = 0;
  const char* mangled = typeid(exception).name();
  char* readable = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  log_one(level, message, readable ? readable : mangled, exception.what());
  std::free(readable);
  const auto* nested = dynamic_cast<const std::nested_exception*>(&exception);
  if (!nested || !nested->nested_ptr() || depth == kNestedMax) return;
  try {
    nested->rethrow_nested();
  } catch (const std::exception& inner) {
    log_typed(level, inner, "caused by", depth + 1);
  } catch (...) {
    log_one(level, "caused by", "unknown", "not a std::exception");
  }
}

}  // namespace

void log_exception(Level level, const std::exception& exception,
                   std::string_view message) noexcept {
  log_typed(level, exception, message, 0);
}

void log_current_exception(Level level, std::string_view message) noexcept {
  const std::exception_ptr current = std::current_exception();
  if (!current) return log_one(level, message, "none", "no exception is being handled");
  try {
    std::rethrow_exception(current);
  } catch (const std::exception& exception) {
    log_typed(level, exception, message, 0);
  } catch (...) {
    log_one(level, message, "unknown", "not a std::exception");
  }
}

}  // namespace v1
}  // namespace sluice
