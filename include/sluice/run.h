// What belongs to a run, an execution of a program, besides what happens in it: parameters, tags,
// tracks and files. A store keeps them beside the run (`sluice runs ID` shows them).
//
//     SLUICE_PARAM("learning_rate", 0.001);
//     sluice::tags({"baseline", "gpu"});
//     SLUICE_TRACK("robot/pose", sluice::kv("x", x), sluice::kv("y", y));
//     sluice::attach_file("model.onnx", {.copy_to = "/srv/models"});
//
// The macros and track(), param(), tags() are calls as those of sluice/log.h: they never wait. What
// is said of a parameter last holds. Parameters and tags have the ring's reserve.
#ifndef SLUICE_RUN_H_
#define SLUICE_RUN_H_

#include <initializer_list>
#include <string>

#include "sluice/log.h"
#include "sluice/status.h"

// A row of a topic: named fields, at the time of the call, or at a sluice::Timestamp.
#define SLUICE_TRACK(topic, ...)                                               \
  SLUICE_CALL_(::sluice::detail::RecordKind::kTrack, ::sluice::Level::info, 0, \
               ::sluice::detail::MetricKind::kNone, 0, topic __VA_OPT__(, ) __VA_ARGS__)
#define SLUICE_TRACK_AT(topic, time, ...) \
  SLUICE_TRACK(topic,                     \
               ::sluice::kv("timestamp", ::sluice::Timestamp(time)) __VA_OPT__(, ) __VA_ARGS__)

// A parameter of the run; any value that can be logged.
#define SLUICE_PARAM(key, value)                                               \
  SLUICE_CALL_(::sluice::detail::RecordKind::kParam, ::sluice::Level::info, 0, \
               ::sluice::detail::MetricKind::kNone, 0, key, value)

namespace sluice {
inline namespace v1 {

namespace detail {
constexpr SiteText named_at_run_time(RecordKind kind) noexcept {
  SiteText text;
  text.kind = kind;
  text.flags = kNameIsFirstArg;
  return text;
}
}  // namespace detail

// With a name known only at run time; it travels in each record. The fields: a JSON object.
SLUICE_API Admission track(std::string_view topic, std::string_view fields_json) noexcept;
SLUICE_API Admission track(std::string_view topic, Timestamp time,
                           std::string_view fields_json) noexcept;
template <class T>
Admission param(std::string_view key, const T& value) noexcept {
  static constexpr detail::SiteText text = detail::named_at_run_time(detail::RecordKind::kParam);
  static constinit detail::CallSite site{Level::info, detail::RecordKind::kParam};
  return detail::call(site, text, 0, key, value);
}

// The run's tags, all of them: the parameter `tags`, a JSON list. Allocates.
SLUICE_API Admission tags(std::initializer_list<std::string_view> all) noexcept;

struct AttachOptions {
  std::string name = {};     // what it is called; empty: the last part of its path
  std::string copy_to = {};  // a directory: it is copied there first; empty: only named
};
// Says that a file belongs to the run: its path, size, time of change and, of a copy, its CRC32C.
//
// A copy is COPY_TO/NAME, made under another name and renamed when it is on the disk; a file of
// that name that is there is replaced. Later changes of the original are then no matter. Blocks as
// the disk does. Thread-safe. Errors: there is no such file, the copy cannot be made (kRetryable:
// no space); nothing is said then.
SLUICE_API Status attach_file(const std::string& path, const AttachOptions& options = {});

}  // namespace v1
}  // namespace sluice

#endif  // SLUICE_RUN_H_
