#include "segment/directory.h"

#include <algorithm>
#include <charconv>

#include "base/characters.h"
#include "segment/scanner.h"

namespace sluice {
namespace {

constexpr std::string_view kSuffix = ".seg";
constexpr std::size_t kDigitsMin = 6;

bool is_name_byte(char c) {
  return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' || c == '_' ||
         c == '-';
}

struct RegionEnd {
  u64 end_sequence = 0;
  // No older file of the same name holds more. Not so when this one repeats what an abandoned file
  // held and was killed over it.
  bool is_last = false;
};

// Where the sequences of `region` end in one file; nullopt when it holds none.
std::optional<RegionEnd> region_end_in(os::Io& io, const std::string& path,
                                       const RegionId& region) {
  Result<std::unique_ptr<ByteSource>> source = open_source(io, path);
  if (!source.ok()) return std::nullopt;
  FrameScanner scanner(*source.value());
  std::optional<RegionEnd> found;
  bool is_last = false;  // unless the header says so
  Frame frame;
  while (scanner.next(frame)) {
    if (frame.header.region_id != region) break;
    if (frame.header.frame_kind() == FrameKind::kHeader) {
      is_last = (frame.header.flags & kRepeatsFrames) == 0;
    }
    if (frame.header.sequence_count == 0) continue;
    const u64 end = frame.header.end_sequence();
    found = {found ? std::max(found->end_sequence, end) : end, is_last};
  }
  return found;
}

}  // namespace

bool is_segment_name(std::string_view name) {
  return !name.empty() && name.size() <= kSegmentNameBytesMax && name[0] != '.' &&
         std::all_of(name.begin(), name.end(), is_name_byte);
}

std::string segment_file_name(std::string_view name, u64 number) {
  std::string digits = std::to_string(number);
  if (digits.size() < kDigitsMin) digits.insert(0, kDigitsMin - digits.size(), '0');
  return std::string(name) + "-" + digits + std::string(kSuffix);
}

std::optional<SegmentName> parse_segment_file_name(std::string_view file_name) {
  if (!file_name.ends_with(kSuffix)) return std::nullopt;
  const std::string_view stem = file_name.substr(0, file_name.size() - kSuffix.size());
  const std::size_t dash = stem.rfind('-');
  if (dash == std::string_view::npos || dash + 1 == stem.size()) return std::nullopt;
  SegmentName parsed{std::string(stem.substr(0, dash)), 0};
  const std::string_view digits = stem.substr(dash + 1);
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), parsed.number);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  if (!is_segment_name(parsed.name)) return std::nullopt;
  if (segment_file_name(parsed.name, parsed.number) != file_name) return std::nullopt;
  return parsed;
}

Result<std::vector<SegmentName>> list_segments(os::Io& io, const std::string& directory,
                                               std::string_view name) {
  std::vector<SegmentName> found;
  const int result = io.list(directory.c_str(), [&](const char* file_name) {
    std::optional<SegmentName> parsed = parse_segment_file_name(file_name);
    if (parsed && (name.empty() || parsed->name == name)) found.push_back(std::move(*parsed));
  });
  if (result < 0) {
    return Status(ErrorClass::kDisableSink, directory + ": cannot list: " + os::error_text(result),
                  -result);
  }
  std::sort(found.begin(), found.end(), [](const SegmentName& a, const SegmentName& b) {
    return a.name != b.name ? a.name < b.name : a.number < b.number;
  });
  return found;
}

Result<u64> next_number(os::Io& io, const std::string& directory, std::string_view name) {
  const Result<std::vector<SegmentName>> segments = list_segments(io, directory, name);
  if (!segments.ok()) return segments.status();
  return segments.value().empty() ? u64{1} : segments.value().back().number + 1;
}

Result<std::optional<u64>> last_sequence(os::Io& io, const std::string& directory,
                                         const RegionId& region) {
  const Result<std::vector<SegmentName>> segments = list_segments(io, directory);
  if (!segments.ok()) return segments.status();
  std::optional<u64> end;
  std::string_view done;  // a name whose older files hold nothing higher
  for (auto at = segments.value().rbegin(); at != segments.value().rend(); ++at) {
    if (at->name == done) continue;
    const std::string path = directory + "/" + segment_file_name(at->name, at->number);
    const std::optional<RegionEnd> found = region_end_in(io, path, region);
    if (!found) continue;
    end = std::max(end.value_or(0), found->end_sequence);
    if (found->is_last) done = at->name;
  }
  if (!end) return std::optional<u64>{};
  return std::optional<u64>{*end - 1};
}

}  // namespace sluice
