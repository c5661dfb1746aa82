#include "upload/gcs_object.h"

#include <nlohmann/json.hpp>

namespace sluice::upload {
namespace {

constexpr std::size_t kNameMax = 1024;  // of an object: a rule of the store

bool is_number(std::string_view text) {
  return !text.empty() && text.size() < 20 &&
         text.find_first_not_of("0123456789") == std::string_view::npos;
}

std::optional<GcsObject> object_of(const nlohmann::json& json) {
  if (!json.is_object()) return std::nullopt;
  const std::string size = text_in(json, "size");
  GcsObject object{
      text_in(json, "name"), text_in(json, "crc32c"), text_in(json, "generation"), 0, {}};
  if (object.name.empty() || object.name.size() > kNameMax || !is_number(object.generation) ||
      !is_number(size)) {
    return std::nullopt;
  }
  object.size = std::stoull(size);
  if (const auto metadata = json.find("metadata");
      metadata != json.end() && metadata->is_object()) {
    for (const auto& [key, value] : metadata->items()) {
      if (value.is_string()) object.metadata[key] = value.get<std::string>();
    }
  }
  return object;
}

}  // namespace

std::string text_in(const nlohmann::json& json, const char* name) {
  const auto at = json.find(name);
  return at != json.end() && at->is_string() ? at->get<std::string>() : std::string();
}

std::optional<GcsObject> parse_gcs_object(std::string_view untrusted_json) {
  return object_of(nlohmann::json::parse(untrusted_json, nullptr, false));
}

std::optional<GcsPage> parse_gcs_page(std::string_view untrusted_json) {
  const auto json = nlohmann::json::parse(untrusted_json, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  GcsPage page{{}, text_in(json, "nextPageToken")};
  const auto items = json.find("items");
  if (items == json.end()) return page;
  if (!items->is_array()) return std::nullopt;
  for (const auto& item : *items) {
    auto object = object_of(item);
    if (!object) return std::nullopt;
    page.objects.push_back(std::move(*object));
  }
  return page;
}

std::string parse_gcs_error(std::string_view untrusted_json) {
  const auto json = nlohmann::json::parse(untrusted_json, nullptr, false);
  if (!json.is_object()) return {};
  const auto error = json.find("error");
  return error != json.end() && error->is_object() ? text_in(*error, "message") : std::string();
}

std::optional<u64> parse_gcs_range(std::string_view untrusted) {
  constexpr std::string_view kBegin = "bytes=0-";
  if (!untrusted.starts_with(kBegin)) return std::nullopt;
  untrusted.remove_prefix(kBegin.size());
  if (!is_number(untrusted) || untrusted.size() > 18) return std::nullopt;
  return std::stoull(std::string(untrusted)) + 1;
}

std::string GcsUpload::memo() const {
  if (!session.empty()) return nlohmann::json{{"session", session}}.dump();
  return nlohmann::json{{"parts", parts}, {"part_bytes", part_bytes}}.dump();
}

std::optional<GcsUpload> GcsUpload::parse(std::string_view memo) {
  const auto json = nlohmann::json::parse(memo, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  GcsUpload upload{text_in(json, "session"), text_in(json, "parts"), 0};
  if (!upload.session.empty()) return upload;
  const auto part_bytes = json.find("part_bytes");
  if (upload.parts.size() != 16 ||
      upload.parts.find_first_not_of("0123456789abcdef") != std::string::npos ||
      part_bytes == json.end() || !part_bytes->is_number_unsigned() ||
      part_bytes->get<u64>() == 0) {
    return std::nullopt;
  }
  upload.part_bytes = part_bytes->get<u64>();
  return upload;
}

}  // namespace sluice::upload
