#include "sink/file_name.h"

#include <charconv>
#include <utility>

namespace sluice::sink {
namespace {

constexpr std::string_view kPacked = ".zst";

}  // namespace

FileName::FileName(std::string path) : path_(std::move(path)) {
  const std::size_t slash = path_.rfind('/');
  directory_ = slash == 0 ? "/" : path_.substr(0, slash);
  name_ = path_.substr(slash + 1);
  const std::size_t dot = name_.rfind('.');
  const bool has_extension = dot != std::string::npos && dot > 0;
  stem_ = has_extension ? name_.substr(0, dot) : name_;
  extension_ = has_extension ? name_.substr(dot) : "";
}

std::string FileName::in_directory(std::string_view name) const {
  std::string path = directory_;
  if (path.back() != '/') path += '/';
  path += name;
  return path;
}

std::string FileName::rotated_path(u64 number) const {
  return in_directory(stem_ + "." + std::to_string(number) + extension_);
}

std::string FileName::packed_path(u64 number) const { return rotated_path(number).append(kPacked); }

std::optional<u64> FileName::packed_number(std::string_view name) const {
  if (!name.ends_with(kPacked)) return std::nullopt;
  return rotated_number(name.substr(0, name.size() - kPacked.size()));
}

std::optional<u64> FileName::rotated_number(std::string_view name) const {
  if (name.size() <= stem_.size() + 1 + extension_.size() || !name.starts_with(stem_) ||
      name[stem_.size()] != '.' || !name.ends_with(extension_)) {
    return std::nullopt;
  }
  const std::string_view digits =
      name.substr(stem_.size() + 1, name.size() - stem_.size() - 1 - extension_.size());
  u64 number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || end != digits.data() + digits.size() || digits[0] == '0' ||
      number > kNumberMax) {
    return std::nullopt;
  }
  return number;
}

}  // namespace sluice::sink
