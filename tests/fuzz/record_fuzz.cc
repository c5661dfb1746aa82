// Any bytes as a site definition and a record of it: parsing, rendering in every form, redacting,
// filtering. Nothing may crash or read outside, and what comes out must keep its promises: one
// printable line, valid JSON, a redacted record that still parses.
//
// Input: u8 options (low 4 bits: a built-in site in place of the definition when not 0; 0x80: keep
// the record's size word as it is), u16 bytes of the definition, the definition, the record.
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>

#include "record/filter.h"
#include "record/json_lines.h"
#include "record/json_text.h"
#include "record/logfmt.h"
#include "record/redact.h"
#include "record/text_pattern.h"

namespace sluice {
namespace {

void require(bool holds, const char* what, std::string_view about) {
  if (holds) return;
  std::fprintf(stderr, "%s: %.*s\n", what, int(about.size()), about.data());
  std::abort();
}

void check_line(std::string_view line) {
  require(line.ends_with('\n'), "no final newline", line);
  for (std::size_t i = 0; i + 1 < line.size();) {
    u32 code_point = 0;
    const std::size_t length = decode_utf8(line.substr(i), code_point);
    require(length > 0, "invalid UTF-8", line);
    require(code_point >= 0x20 && !is_unsafe_code_point(code_point), "unsafe character", line);
    i += length;
  }
}

template <class Renderer>
std::string render(Renderer&& renderer, const Entry& entry) {
  char memory[512];
  TextBuffer out(memory);
  require(renderer.append(entry, out), "an empty buffer refused a record", "");
  check_line(out.text());
  return std::string(out.text());
}

void render_all(const Entry& entry) {
  static auto pattern = TextPattern::compile(
      "%(time) %(level:<8) [%(thread_name)] %(path) %(function) %(logger:>9) %(message)");
  pattern.value().forget_sites();
  (void)render(pattern.value(), entry);
  (void)render(Logfmt(), entry);
  const std::string json = render(JsonLines(), entry);
  require(nlohmann::json::accept(json), "not JSON", json);
  require(is_json(json), "JSON that our own reader refuses", json);
}

void check_record(ByteView bytes, const Site& site) {
  RecordView view;
  const Dictionary sites;
  const TickClock clock{1, 2, u64{3} << 30};
  if (!RecordView::parse(bytes, site, view)) return;
  const Entry entry{.record = view,
                    .site = site,
                    .sequence = 1,
                    .wall_ns = i64(view.header().ticks),
                    .thread = {2, site.function},
                    .logger = site.logger,
                    .sites = &sites,
                    .clock = &clock};
  render_all(entry);
  MessageText message;
  Filter filter;
  filter.fields = {{"a.b", "1"}, {"", ""}};
  filter.grep = "x";
  (void)filter.matches(entry, message.of(entry));
}

void check_redaction(ByteView bytes, const Site& site) {
  RecordView view;
  Redactor redactor("a");
  std::vector<std::byte> memory(bytes.begin(), bytes.end());
  memory.resize(redacted_bytes_max(bytes.size()));
  const bool sound = RecordView::parse(bytes, site, view);
  const std::size_t size = redactor.redact(memory, site);
  memory.resize(size);
  if (sound) require(RecordView::parse(memory, site, view), "redacted record does not parse", "");
  check_record(memory, site);
}

}  // namespace
}  // namespace sluice

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice;
  ByteReader in({reinterpret_cast<const std::byte*>(data), size});
  const u8 options = in.read<u8>();
  const ByteView definition = in.read_bytes(in.read<u16>());
  const ByteView rest = in.read_bytes(in.left());
  if (!in.ok()) return 0;
  auto site = decode_site(definition);
  if (!site.ok() && (options & 15) == 0) return 0;
  // A copy of exactly this size: reading one byte outside is then an error for ASan.
  const auto copy = std::make_unique<std::byte[]>(rest.size());
  if (!rest.empty()) std::memcpy(copy.get(), rest.data(), rest.size());
  const ByteView record{copy.get(), rest.size()};
  if ((options & 0x80) == 0 && record.size() >= 16) {
    store(copy.get(), u16(std::min<std::size_t>(record.size() / 8, 0xffff)));
  }
  const Site& used = (options & 15) != 0 ? builtin_site(options & 15) : site.value();
  check_record(record, used);
  if (record.size() >= kRecordHeaderBytes) check_redaction(record, used);
  RecordRun run(record);
  ByteView one;
  while (run.next(one)) check_record(one, used);
  return 0;
}
