// Messages made in the caller: the record that the call would have been, its secrets taken out,
// rendered as a sink would, and logged as a text with fields.
#include "sluice/runtime_format.h"

#include <new>
#include <vector>

#include "front/front.h"
#include "os/process.h"
#include "record/fields.h"
#include "record/message.h"
#include "record/redact.h"

namespace sluice {
inline namespace v1 {
namespace detail {
namespace {

using Arguments = std::initializer_list<AnyArgument>;

Site site_of(std::string_view format, const Arguments& arguments) {
  std::string_view names[kSiteArgumentsMax];
  u32 count = 0;
  for (const AnyArgument& argument : arguments) names[count++] = argument.name;
  SiteText text;
  text.format = format;
  const SiteShape shape{&text, nullptr, names, count};
  Site site;
  site.id = kSiteFirstCaller;
  site.format = format;
  u32 position = 0;
  for (const AnyArgument& argument : arguments) {
    const std::string_view name =
        argument.name.empty() ? front::name_from_format(shape, 0, position++) : argument.name;
    site.arguments.push_back({argument.type, std::string(name.substr(0, 255))});
  }
  return site;
}

// Empty: too big.
std::vector<std::byte> record_of(const Site& site, const Arguments& arguments) {
  u64 bytes = kRecordHeaderBytes + 8 * arguments.size();
  for (const AnyArgument& argument : arguments) {
    if (argument.tail && argument.word > kRecordBytesMax) return {};
    if (argument.tail) bytes += argument.word;
  }
  bytes = round_up(bytes, 8);
  if (bytes > kRecordBytesMax) return {};
  std::vector<std::byte> record(redacted_bytes_max(bytes));
  store(record.data(), RecordHeader{u16(bytes / 8), 0, site.id, 0});
  std::byte* to = record.data() + kRecordHeaderBytes;
  for (const AnyArgument& argument : arguments) {
    store(to, argument.word);
    to += 8;
  }
  for (const AnyArgument& argument : arguments) {
    if (!argument.tail || argument.word == 0) continue;
    std::memcpy(to, argument.tail, argument.word);
    to += argument.word;
  }
  return record;
}

Admission log_rendered(RuntimeSites& sites, const SiteText& text, std::string_view format,
                       const Arguments& arguments) {
  const Site site = site_of(format, arguments);
  std::vector<std::byte> record = record_of(site, arguments);
  if (record.empty()) {
    front::count_drop(sites.plain.known_id(), DropReason::kTooBig);
    return Admission::kDroppedTooBig;
  }
  const region::Region& region = front::g_front.region;
  Redactor redactor(region.exists() ? region.header().secrets : "");
  if (redactor.touches(site, false)) (void)redactor.redact(record, site);
  RecordView view;
  if (!RecordView::parse(record, site, view)) return Admission::kDroppedTooBig;

  TextBuffer message, fields;
  const Entry entry{view, site};
  (void)message.end_record(MessagePlan(site, TextForm::kStored, MessagePlan::Fields::kOmit)
                               .put(entry, message, message.begin_record()));
  const FieldPlan plan(site);
  if (plan.empty()) return call(sites.plain, text, 0, message.text());
  (void)fields.end_record(plan.put_json(fields, fields.begin_record(), view));
  SiteText with_fields = text;
  with_fields.flags = kFieldsAreLastArg;
  return call(sites.with_fields, with_fields, 0, message.text(), Json{fields.text()});
}

}  // namespace

Admission log_runtime(RuntimeSites& sites, const SiteText& text, std::string_view format,
                      std::initializer_list<AnyArgument> arguments) noexcept {
  const os::KeepErrno keep;
  try {
    return log_rendered(sites, text, format, arguments);
  } catch (const std::bad_alloc&) {
    front::count_drop(sites.plain.known_id(), DropReason::kNoMemory);
    return Admission::kDroppedNoMemory;
  }
}

}  // namespace detail
}  // namespace v1
}  // namespace sluice
