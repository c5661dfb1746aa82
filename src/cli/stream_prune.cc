// sluice stream prune: removes the oldest finished files of a directory's streams.
//
// Whoever writes the streams goes on meanwhile. Killed at any moment, it has removed some files,
// and the next prune goes on (stream/retention.h).
#include "cli/stream_prune.h"

#include <CLI/CLI.hpp>
#include <cerrno>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>

#include "cli/keep_options.h"
#include "os/io.h"
#include "os/process.h"
#include "stream/retention.h"
#if SLUICE_HAS_UPLOAD
#include "upload/upload_log.h"
#endif

namespace sluice::cli {
namespace {

using stream::Directory;
using stream::FileCount;
using stream::KeepFiles;
using stream::Removal;

struct PruneFilesCommand {
  std::string directory;
  std::string name;
  std::string older_than;
  std::string max_bytes;
  std::string disk_budget;
  bool dry_run = false;
  bool json = false;
};

KeepFiles read_keep(const PruneFilesCommand& command, std::vector<std::string>& mistakes) {
  KeepFiles keep;
  read_age(command.older_than, keep.age_ns, mistakes);
  read_bound(command.max_bytes, "--max-bytes", 1, " is no size; write one such as 500MiB or 10GiB",
             keep.bytes, mistakes);
  read_bound(command.disk_budget, "--disk-budget", 1,
             " is no size; write one such as 500MiB or 10GiB", keep.disk_budget_bytes, mistakes);
  if (command.older_than.empty() && command.max_bytes.empty() && command.disk_budget.empty()) {
    mistakes.emplace_back("nothing to prune by; say --older-than, --max-bytes or --disk-budget");
  }
  return keep;
}

// Where nobody has written streams, nothing is made.
std::string no_streams(const std::string& directory) {
  os::FileInfo info;
  const std::string index = directory + "/" + stream::kIndexName;
  const int stated = os::real_io().stat(index.c_str(), info);
  if (stated == 0 && info.regular) return {};
  return "--dir: there are no streams in " + in_quotes(directory) +
         (stated < 0 ? ": " + os::error_text(stated) : "");
}

// Where an uploader works, only what its log says is in the bucket.
stream::IsUploaded uploaded_files(os::Io& io, const std::string& directory) {
#if SLUICE_HAS_UPLOAD
  os::FileInfo info;
  if (io.stat((directory + "/" + upload::kLogName).c_str(), info) == -ENOENT) return {};
  std::set<std::pair<std::string, u64>> sent;
  for (const auto& [object, entry] : upload::UploadLog::peek(io, directory)) {
    if (entry.done) sent.emplace(entry.file.name, entry.file.size);
  }
  return [sent = std::move(sent)](const stream::FinishedFile& file) {
    return sent.contains({file.name, file.bytes});
  };
#else
  // This command cannot read the log: where there is one, nothing counts as uploaded.
  os::FileInfo info;
  if (io.stat((directory + "/.upload").c_str(), info) == -ENOENT) return {};
  return [](const stream::FinishedFile&) { return false; };
#endif
}

std::string in_words(const FileCount& count) {
  return std::to_string(count.files) + (count.files == 1 ? " file, " : " files, ") +
         std::to_string(count.bytes) + " bytes";
}

void tell(const PruneFilesCommand& command, const Removal& removal, const FileCount& removed) {
  Output output;
  if (command.json) {
    nlohmann::ordered_json object;
    object["files"] = removed.files;
    object["bytes"] = removed.bytes;
    object["files_left"] = removal.staying.files;
    object["bytes_left"] = removal.staying.bytes;
    object["files_lost"] = removal.not_uploaded.files;
    object["files_held"] = removal.held.files;
    output.write(json_line(object));
  } else {
    for (const stream::FinishedFile& file : removal.files) {
      if (command.dry_run) output.write("would remove " + printable(file.name) + "\n");
    }
    output.write((command.dry_run ? "would remove " : "removed ") + in_words(removed) + "; " +
                 in_words(removal.staying) + " stay\n");
    if (removal.not_uploaded.files > 0) {
      output.write(in_words(removal.not_uploaded) + " of those removed " +
                   (command.dry_run ? "would be" : "are") + " lost: they were not uploaded\n");
    }
    if (removal.held.files > 0) {
      output.write(in_words(removal.held) + " stay only because they are not uploaded yet\n");
    }
  }
  output.flush();
}

int prune(const PruneFilesCommand& command) {
  std::vector<std::string> mistakes;
  const KeepFiles keep = read_keep(command, mistakes);
  if (const std::string none = no_streams(command.directory); !none.empty()) {
    mistakes.push_back(none);
  }
  if (!mistakes.empty()) return refuse(mistakes);
  os::Io& io = os::real_io();
  const auto directory = Directory::open(io, command.directory);
  if (!directory.ok()) return refuse({directory.status().message()});
  const i64 now = os::wall_ns();
  auto files = stream::list_finished(io, *directory.value(), command.name, now);
  if (!files.ok()) return refuse({files.status().message()});
  const Removal removal =
      plan_removal(std::move(files.value()), keep, now, uploaded_files(io, command.directory));
  FileCount removed = removal.going;
  Status status;
  if (!command.dry_run) {
    removed = {};
    status = remove_files(io, *directory.value(), removal, removed);
  }
  tell(command, removal, removed);
  if (!status.ok()) complain(status.message());
  return status.ok() ? kDone : kProblem;
}

}  // namespace

void add_stream_prune(CLI::App& stream, Chosen& chosen) {
  CLI::App* const sub =
      stream.add_subcommand("prune", "Remove the oldest finished files, by age and bytes");
  auto command = std::make_shared<PruneFilesCommand>();
  sub->add_option("--dir", command->directory, "Where the streams' files are")
      ->required()
      ->type_name("DIR");
  sub->add_option("--stream", command->name, "Of this stream only (default: of all of them)")
      ->type_name("NAME");
  sub->add_option("--older-than", command->older_than,
                  "Files that were finished so long ago: 90s, 12h, 7d, 4w")
      ->type_name("AGE");
  sub->add_option("--max-bytes", command->max_bytes,
                  "The oldest, until all finished files together have at most this: 10GiB")
      ->type_name("BYTES");
  sub->add_option("--disk-budget", command->disk_budget,
                  "As --max-bytes, and for this what is not uploaded goes too, and is lost")
      ->type_name("BYTES");
  sub->add_flag("--dry-run", command->dry_run, "Say what would go; change nothing");
  sub->add_flag("--json", command->json, "The counts as one JSON object");
  for (CLI::Option* option : sub->get_options()) option->allow_extra_args(false);
  sub->footer(
      "Never a file that is being written, and beside an uploader none that it has not sent yet, "
      "but\n"
      "for --disk-budget; may run beside whoever writes. Exit code 0; 1 some could not be "
      "removed;\n"
      "2 a mistake.");
  sub->callback([command, &chosen] { chosen = [command] { return prune(*command); }; });
}

}  // namespace sluice::cli
