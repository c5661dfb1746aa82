// sluice status: asks the collector of this user, or at --socket, how it is.
//
// Exit code 0: it runs and is well; 1: it is not well, or did not answer; 2: a mistake in the
// command line; 3: no collector runs there.
#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/admin_socket.h"
#include "cli/command.h"
#include "collector/admin.h"

namespace sluice::cli {
namespace {

using nlohmann::ordered_json;

struct StatusCommand {
  std::string socket;
  double timeout_s = 10;
  bool reload = false;
  bool json = false;
};

// The answer of a stranger: nothing in it need be what it should be.
std::string text_of(const ordered_json& value) {
  return printable(value.is_string() ? value.get<std::string>() : value.dump());
}
std::string text_at(const ordered_json& object, const char* key) {
  return object.contains(key) ? text_of(object[key]) : "?";
}
bool true_at(const ordered_json& object, const char* key) {
  return object.contains(key) && object[key] == true;
}
std::string list_at(const ordered_json& object, const char* key) {
  std::string text;
  if (!object.contains(key)) return text;
  for (const ordered_json& one : object[key]) text += (text.empty() ? "" : ", ") + text_of(one);
  return text;
}

std::string figure_text(const ordered_json& figure) {
  if (!figure.is_object()) return text_of(figure);
  std::string text;
  for (const auto& [name, value] : figure.items()) {
    text += (text.empty() ? "" : ", ") + printable(name) + " " + text_of(value);
  }
  return text;
}

std::string in_words(const ordered_json& status) {
  std::string text = "sluice " + text_at(status, "version") + ", pid " + text_at(status, "pid") +
                     ", up " + text_at(status, "uptime_seconds") + " s: ";
  text +=
      true_at(status, "healthy") ? "well\n" : "not well: " + text_at(status, "complaint") + "\n";
  if (!status.contains("services")) return text;
  for (const auto& [service, figures] : status["services"].items()) {
    text += printable(service) + "\n";
    for (const auto& [name, figure] : figures.items()) {
      text += "  " + printable(name) + "  " + figure_text(figure) + "\n";
    }
  }
  return text;
}

std::string reload_in_words(const ordered_json& answer) {
  const std::string changed = list_at(answer, "changed"), later = list_at(answer, "after_restart");
  return "reloaded; changed: " + (changed.empty() ? "nothing" : changed) +
         (later.empty() ? "" : "; only after a restart: " + later) + "\n";
}

// False: it is not well, or did not do it; why is said.
bool show(const StatusCommand& command, const ordered_json& answer, Output& output) {
  const bool ok = true_at(answer, "ok");
  if (command.json) {
    output.write(json_line(answer));
  } else if (ok) {
    output.write(command.reload ? reload_in_words(answer) : in_words(answer));
  } else {
    complain(text_at(answer, "error"));
    if (answer.contains("mistakes")) {
      for (const ordered_json& mistake : answer["mistakes"]) complain(text_of(mistake));
    }
  }
  return ok && (command.reload || true_at(answer, "healthy"));
}

int status(const StatusCommand& command) {
  std::vector<std::string> mistakes;
  const std::string socket = admin_socket(command.socket, mistakes);
  if (!mistakes.empty()) return refuse(mistakes);
  const Result<std::string> answer = collector::ask_admin(
      socket, command.reload ? "reload" : "status", i64(command.timeout_s * 1e9));
  if (!answer.ok()) {
    complain(answer.status().message());
    return answer.status().error_class() == ErrorClass::kRetryable ? kNotRunning : kProblem;
  }
  const ordered_json object = ordered_json::parse(answer.value(), nullptr, false);
  if (!object.is_object()) {
    complain("what listens at " + socket + " is no collector");
    return kProblem;
  }
  Output output;
  const bool well = show(command, object, output);
  output.flush();
  return well ? output.exit_code() : kProblem;
}

}  // namespace

void add_status(CLI::App& app, Chosen& chosen) {
  CLI::App* const sub = app.add_subcommand("status", "Asks the collector how it is");
  auto command = std::make_shared<StatusCommand>();
  sub->add_option("--socket", command->socket,
                  "Its admin socket (default: SLUICE_SERVE_ADMIN_SOCKET, or this user's)")
      ->type_name("PATH");
  sub->add_option("--timeout", command->timeout_s, "How long to wait for an answer, in seconds")
      ->check(CLI::Range(0.01, 3600.0));
  sub->add_flag("--reload", command->reload, "Have it read its configuration again, and say how");
  sub->add_flag("--json", command->json, "The answer as one JSON object");
  for (CLI::Option* option : sub->get_options()) option->allow_extra_args(false);
  sub->footer(
      "Exit code 0: it runs and is well; 1 it is not, did not answer, or did not take its\n"
      "configuration; 2 a mistake; 3 no collector runs there.");
  sub->callback([command, &chosen] { chosen = [command] { return status(*command); }; });
}

}  // namespace sluice::cli
