// sluice level: changes what a running process logs, without a restart.
//
// Exit code 0: done in every process that was named; 1: one of them refused it or gave no answer
// in time (each says why); 2: a mistake in the command line, or no such process.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <memory>

#include "base/characters.h"
#include "base/durations.h"
#include "cli/command.h"
#include "cli/live_regions.h"
#include "cli/region_request.h"
#include "collector/region_image.h"
#include "os/process.h"
#include "region/backtrace_area.h"
#include "sluice/level.h"

namespace sluice::cli {
namespace {

using region::Request;
using region::RequestKind;

// What `backtrace` without a number asks for.
constexpr u32 kBacktraceRecords = 64;

struct LevelCommand {
  std::vector<std::string> words;  // process, what (may be missing), level
  std::string directory;
  double timeout_s = 5;
};

bool is_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_digit);
}

// "FILE:12", or "FILE:*" for all of a file; anything else names a logger.
bool is_place(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const std::string_view line = std::string_view(text).substr(colon + 1);
  return line == "*" || is_digits(line);
}

// "backtrace", or "backtrace=64"; 0: none any more.
void read_backtrace(std::string_view text, Request& request, std::vector<std::string>& mistakes) {
  if (request.kind == RequestKind::kSites) {
    mistakes.push_back("a backtrace is a logger's, not that of a place in the source");
  }
  request.kind = RequestKind::kBacktrace;
  request.records = kBacktraceRecords;
  text.remove_prefix(std::string_view("backtrace").size());
  if (text.empty()) return;
  const std::string_view number = text.substr(1);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), request.records);
  if (text[0] != '=' || !is_digits(number) || error != std::errc() ||
      request.records > region::kBacktraceRecordsMax) {
    mistakes.push_back(in_quotes("backtrace" + std::string(text)) +
                       " is no backtrace; write backtrace=N, N from 0 (none) to " +
                       std::to_string(region::kBacktraceRecordsMax));
  }
}

// "rate=100/s" or "rate=100", "sample=1/64"; off: none any more.
void read_limit(std::string_view text, Request& request, std::vector<std::string>& mistakes) {
  const bool rate = text.starts_with("rate=");
  if (request.kind == RequestKind::kLogger) {
    if (request.bytes != 0) {
      mistakes.push_back(
          "a limit is of the calls at a place in the source; write FILE:LINE or FILE:*, or leave "
          "the "
          "logger out for all calls");
    }
    request.bytes = 1;
    request.name[0] = '*';
  }
  request.kind = rate ? RequestKind::kSiteRate : RequestKind::kSiteSample;
  std::string_view number = text.substr(text.find('=') + 1);
  if (number == "off") return;
  if (rate && number.ends_with("/s")) number.remove_suffix(2);
  const bool whole = rate || number.starts_with("1/");
  if (!rate && whole) number.remove_prefix(2);
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), request.records);
  if (!whole || !is_digits(number) || error != std::errc() || request.records == 0) {
    mistakes.push_back(in_quotes(text) +
                       (rate ? " is no rate; write rate=N/s, N from 1 to 4294967295, or rate=off"
                             : " is no sample; write sample=1/N, N from 1 to 4294967295, or "
                               "sample=off"));
  }
}

Request read_request(const LevelCommand& command, std::vector<std::string>& mistakes) {
  Request request{};
  const std::string& level_text = command.words.back();
  std::string name = command.words.size() == 3 ? command.words[1] : "";
  request.kind = is_place(name) ? RequestKind::kSites : RequestKind::kLogger;
  if (name.ends_with(":*") && request.kind == RequestKind::kSites) name.resize(name.size() - 2);
  if (name.size() > region::kRequestNameMax) {
    mistakes.push_back("the name of the logger or file is longer than " +
                       std::to_string(region::kRequestNameMax) +
                       " bytes; of a path the last parts are enough");
    return request;
  }
  request.bytes = u16(name.size());
  std::copy(name.begin(), name.end(), request.name);
  Level level{};
  if (level_text == "default") return request;
  if (level_text.starts_with("backtrace")) {
    read_backtrace(level_text, request, mistakes);
    return request;
  }
  if (level_text.starts_with("rate=") || level_text.starts_with("sample=")) {
    read_limit(level_text, request, mistakes);
    return request;
  }
  if (!parse_level(level_text, level)) {
    mistakes.push_back(in_quotes(level_text) +
                       " is no level; write trace, debug, info, notice, warning, error, critical, "
                       "off, default, backtrace=N, rate=N/s or sample=1/N");
  }
  request.level = u8(level);
  return request;
}

// Whom it was, for a line about it.
std::string process_of(const std::string& path) {
  const auto image = collector::RegionImage::open(os::real_io(), path);
  if (!image.ok()) return path;
  const RunInfo& run = image.value()->run();
  return run.product + " (" + std::to_string(run.pid) + ")";
}

std::string in_words(const Request& request, const region::Answer& answer) {
  const std::string name(request.name, request.bytes);
  const std::string at = name == "*" ? "" : " at " + in_quotes(name);
  std::string text;
  if (request.kind == RequestKind::kLogger || request.kind == RequestKind::kBacktrace) {
    text = name.empty() ? "all loggers without a level of their own" : "logger " + in_quotes(name);
  } else {
    text = answer.sites == 0 ? "no call site is" + (at.empty() ? " there" : at) +
                                   " yet; holds for those that come"
                             : std::to_string(answer.sites) +
                                   (answer.sites == 1 ? " call site" : " call sites") + at;
  }
  const std::string number = std::to_string(request.records);
  if (request.kind == RequestKind::kSiteRate || request.kind == RequestKind::kSiteSample) {
    if (request.records == 0) return text + ": no limit";
    return text + (request.kind == RequestKind::kSiteRate ? ": each at most " + number + " a second"
                                                          : ": each one time in " + number);
  }
  if (request.kind == RequestKind::kBacktrace) {
    return text +
           (request.records == 0 ? ": no backtrace" : ": a backtrace of " + number + " records");
  }
  const Level level{request.level};
  return text + ": " + (request.level == 0 ? "as it was started" : std::string(level_name(level)));
}

// Whether the process has done it.
bool ask(const std::string& path, const Request& request, i64 deadline_ns, Output& output) {
  const std::string process = printable(process_of(path)) + ": ";
  const Result<region::Answer> answer = ask_process(os::real_io(), path, request, deadline_ns);
  if (!answer.ok()) {
    complain(process + answer.status().message());
    return false;
  }
  if (answer.value().outcome != region::RequestOutcome::kApplied) {
    const std::string_view why(answer.value().text, answer.value().bytes);
    complain(process + "refused: " + printable(why));
    return false;
  }
  output.write(process + in_words(request, answer.value()) + "\n");
  return true;
}

int level(const LevelCommand& command) {
  std::vector<std::string> mistakes;
  const Request request = read_request(command, mistakes);
  const std::vector<std::string> paths =
      find_processes(command.words.front(), command.directory, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  Output output;
  bool done = true;
  const i64 deadline_ns = os::monotonic_ns() + i64(command.timeout_s * kNsPerSecond);
  for (const std::string& path : paths) done = ask(path, request, deadline_ns, output) && done;
  output.flush();
  return done ? output.exit_code() : kProblem;
}

}  // namespace

void add_level(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub =
      app.add_subcommand("level", "Changes what a running process logs, without a restart");
  auto command = std::make_shared<LevelCommand>();
  sub->add_option(
         "words", command->words,
         "The process (its number or product); a logger, FILE:LINE or FILE:* (none: all "
         "loggers); the level, `default`: as it was started, backtrace=N: what is below the level "
         "is "
         "held, the last N, until the logger says an error, or rate=N/s or sample=1/N: how often "
         "each call site may pass")
      ->type_name("PROCESS [WHAT] LEVEL")
      ->expected(2, 3)
      ->required();
  sub->add_option("--directory", command->directory, "Look for live regions in this directory")
      ->type_name("DIR");
  sub->add_option("--timeout", command->timeout_s, "How long to wait for an answer, in seconds")
      ->type_name("S")
      ->check(CLI::Range(0.0, 3600.0));
  sub->footer(
      "Every process of that product is asked. Exit code 0: done in all of them; 1: one refused or "
      "gave no\nanswer in time; 2: a mistake, or no such process.");
  sub->callback([command, &chosen] { chosen = [command] { return level(*command); }; });
}

}  // namespace sluice::cli
