#include "stream/retention.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <map>
#include <tuple>
#include <utility>

#include "os/os_error.h"
#include "record/time_text.h"
#include "stream/names.h"

namespace sluice::stream {
namespace {

// Of "2026-01-02_18-55-02", UTC.
i64 time_of(std::string_view text) {
  const auto number = [text](std::size_t from, std::size_t digits) {
    u32 value = 0;
    std::from_chars(text.data() + from, text.data() + from + digits, value);
    return value;
  };
  const i64 days = days_of_date(number(0, 4), number(5, 2), number(8, 2));
  const i64 seconds = number(11, 2) * 3600 + number(14, 2) * 60 + number(17, 2);
  return (days * 86'400 + seconds) * kNsPerSecond;
}

// The files of one stream by their numbers: makes times rise with them.
void mend_times(std::map<u64, FinishedFile>& files, i64 now_ns) {
  i64 next = now_ns;
  for (auto at = files.rbegin(); at != files.rend(); ++at) {
    if (at->second.time_ns > now_ns) at->second.time_ns = next;
    next = at->second.time_ns;
  }
  i64 last = 0;
  for (auto& [number, file] : files) last = file.time_ns = std::max(file.time_ns, last);
}

}  // namespace

Result<std::vector<FinishedFile>> list_finished(os::Io& io, Directory& directory,
                                                std::string_view stream, i64 now_ns) {
  const auto known = directory.streams();
  if (!known.ok()) return known.status();
  std::map<std::string, std::map<u64, FinishedFile>, std::less<>> streams;  // by stem
  for (const Directory::Line& line : known.value()) {
    if (stream.empty() || line.name == stream) streams[line.stem];
  }
  if (!stream.empty() && streams.empty()) {
    return fatal(directory.path() + ": there is no stream '" + std::string(stream) + "' here");
  }
  const int listed = io.list(directory.path().c_str(), [&](const char* name) {
    const FinishedName parsed = parse_finished(name);
    const auto at = parsed.number == 0 ? streams.end() : streams.find(parsed.stem);
    if (at == streams.end()) return;
    os::FileInfo info;
    const std::string path = directory.path() + "/" + name;
    if (io.stat(path.c_str(), info) < 0 || !info.regular || !check_owner(path, info).ok()) return;
    at->second[parsed.number] = {name, at->first, parsed.number, time_of(parsed.time), info.size};
  });
  if (listed < 0) {
    return failed(ErrorClass::kRetryable, directory.path(), "cannot look into it", listed);
  }
  std::vector<FinishedFile> files;
  for (auto& [stem, its] : streams) {
    mend_times(its, now_ns);
    for (auto& [number, file] : its) files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(), [](const FinishedFile& a, const FinishedFile& b) {
    return std::tie(a.time_ns, a.stem, a.number) < std::tie(b.time_ns, b.stem, b.number);
  });
  return files;
}

Removal plan_removal(std::vector<FinishedFile> files, const KeepFiles& keep, i64 now_ns,
                     const IsUploaded& is_uploaded) {
  Removal removal;
  u64 left = 0;
  for (const FinishedFile& file : files) left += file.bytes;
  const auto go = [&](FinishedFile& file) {
    left -= file.bytes;
    removal.going.add(file);
    removal.files.push_back(std::move(file));
  };
  struct Waiting {
    FinishedFile file;
    bool should_go;
  };
  std::vector<Waiting> not_uploaded;
  for (FinishedFile& file : files) {
    const bool old = keep.age_ns > 0 && now_ns - file.time_ns > keep.age_ns;
    const bool too_many = (keep.bytes > 0 && left > keep.bytes) ||
                          (keep.disk_budget_bytes > 0 && left > keep.disk_budget_bytes);
    if (is_uploaded && !is_uploaded(file)) {
      not_uploaded.push_back({std::move(file), old || too_many});
    } else if (old || too_many) {
      go(file);
    } else {
      removal.staying.add(file);
    }
  }
  for (auto& [file, should_go] : not_uploaded) {
    if (keep.disk_budget_bytes > 0 && left > keep.disk_budget_bytes) {
      removal.not_uploaded.add(file);
      go(file);
      continue;
    }
    removal.staying.add(file);
    if (should_go) removal.held.add(file);
  }
  return removal;
}

Status remove_files(os::Io& io, Directory& directory, const Removal& removal, FileCount& removed) {
  Status first;
  for (const FinishedFile& file : removal.files) {
    const std::string path = directory.path() + "/" + file.name;
    if (Status noted = directory.note_removed(file.stem, file.number); !noted.ok()) {
      if (first.ok()) first = std::move(noted);
      continue;
    }
    const int error = io.unlink(path.c_str());
    if (error == 0) {
      removed.add(file);
    } else if (error != -ENOENT && first.ok()) {
      first = failed(ErrorClass::kRetryable, path, "cannot be removed", error);
    }
  }
  return first;
}

}  // namespace sluice::stream
