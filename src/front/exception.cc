#include "sluice/exception.h"

#include <cxxabi.h>

#include <cstdlib>
#include <typeinfo>

#include "sluice/log.h"

namespace sluice {
inline namespace v1 {
namespace detail {
namespace {

constexpr int kNestedMax = 16;

CallSite* site_of(ExceptionCall::Sites& sites, Level level) {
  switch (level) {
    case Level::trace:
      return &sites.trace;
    case Level::debug:
      return &sites.debug;
    case Level::info:
      return &sites.info;
    case Level::notice:
      return &sites.notice;
    case Level::warning:
      return &sites.warning;
    case Level::error:
      return &sites.error;
    case Level::critical:
      return &sites.critical;
    case Level::off:
      break;
  }
  return nullptr;
}

void log_one(const ExceptionCall& from, std::string_view message, std::string_view type,
             std::string_view text) noexcept {
  CallSite* const site = site_of(from.sites, from.level);
  if (site == nullptr) return;
  if (site->control_value() == kOff) return count_filtered();
  SiteText where;
  where.level = from.level;
  where.line = from.line;
  where.file = from.file;
  where.function = from.function;
  where.format = "{}: {}";
  (void)call(*site, where, 0, message, text, kv("exception.type", type),
             kv("exception.message", text));
}

// throw_with_nested() throws a type of the library's own, which is made from the real one.
std::string_view without_wrapper(std::string_view type) {
  constexpr std::string_view kWrapper = "std::_Nested_exception<";
  if (!type.starts_with(kWrapper) || !type.ends_with('>')) return type;
  type = type.substr(kWrapper.size(), type.size() - kWrapper.size() - 1);
  if (type.ends_with(' ')) type.remove_suffix(1);
  return type;
}

void log_typed(const ExceptionCall& from, const std::exception& exception, std::string_view message,
               int depth) noexcept {
  int status = 0;
  const char* mangled = typeid(exception).name();
  char* readable = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
  log_one(from, message, without_wrapper(readable ? readable : mangled), exception.what());
  std::free(readable);
  const auto* nested = dynamic_cast<const std::nested_exception*>(&exception);
  if (!nested || !nested->nested_ptr() || depth == kNestedMax) return;
  try {
    nested->rethrow_nested();
  } catch (const std::exception& inner) {
    log_typed(from, inner, "caused by", depth + 1);
  } catch (...) {
    log_one(from, "caused by", "unknown", "not a std::exception");
  }
}

}  // namespace

void log_exception(const ExceptionCall& from, const std::exception& exception,
                   std::string_view message) noexcept {
  log_typed(from, exception, message, 0);
}

void log_current_exception(const ExceptionCall& from, std::string_view message) noexcept {
  const std::exception_ptr current = std::current_exception();
  if (!current) return log_one(from, message, "none", "no exception is being handled");
  try {
    std::rethrow_exception(current);
  } catch (const std::exception& exception) {
    log_typed(from, exception, message, 0);
  } catch (...) {
    log_one(from, message, "unknown", "not a std::exception");
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice
