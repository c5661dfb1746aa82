// sluice verify: what state segment files and files of streams are in, to the byte, without
// changing them.
//
// Exit code 0: every file is whole (one that nothing was written to is); 1: something is damaged or
// cannot be read; 2: nothing to look at. A file that is still being written may have a tail that is
// not whole yet: said, and damage only once the file is sealed or nobody writes it.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "cli/record_source.h"
#include "os/io.h"
#include "record/time_text.h"
#include "segment/directory.h"
#include "segment/source.h"
#include "segment/verify.h"
#include "stream/block_scanner.h"
#include "stream/framing.h"

namespace sluice::cli {
namespace {

using nlohmann::ordered_json;

struct VerifyCommand {
  std::vector<std::string> paths;
  bool json = false;
};

ordered_json range_json(const DamagedRange& range) {
  return {{"offset", range.offset}, {"bytes", range.length}};
}

template <class Report>
void add_damage(ordered_json& object, const Report& report) {
  object["damaged_ranges"] = report.damaged_ranges;
  object["damaged_bytes"] = report.damaged_bytes;
  object["damaged"] = ordered_json::array();
  for (const DamagedRange& range : report.damaged) object["damaged"].push_back(range_json(range));
  if (report.torn_tail.length > 0) object["torn_tail"] = range_json(report.torn_tail);
}

ordered_json to_json(const std::string& path, const SegmentReport& report) {
  ordered_json object;
  object["file"] = path;
  object["whole"] = report.whole();
  object["sealed"] = report.sealed;
  object["bytes"] = report.file_bytes;
  object["segment"] = report.segment_id ? ordered_json(*report.segment_id) : ordered_json(nullptr);
  object["region"] = hex_of(std::as_bytes(std::span(report.region_id)));
  object["product"] = report.run.product;
  object["run"] = report.run.run_id;
  object["frames"] = report.counts.frames;
  object["records"] = report.counts.records;
  object["caller_records"] = report.counts.caller_records;
  object["sites"] = report.sites;
  if (report.first_sequence && report.last_sequence) {
    object["first_sequence"] = *report.first_sequence;
    object["last_sequence"] = *report.last_sequence;
  }
  object["missing_sequences"] = report.counts.missing_sequences;
  object["duplicate_sequences"] = report.counts.duplicate_sequences;
  object["skipped_sequences"] = report.counts.skipped_sequences;
  object["refused_definitions"] = report.counts.refused_definitions;
  add_damage(object, report);
  return object;
}

std::string counted(u64 count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

// What lies between and behind what is good.
template <class Report>
std::string damage_text(const Report& report) {
  std::string text;
  for (const DamagedRange& range : report.damaged) {
    text += "  damaged: " + counted(range.length, "byte") + " at offset " +
            std::to_string(range.offset) + "\n";
  }
  if (report.damaged_ranges > report.damaged.size()) {
    text += "  damaged: " + counted(report.damaged_ranges - report.damaged.size(), "range") +
            " more, " + counted(report.damaged_bytes, "byte") + " in all\n";
  }
  if (report.torn_tail.length > 0) {
    text += "  torn tail: " + counted(report.torn_tail.length, "byte") + " at offset " +
            std::to_string(report.torn_tail.offset) +
            " (a write cut short, or one under way); the next start of the program, or `sluice "
            "recover`, completes the file\n";
  }
  return text;
}

std::string to_text(const std::string& path, const SegmentReport& report) {
  if (!report.segment_id && !report.empty()) {
    return path + ": DAMAGED: not a single good frame in " + counted(report.file_bytes, "byte") +
           "; is it a segment?\n";
  }
  std::string text =
      path + (report.whole() ? ": whole, " : ": DAMAGED, ") +
      (report.sealed ? "sealed, " : "not sealed, ") + counted(report.counts.records, "record") +
      " in " + counted(report.counts.frames, "frame") + ", " + counted(report.file_bytes, "byte");
  if (report.first_sequence && report.last_sequence) {
    text += ", sequences " + std::to_string(*report.first_sequence) + " to " +
            std::to_string(*report.last_sequence);
  }
  text += "\n";
  text += damage_text(report);
  if (report.counts.missing_sequences > 0) {
    text += "  missing: " + counted(report.counts.missing_sequences, "record") + "\n";
  }
  if (report.counts.refused_definitions > 0) {
    text += "  not understood: " + counted(report.counts.refused_definitions, "definition") + "\n";
  }
  return text;
}

ordered_json to_json(const std::string& path, const stream::BlockReport& report) {
  ordered_json object;
  object["file"] = path;
  object["whole"] = report.whole();
  object["sealed"] = report.sealed;
  object["bytes"] = report.file_bytes;
  object["blocks"] = report.blocks;
  object["records"] = report.records;
  object["missing_records"] = report.missing_records;
  if (report.blocks > 0) {
    object["begin"] = time_string(report.begin_ns);
    object["end"] = time_string(report.end_ns);
  }
  add_damage(object, report);
  return object;
}

std::string to_text(const std::string& path, const stream::BlockReport& report) {
  std::string text = path + (report.whole() ? ": whole, " : ": DAMAGED, ") +
                     (report.sealed ? "sealed, " : "not sealed, ") +
                     counted(report.records, "record") + " in " + counted(report.blocks, "block") +
                     ", " + counted(report.file_bytes, "byte");
  if (report.blocks > 0) {
    text += ", " + time_string(report.begin_ns) + " to " + time_string(report.end_ns);
  }
  return text + "\n" + damage_text(report) +
         (report.missing_records > 0
              ? "  missing: " + counted(report.missing_records, "record") + "\n"
              : "");
}

// Lines have no checksums: what can be said is whether they end with one, and hold no zeros.
struct LinesReport {
  u64 bytes = 0;
  u64 lines = 0;
  u64 zeros = 0;
  bool ended = true;

  [[nodiscard]] bool whole() const { return ended && zeros == 0; }
};

LinesReport look_at_lines(ByteSource& source) {
  LinesReport report;
  std::vector<char> buffer(1 << 20);
  for (i64 got; (got = source.read(report.bytes, buffer.data(), buffer.size())) > 0;) {
    const std::string_view text(buffer.data(), std::size_t(got));
    report.bytes += text.size();
    report.lines += stream::count_lines(text);
    report.zeros += u64(std::count(text.begin(), text.end(), '\0'));
    report.ended = text.back() == '\n';
  }
  return report;
}

ordered_json to_json(const std::string& path, const LinesReport& report) {
  return {{"file", path},
          {"whole", report.whole()},
          {"bytes", report.bytes},
          {"records", report.lines},
          {"zero_bytes", report.zeros},
          {"last_line_ends", report.ended}};
}

std::string to_text(const std::string& path, const LinesReport& report) {
  return path + (report.whole() ? ": whole, " : ": DAMAGED, ") + counted(report.lines, "line") +
         ", " + counted(report.bytes, "byte") +
         (report.ended ? "" : ", the last line does not end") +
         (report.zeros > 0 ? ", " + counted(report.zeros, "zero byte") : "") + "\n";
}

// Segment files behind a path of the command line. Every mistake is added to `mistakes`.
void collect(const std::string& path, std::vector<std::string>& files,
             std::vector<std::string>& mistakes) {
  os::FileInfo info;
  if (is_stream_directory(path)) {
    const std::vector<std::string> of_streams = stream_files(path);
    files.insert(files.end(), of_streams.begin(), of_streams.end());
    return;
  }
  auto listed = list_segments(os::real_io(), path);
  if (listed.ok()) {
    for (const SegmentName& name : listed.value()) {
      files.push_back(path + (path.ends_with('/') ? "" : "/") +
                      segment_file_name(name.name, name.number));
    }
    if (listed.value().empty())
      mistakes.push_back(in_quotes(path) + " holds no segment files (.seg)");
    return;
  }
  if (const int error = os::real_io().stat_followed(path.c_str(), info); error != 0) {
    mistakes.push_back("cannot look at " + in_quotes(path) + ": " + os::error_text(error) +
                       "; check the path");
    return;
  }
  files.push_back(path);
}

// What a file is, as text or JSON; `whole`: nothing is wrong with it.
Result<std::string> look_at(const std::string& path, bool json, bool& whole) {
  const auto say = [&](const auto& report) {
    whole = report.whole();
    return json ? json_line(to_json(path, report)) : to_text(printable(path), report);
  };
  auto source = sluice::open_source(os::real_io(), path);
  if (!source.ok()) return source.status();
  if (stream::looks_like_blocks(*source.value())) {
    return say(stream::verify_blocks(*source.value()));
  }
  const std::size_t slash = path.rfind('/');
  const std::string directory = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  if (path.ends_with(".log") && is_stream_directory(directory)) {
    return say(look_at_lines(*source.value()));
  }
  return say(verify_segment(*source.value()));
}

int verify(const VerifyCommand& command) {
  std::vector<std::string> files, mistakes;
  for (const std::string& path : command.paths) collect(path, files, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  Output output;
  bool damaged = false;
  for (const std::string& file : files) {
    bool whole = false;
    const Result<std::string> said = look_at(file, command.json, whole);
    damaged = damaged || !whole;
    if (!said.ok()) {
      complain(said.status().message());
    } else if (!output.write(said.value())) {
      break;
    }
  }
  output.flush();
  return damaged ? kProblem : output.exit_code();
}

}  // namespace

void add_verify(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("verify", "Say exactly what state segment and stream files are in");
  auto command = std::make_shared<VerifyCommand>();
  sub->add_option("paths", command->paths,
                  "Segment files, files of streams, or directories of them")
      ->type_name("FILE|DIR")
      ->required();
  sub->add_flag("--json", command->json, "One JSON object for each file");
  sub->footer("Exit code 0: all whole. 1: something is damaged. 2: a mistake in the command line.");
  sub->callback([command, &chosen] { chosen = [command] { return verify(*command); }; });
}

}  // namespace sluice::cli
