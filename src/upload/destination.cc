#include "upload/destination.h"

#include <algorithm>

#include "os/path.h"
#include "record/escape.h"
#include "record/time_text.h"
#include "stream/names.h"

namespace sluice::upload {
namespace {

constexpr std::string_view kSchemes = "gs://BUCKET/PREFIX, s3://BUCKET/PREFIX or file:///DIR";

std::string in_quotes(std::string_view text) { return "'" + escaped(TextForm::kText, text) + "'"; }

std::string without_slashes_at_end(std::string path) {
  while (path.size() > 1 && path.ends_with('/')) path.pop_back();
  return path;
}

// Why no store should be asked for an object of this name; empty: nothing.
std::string mistake_in_object(std::string_view name) {
  if (name.empty()) return "it is empty";
  if (name.size() > kObjectBytesMax) {
    return "it has " + std::to_string(name.size()) + " bytes, at most " +
           std::to_string(kObjectBytesMax) + "; use a shorter prefix";
  }
  for (std::string_view rest = name; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find('/'));
    if (part.empty() || part == "." || part == "..") return "a part of it is empty, . or ..";
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
  }
  for (std::string_view rest = name; !rest.empty();) {
    u32 code_point = 0;
    const std::size_t size = u8(rest[0]) < 0x80 ? 1 : decode_utf8(rest, code_point);
    if (size == 0) return "it is no UTF-8";
    if (size == 1 && (u8(rest[0]) < 0x20 || rest[0] == 0x7f)) return "it has control characters";
    rest.remove_prefix(size);
  }
  return {};
}

// The event, date and hour of a file: as its name says, else up to the first '_' or '.' of the name
// and the time of its last change.
std::string hive_folders(std::string_view file_name, i64 modified_ns) {
  const stream::FinishedName finished = stream::parse_finished(file_name);
  std::string event, time;
  if (finished.number != 0) {
    event = finished.stem;
    time = finished.time;
  } else {
    event = file_name.substr(0, std::min(file_name.find_first_of("_."), file_name.size()));
    TimeText text;
    time = std::string(text.prefix(modified_ns), 19);
  }
  return "event=" + event + "/date=" + time.substr(0, 10) + "/hour=" + time.substr(11, 2) + "/";
}

}  // namespace

Result<Destination> Destination::parse(std::string_view url, std::string_view endpoint) {
  Destination to;
  const std::size_t mark = url.find("://");
  if (url.empty()) return fatal("where to? Say " + std::string(kSchemes));
  if (mark == std::string_view::npos || url.starts_with("file://")) {
    if (mark != std::string_view::npos) {
      url.remove_prefix(7);
      if (!url.starts_with('/')) {
        return fatal("a directory's URL has three slashes: file:///DIR, not file://" +
                     std::string(url));
      }
    }
    if (url.find('\0') != std::string_view::npos) return fatal("a path has no zero bytes");
    to.directory_ = without_slashes_at_end(os::absolute_path(url));
    to.bucket_ = "file://" + to.directory_;
    to.key_ = to.bucket_ + "/";
    return to;
  }
  const std::string_view scheme = url.substr(0, mark);
  if (scheme != "gs" && scheme != "s3") {
    return fatal(in_quotes(url) + ": there is no " + in_quotes(std::string(scheme) + "://") +
                 "; say " + std::string(kSchemes));
  }
  std::string_view rest = url.substr(mark + 3);
  const std::string_view bucket = rest.substr(0, rest.find('/'));
  if (bucket.empty()) {
    return fatal(in_quotes(url) + ": the bucket is missing; say " + std::string(scheme) +
                 "://BUCKET/PREFIX");
  }
  rest.remove_prefix(std::min(rest.size(), bucket.size() + 1));
  to.bucket_ = std::string(scheme) + "://" + std::string(bucket);
  to.prefix_ = rest;
  while (to.prefix_.ends_with('/')) to.prefix_.pop_back();
  if (!to.prefix_.empty()) {
    const std::string mistake = mistake_in_object(to.prefix_);
    if (!mistake.empty()) return fatal(in_quotes(url) + ": no prefix for objects: " + mistake);
    to.prefix_ += '/';
  }
  to.key_ = (endpoint.empty() ? "" : std::string(endpoint) + " ") + to.bucket_ + "/";
  return to;
}

std::string Destination::key_of(std::string_view object) const {
  return key_ + std::string(object);
}

std::string_view Destination::object_of(std::string_view key) const {
  return key.starts_with(key_) ? key.substr(key_.size()) : std::string_view();
}

Result<std::string> Destination::object_for(Layout layout, std::string_view file_name,
                                            i64 modified_ns, std::string_view ending) const {
  std::string object = prefix_;
  if (layout == Layout::kHive) object += hive_folders(file_name, modified_ns);
  object += file_name;
  object += ending;
  const std::string mistake = mistake_in_object(object);
  if (!mistake.empty()) return fatal(in_quotes(object) + " is no name for an object: " + mistake);
  return object;
}

}  // namespace sluice::upload
