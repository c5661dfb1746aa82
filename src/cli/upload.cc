// sluice upload: the finished files of a directory into a bucket, once, verified, then removed.
//
// Without --watch it ends when everything that is finished has been tried. SIGINT, SIGTERM and
// SIGHUP end it after what is being sent, or after a few seconds; then, as after a kill, the next
// one goes on.
#include "sluice/upload.h"

#include <CLI/CLI.hpp>
#include <atomic>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>

#include "cli/command.h"
#include "os/child.h"
#include "os/process.h"
#include "runtime/config.h"

namespace sluice::cli {
namespace {

constexpr i64 kShowNs = 200'000'000;  // between two pictures of the progress
constexpr std::uint32_t kStopMs = 5000;
constexpr double kMiB = 1024.0 * 1024.0;

struct UploadCommand {
  std::string directory;
  std::string to;
  std::string layout = "flat";
  double settle_s = 10;
  std::string compress;
  std::string keep_for;
  UploadOptions options;
  bool watch = false;
  bool dry_run = false;
  bool json = false;
  bool quiet = false;
};

std::string in_mib(double bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f MiB", bytes / kMiB);
  return text;
}

// A line on the terminal that is drawn over, below what is said.
class ProgressLine {
 public:
  explicit ProgressLine(bool wanted) : shown_(wanted && os::is_terminal(2)) {}

  void draw(const UploadStatistics& now, double seconds) {
    if (!shown_) return;
    const double there = double(now.bytes + now.bytes_in_flight_done);
    const double all = double(now.bytes + now.bytes_in_flight + now.bytes_waiting);
    const std::string line = std::to_string(now.successful) + " of " +
                             std::to_string(now.files + now.waiting) + " files, " + in_mib(there) +
                             " of " + in_mib(all) + ", " +
                             in_mib(seconds > 0 ? there / seconds : 0) + "/s";
    write("\r\x1b[K" + line);
    drawn_ = true;
  }
  // What is said next begins at the left.
  void clear() {
    if (drawn_.exchange(false)) write("\r\x1b[K");
  }

 private:
  static void write(const std::string& text) { (void)os::write_fully(2, text.data(), text.size()); }

  const bool shown_;
  std::atomic<bool> drawn_{false};
};

std::string sentence_of(const UploadEvent& event) {
  std::string text = event.file.empty() ? std::string() : std::string(event.file) + ": ";
  switch (event.step) {
    case UploadStep::sealed:
      text += "its writer ended without closing it";
      return text + (event.why.empty() ? "; it is finished" : ": " + std::string(event.why));
    case UploadStep::retrying:
      return text + std::string(event.why) + "; again in " + std::to_string(event.wait_ms) + " ms";
    case UploadStep::later:
      return text + std::string(event.why) + "; left for later";
    case UploadStep::parked:
      return text + std::string(event.why) + "; not tried again before the next start";
    case UploadStep::discarded:
      return text + std::string(event.why);
    case UploadStep::uploaded:
    case UploadStep::there:
      return event.why.empty() ? std::string() : text + "is uploaded; " + std::string(event.why);
    case UploadStep::begun:
      break;
  }
  return {};
}

nlohmann::ordered_json as_json(const UploadStatistics& told) {
  nlohmann::ordered_json object;
  object["files"] = told.files;
  object["successful"] = told.successful;
  object["there"] = told.there;
  object["failed"] = told.failed;
  object["conflicts"] = told.conflicts;
  object["retries"] = told.retries;
  object["later"] = told.later;
  object["waiting"] = told.waiting;
  object["unsettled"] = told.unsettled;
  object["failed_looks"] = told.failed_looks;
  object["sealed"] = told.sealed;
  object["removed"] = told.removed;
  object["discarded"] = told.discarded;
  object["bytes_discarded"] = told.bytes_discarded;
  object["bytes"] = told.bytes;
  object["bytes_sent"] = told.bytes_sent;
  object["upload_ms_average"] = told.upload_ms_average();
  object["upload_ms_min"] = told.upload_ms_min;
  object["upload_ms_max"] = told.upload_ms_max;
  return object;
}

std::string in_words(const UploadStatistics& told) {
  std::string text =
      std::to_string(told.successful) + " files, " + std::to_string(told.bytes) + " bytes uploaded";
  const auto add = [&text](u64 count, std::string_view what) {
    if (count > 0) text += "; " + std::to_string(count) + " " + std::string(what);
  };
  add(told.there, "of them were there already");
  add(told.retries, "attempts failed");
  add(told.failed, "parked");
  add(told.later + told.waiting, "left for later");
  add(told.discarded, "removed before they were uploaded");
  add(told.unsettled, "changed lately, and not finished");
  return text;
}

int show_plan(const UploadCommand& command) {
  const auto plan = Uploader::plan(command.directory, command.to, command.options);
  if (!plan.ok()) return refuse({plan.status().message()});
  Output output;
  bool all = true;
  u64 bytes = 0;
  for (const PlannedUpload& planned : plan.value()) {
    bytes += planned.bytes;
    all = all && planned.why_not.empty();
    const std::string what =
        planned.why_not.empty() ? planned.object : "not uploaded: " + planned.why_not;
    if (command.json) {
      nlohmann::ordered_json object;
      object["file"] = planned.file;
      object["bytes"] = planned.bytes;
      object[planned.why_not.empty() ? "object" : "why_not"] = what;
      output.write(json_line(object));
    } else {
      output.write(printable(planned.file) + " -> " + printable(what) + " (" +
                   std::to_string(planned.bytes) + " bytes)\n");
    }
  }
  output.flush();
  if (!command.quiet) {
    complain("would upload " + std::to_string(plan.value().size()) + " files, " +
             std::to_string(bytes) + " bytes; nothing is done");
  }
  return all ? output.exit_code() : kProblem;
}

// Until everything was tried, or a signal asked to end. True: by a signal.
bool attend(Uploader& uploader, bool watch, const os::SignalInbox& signals, ProgressLine& line) {
  const os::Flag over;
  std::thread drainer;
  if (!watch) {
    drainer = std::thread([&] {
      (void)uploader.drain(~std::uint32_t{0});
      over.raise();
    });
  }
  const i64 began = os::monotonic_ns();
  bool ended = false, signalled = false;
  while (!ended) {
    const os::Readable ready = os::wait_readable(signals.fd(), watch ? -1 : over.fd(), kShowNs);
    ended = ready.second;
    if (ready.first && os::is_end_signal(signals.next().number)) ended = signalled = true;
    line.draw(uploader.statistics(), double(os::monotonic_ns() - began) / 1e9);
  }
  (void)uploader.stop(signalled ? kStopMs : 0);
  if (drainer.joinable()) drainer.join();
  line.clear();
  return signalled;
}

int upload(UploadCommand& command) {
  command.options.layout = command.layout == "hive" ? UploadLayout::hive : UploadLayout::flat;
  if (command.compress == "gzip") command.options.compress = UploadCompression::gzip;
  if (command.compress == "zstd") command.options.compress = UploadCompression::zstd;
  command.options.settle_ms = std::uint32_t(command.settle_s * 1000);
  command.options.quiet = true;
  if (!command.keep_for.empty() &&
      !runtime::parse_age(command.keep_for, command.options.keep_seconds)) {
    return refuse({"--keep-for: " + in_quotes(command.keep_for) +
                   " is no age; write a number and its unit, such as 90s, 12h, 7d or 4w"});
  }
  if (command.dry_run) return show_plan(command);
  // Before the uploader's threads, which inherit what it blocks.
  const os::SignalInbox signals;
  ProgressLine line(!command.quiet);
  command.options.on_event = [&line](const UploadEvent& event) {
    const std::string sentence = sentence_of(event);
    if (sentence.empty()) return;
    line.clear();
    complain(sentence);
  };
  auto uploader = Uploader::start(command.directory, command.to, command.options);
  if (!uploader.ok()) {
    complain(uploader.status().message());
    return kUsage;
  }
  const bool signalled = attend(uploader.value(), command.watch, signals, line);
  const UploadStatistics told = uploader.value().statistics();
  if (command.json) {
    Output output;
    output.write(json_line(as_json(told)));
    output.flush();
  }
  if (!command.quiet) complain(in_words(told));
  const u64 left = told.failed + told.later + told.discarded + told.failed_looks +
                   (command.watch ? 0 : told.waiting);
  return left > 0 || (signalled && !command.watch) ? kProblem : kDone;
}

void add_transfer_options(CLI::App& sub, UploadOptions& options) {
  sub.add_option("--files-at-once", options.files_at_once, "Files sent at once (default: 2)")
      ->check(CLI::Range(1u, 64u))
      ->type_name("N");
  sub.add_option("--retries", options.retries,
                 "Attempts after the first, before a file is left for later (default: 3)")
      ->check(CLI::Range(0u, 1000u))
      ->type_name("N");
  sub.add_option("--backoff", options.backoff_ms,
                 "The first wait between attempts is up to so long, in ms (default: 1000)")
      ->check(CLI::Range(0u, 64'000u))
      ->type_name("MS");
  sub.add_option("--part-bytes", options.part_bytes,
                 "Larger files go up in parts of so much (default: 32MiB)")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("BYTES");
  sub.add_option("--parts-at-once", options.parts_at_once, "Parts of one file (default: 4)")
      ->check(CLI::Range(1u, 64u))
      ->type_name("N");
  sub.add_option("--timeout", options.timeout_ms,
                 "An attempt ends after so long without progress, in ms (default: 30000)")
      ->check(CLI::Range(1u, 86'400'000u))
      ->type_name("MS");
  sub.add_option("--endpoint", options.endpoint,
                 "In place of the store's own: http://127.0.0.1:9000")
      ->type_name("URL");
  sub.add_flag("--google-hmac", options.google_hmac,
               "gs:// with HMAC keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY");
  sub.add_option("--ca-file", options.ca_file, "Certificates to trust, PEM (default: the system's)")
      ->type_name("FILE");
}

}  // namespace

void add_upload(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("upload", "Finished files into a bucket, each once");
  auto command = std::make_shared<UploadCommand>();
  sub->add_option("directory", command->directory, "Where the files are")
      ->required()
      ->type_name("DIR");
  sub->add_option("--to", command->to, "gs://BUCKET/PREFIX, s3://BUCKET/PREFIX or file:///DIR")
      ->required()
      ->type_name("URL");
  sub->add_flag("--watch", command->watch, "Go on with files that come, until a signal");
  sub->add_option("--layout", command->layout,
                  "flat: PREFIX/FILE (default); hive: PREFIX/event=E/date=D/hour=H/FILE")
      ->check(CLI::IsMember({"flat", "hive"}))
      ->type_name("LAYOUT");
  sub->add_option("--compress", command->compress,
                  "Compress files while they are sent; objects end with .gz or .zst")
      ->check(CLI::IsMember({"gzip", "zstd"}))
      ->type_name("HOW");
  sub->add_option("--files", command->options.files,
                  "Which files of a directory that is none of streams: '*.log' (default: all)")
      ->type_name("GLOB");
  sub->add_option("--settle", command->settle_s,
                  "Such a file is finished when unchanged for so many seconds (default: 10)")
      ->check(CLI::Range(0.0, 86'400.0))
      ->type_name("SECONDS");
  sub->add_flag("--keep", command->options.keep, "Leave the files here when they are uploaded");
  sub->add_option("--keep-for", command->keep_for, "With --keep, until they are 12h, 7d, 4w old")
      ->type_name("AGE");
  sub->add_option("--keep-bytes", command->options.keep_bytes,
                  "With --keep, the oldest go while they have more together: 10GiB")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("BYTES");
  sub->add_option(
         "--disk-bytes", command->options.disk_bytes,
         "While the finished files have more, the oldest go: uploaded ones, then others too")
      ->transform(CLI::AsSizeValue(false))
      ->type_name("BYTES");
  sub->add_flag("--dry-run", command->dry_run, "Say what would be uploaded; change nothing");
  add_transfer_options(*sub, command->options);
  sub->add_flag("--json", command->json, "The counts, or with --dry-run the files, as JSON");
  sub->add_flag("--quiet", command->quiet, "No progress and no summary on standard error");
  for (CLI::Option* option : sub->get_options()) option->allow_extra_args(false);
  sub->footer(
      "A file is removed here when the store has agreed on its size and checksum, and never "
      "before.\n"
      "What is there is never written over. May be killed at any time: the next one goes on. Exit\n"
      "code 0; 1 something is left, and why is said; 2 a mistake, or another uploads from DIR.");
  sub->callback([command, &chosen] { chosen = [command] { return upload(*command); }; });
}

}  // namespace sluice::cli
