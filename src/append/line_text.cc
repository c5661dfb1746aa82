#include "append/line_text.h"

#include <cxxabi.h>

#include <array>
#include <cctype>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <memory>
#include <typeinfo>

#include "base/durations.h"
#include "record/decode.h"
#include "record/message.h"

namespace sluice::append {
namespace {

constexpr int kNestedMax = 16;

std::string readable_type(const std::type_info& type) {
  int status = 0;
  const std::unique_ptr<char, decltype(&std::free)> readable(
      abi::__cxa_demangle(type.name(), nullptr, nullptr, &status), &std::free);
  std::string name = readable ? readable.get() : type.name();
  // What throw_with_nested() throws is of a type made from the real one.
  constexpr std::string_view kWrapper = "std::_Nested_exception<";
  if (name.starts_with(kWrapper) && name.ends_with('>')) {
    name = name.substr(kWrapper.size(), name.size() - kWrapper.size() - 1);
    if (name.ends_with(' ')) name.pop_back();
  }
  return name;
}

void put_exception(const std::exception_ptr& exception, int depth, std::string& out) {
  if (depth > 0) out += "\ncaused by: ";
  try {
    std::rethrow_exception(exception);
  } catch (const std::exception& known) {
    out += readable_type(typeid(known)) + ": " + known.what();
    const auto* const nested = dynamic_cast<const std::nested_exception*>(&known);
    if (nested && nested->nested_ptr() && depth < kNestedMax) {
      put_exception(nested->nested_ptr(), depth + 1, out);
    }
  } catch (...) {
    const std::type_info* const type = abi::__cxa_current_exception_type();
    out += (type ? readable_type(*type) : "unknown") + ": not a std::exception";
  }
}

}  // namespace

std::string line_head(i64 wall_ns, std::string_view name, Level level) {
  const std::time_t seconds = std::time_t(wall_ns / kNsPerSecond);
  std::tm local{};
  ::localtime_r(&seconds, &local);
  std::array<char, 64> time{};
  (void)std::strftime(time.data(), time.size(), "[%Y-%m-%d %H:%M:%S.", &local);
  std::string head = time.data();
  const std::string ms = std::to_string(wall_ns % kNsPerSecond / 1'000'000);
  head.append(3 - ms.size(), '0') += ms;
  if (!name.empty()) (head += ' ') += name;
  head += ' ';
  for (const char c : level_name(level)) head += char(std::toupper(static_cast<unsigned char>(c)));
  return head += "] ";
}

bool put_message(const detail::ShownCall& call, ByteView record, TextBuffer& out) {
  Site site;
  site.level = call.level;
  site.format = call.format;
  for (std::size_t i = 0; i < call.count; ++i) {
    site.arguments.push_back({call.types[i], std::string(call.names[i])});
  }
  RecordView view;
  if (!RecordView::parse(record, site, view)) return false;
  const MessagePlan plan(site, TextForm::kStored, MessagePlan::Fields::kAppend);
  char* const at = out.begin_record();
  return out.end_record(plan.put({.record = view, .site = site}, out, at));
}

std::string current_exception_text() {
  const std::exception_ptr current = std::current_exception();
  if (!current) return "none: no exception is being handled";
  std::string text;
  put_exception(current, 0, text);
  return text;
}

}  // namespace sluice::append
