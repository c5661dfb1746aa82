#include "upload/scan.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/durations.h"
#include "os/os_error.h"
#include "os/process.h"
#include "record/filter.h"
#include "stream/names.h"

namespace sluice::upload {
namespace {}  // namespace

Scan::Scan(os::Io& io, std::string directory, std::string glob, u32 settle_ms)
    : io_(io),
      directory_(std::move(directory)),
      glob_(std::move(glob)),
      settle_ns_(i64{settle_ms} * kNsPerMs) {}

Result<std::shared_ptr<stream::Directory>> Scan::streams() {
  const std::scoped_lock lock(mutex_);
  os::FileInfo info;
  if (!streams_ && io_.stat((directory_ + "/" + stream::kIndexName).c_str(), info) == 0) {
    auto opened = stream::Directory::open(io_, directory_);
    if (!opened.ok()) return opened.status();
    streams_ = std::move(opened.value());
  }
  return streams_;
}

Status Scan::seal(const std::function<void(const stream::Left& left)>& sealed) {
  const auto there = streams();
  if (!there.ok() || !there.value()) return there.status();
  return stream::seal_unwritten(io_, *there.value(), sealed);
}

bool Scan::is_named(std::string_view name) const {
  return !name.starts_with('.') && (glob_.empty() || logger_matches(glob_, name));
}

Result<Look> Scan::look(std::size_t most, const std::function<bool(const FoundFile&)>& skip) {
  const auto there = streams();
  if (!there.ok()) return there.status();
  const bool of_streams = there.value() != nullptr;
  std::set<std::string, std::less<>> stems;
  if (of_streams) {
    const auto lines = there.value()->streams();
    if (!lines.ok()) return lines.status();
    for (const auto& line : lines.value()) stems.insert(line.stem);
  }
  Look look;
  std::map<std::pair<i64, std::string>, os::FileInfo> oldest;
  const i64 now = os::wall_ns();
  const int listed = io_.list(directory_.c_str(), [&](const char* name) {
    FoundFile found{name, {}};
    if (!is_named(found.name)) return;
    if (of_streams) {
      const stream::FinishedName finished = stream::parse_finished(found.name);
      if (finished.number == 0 || !stems.contains(finished.stem)) return;
    }
    if (io_.stat((directory_ + "/" + found.name).c_str(), found.info) < 0) return;  // has gone
    if (!found.info.regular || skip(found)) return;
    const i64 settled_in = found.info.modified_ns + settle_ns_ - now;
    if (!of_streams && settled_in > 0) {
      look.settled_in_ns =
          look.unsettled == 0 ? settled_in : std::min(look.settled_in_ns, settled_in);
      ++look.unsettled;
      return;
    }
    oldest.emplace(std::pair(found.info.modified_ns, found.name), found.info);
    if (oldest.size() <= most) return;
    oldest.erase(std::prev(oldest.end()));
    ++look.more;
  });
  if (listed < 0) {
    return failed(ErrorClass::kRetryable, directory_, "cannot be looked through", listed);
  }
  for (const auto& [key, info] : oldest) look.files.push_back({key.second, info});
  return look;
}

Status Scan::before_removal(std::string_view name) {
  const auto there = streams();
  if (!there.ok() || !there.value()) return there.status();
  const stream::FinishedName finished = stream::parse_finished(name);
  return there.value()->note_removed(finished.stem, finished.number);
}

}  // namespace sluice::upload
