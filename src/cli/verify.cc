// sluice verify: what state segment files are in, to the byte, without changing them.
//
// Exit code 0: every file is whole (one that nothing was written to is); 1: something is damaged or
// cannot be read; 2: nothing to look at. A file that is still being written may have a tail that is
// not whole yet: said, and damage only once the file is sealed or nobody writes it.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/command.h"
#include "os/io.h"
#include "segment/directory.h"
#include "segment/verify.h"

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
  object["damaged_ranges"] = report.damaged_ranges;
  object["damaged_bytes"] = report.damaged_bytes;
  object["damaged"] = ordered_json::array();
  for (const DamagedRange& range : report.damaged) object["damaged"].push_back(range_json(range));
  if (report.torn_tail.length > 0) object["torn_tail"] = range_json(report.torn_tail);
  return object;
}

std::string counted(u64 count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
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
  if (report.counts.missing_sequences > 0) {
    text += "  missing: " + counted(report.counts.missing_sequences, "record") + "\n";
  }
  if (report.counts.refused_definitions > 0) {
    text += "  not understood: " + counted(report.counts.refused_definitions, "definition") + "\n";
  }
  return text;
}

// Segment files behind a path of the command line. Every mistake is added to `mistakes`.
void collect(const std::string& path, std::vector<std::string>& files,
             std::vector<std::string>& mistakes) {
  os::FileInfo info;
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

int verify(const VerifyCommand& command) {
  std::vector<std::string> files, mistakes;
  for (const std::string& path : command.paths) collect(path, files, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  Output output;
  bool damaged = false;
  for (const std::string& file : files) {
    const auto report = verify_segment(os::real_io(), file);
    if (!report.ok()) {
      complain(report.status().message());
      damaged = true;
      continue;
    }
    damaged = damaged || !report.value().whole();
    const std::string said = command.json ? json_line(to_json(file, report.value()))
                                          : to_text(printable(file), report.value());
    if (!output.write(said)) break;
  }
  output.flush();
  return damaged ? kProblem : output.exit_code();
}

}  // namespace

void add_verify(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("verify", "Say exactly what state segment files are in");
  auto command = std::make_shared<VerifyCommand>();
  sub->add_option("paths", command->paths, "Segment files, or directories of them")
      ->type_name("FILE|DIR")
      ->required();
  sub->add_flag("--json", command->json, "One JSON object for each file");
  sub->footer("Exit code 0: all whole. 1: something is damaged. 2: a mistake in the command line.");
  sub->callback([command, &chosen] { chosen = [command] { return verify(*command); }; });
}

}  // namespace sluice::cli
