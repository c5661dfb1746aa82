// sanitizers: none
// sluice doctor: what is made wrong on purpose is found, said with its remedy, and is exit code 1.
// (Sanitizers reserve the address space that a limit takes away.)
#include "cli/cli_fixture.h"

namespace sluice::test {
namespace {

using nlohmann::json;

class Doctor : public Cli {
 protected:
  json finding(const Finished& run, const std::string& check) {
    for (const std::string& line : lines_of(run.out)) {
      json object = json::parse(line, nullptr, false);
      if (object.is_object() && object["check"] == check) return object;
    }
    ADD_FAILURE() << check << " is not in: " << run.out << run.error;
    return json::object({{"state", ""}, {"what", ""}, {"mend", ""}});
  }
  // Beside a collector of whoever runs the tests.
  const std::string doctor_ = "SLUICE_SERVE_ADMIN_SOCKET=$PWD/none $SLUICE doctor --json";

  void expect_problem(const Finished& run, const std::string& check, const std::string& what) {
    EXPECT_EQ(run.code, 1) << run.error;
    const json found = finding(run, check);
    EXPECT_EQ(found["state"], "problem");
    EXPECT_NE(std::string(found["what"]).find(what), std::string::npos) << found;
    EXPECT_FALSE(std::string(found["mend"]).empty());
  }
};

TEST_F(Doctor, NothingIsWrongAndNothingIsLeftBehind) {
  const Finished run = sh("mkdir -m 700 logs; ulimit -n 1024; SLUICE_TEXT=logs/a.log " + doctor_ +
                          " logs; code=$?; ls -A logs; exit $code");
  EXPECT_EQ(run.code, 0) << run.out << run.error;
  for (const char* check : {"variables", "region", "sink SLUICE_TEXT", "overflow", "descriptors"}) {
    EXPECT_EQ(finding(run, check)["state"], "ok") << check;
  }
  EXPECT_EQ(finding(run, "collector")["state"], "note");
  EXPECT_NE(finding(run, "clock")["state"], "problem");
  EXPECT_NE(finding(run, "directory logs")["state"], "problem");
  EXPECT_EQ(lines_of(run.out).back().front(), '{') << "something is left in logs";
  for (const auto& entry : std::filesystem::directory_iterator(regions_)) {
    EXPECT_NE(entry.path().extension(), ".region");
  }
}

TEST_F(Doctor, WhatSinksPromise) {
  const auto promise = [this](const std::string& variables, const std::string& sink) {
    return std::string(finding(sh(variables + " " + doctor_), "sink " + sink)["what"]);
  };
  const auto has = [](const std::string& text, const char* part) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  has(promise("SLUICE_TEXT=a.log", "SLUICE_TEXT"), "all but the last 1000 ms");
  has(promise("SLUICE_TEXT=a.log SLUICE_SYNC_INTERVAL_MS=0", "SLUICE_TEXT"), "only what flush");
  has(promise("SLUICE_TEXT=a.log SLUICE_MODE=immediate", "SLUICE_TEXT"), "before the call returns");
  has(promise("SLUICE_STORE=a.db", "SLUICE_STORE"), "each record once");
  has(promise("", "sinks[0]"), "as no sink is named: at least once");
  has(finding(sh("SLUICE_OVERFLOW=block SLUICE_BLOCK_DEADLINE_MS=7 " + doctor_),
              "overflow")["what"],
      "at most 7 ms");
}

TEST_F(Doctor, VariablesThatAreWrong) {
  expect_problem(sh("SLUICE_RING_BYTES=5 " + doctor_), "variables", "SLUICE_RING_BYTES: 5 is not");
  expect_problem(sh("SLUICE_TEXT=/proc/a.log " + doctor_), "variables",
                 "file system of the kernel");
  const Finished unknown = sh("SLUICE_TEXTS=a.log " + doctor_);
  EXPECT_EQ(unknown.code, 0);
  EXPECT_EQ(finding(unknown, "variables")["state"], "note");
}

TEST_F(Doctor, ADirectoryOfRegionsThatIsNotThere) {
  const Finished run =
      sh("SLUICE_TEXT=a.log " + doctor_ + " --directory /dev/shm/sluice-is-not-there");
  expect_problem(run, "region", "No such file");
  expect_problem(run, "sink SLUICE_TEXT", "lost with the process");
  expect_problem(sh("SLUICE_REGION_DIRECTORY=/dev/shm/sluice-is-not-there " + doctor_), "region",
                 "No such file");
}

TEST_F(Doctor, ADirectoryOfRegionsOnADisk) {
  if (sh("test \"$(stat -f -c %T .)\" = tmpfs").code == 0) GTEST_SKIP() << "no disk to try it on";
  expect_problem(sh(doctor_ + " --directory $PWD"), "region", "not on tmpfs");
}

TEST_F(Doctor, ADirectoryOfRegionsThatOthersMayRead) {
  const Finished run = sh("chmod 755 $SLUICE_REGION_DIRECTORY; " + doctor_);
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(finding(run, "region directory")["state"], "note");
}

TEST_F(Doctor, ATmpfsThatIsReadOnly) {
  if (sh("unshare -rm true").code != 0) GTEST_SKIP() << "no mounts here";
  expect_problem(
      sh("mkdir -p small; unshare -rm bash -c 'mount -t tmpfs -o mode=0700 none small && "
         "mount -o remount,ro small && " +
         doctor_ + " --directory $PWD/small'"),
      "region", "Read-only");
}

TEST_F(Doctor, ATmpfsThatIsTooSmallOrNearlySo) {
  if (sh("unshare -rm true").code != 0) GTEST_SKIP() << "no mounts here";
  const auto with_room = [this](const std::string& size) {
    return sh("mkdir -p small; unshare -rm bash -c 'mount -t tmpfs -o mode=0700,size=" + size +
              " none small && " + doctor_ + " --directory $PWD/small'");
  };
  expect_problem(with_room("1m"), "region", "MiB are free");
  const Finished run = with_room("20m");
  EXPECT_EQ(run.code, 0) << run.out;
  EXPECT_EQ(finding(run, "room")["state"], "note");
}

TEST_F(Doctor, ADirectoryForLogs) {
  expect_problem(sh(doctor_ + " nowhere"), "directory nowhere", "No such file");
  expect_problem(sh("touch file; " + doctor_ + " file"), "directory file", "Not a directory");
  const Finished run = sh("mkdir -m 777 open; chmod 777 open; " + doctor_ + " open");
  EXPECT_EQ(run.code, 0);
  const json found = finding(run, "directory open");
  EXPECT_EQ(found["state"], "note");
  EXPECT_NE(std::string(found["what"]).find("mode 0777"), std::string::npos) << found;
}

TEST_F(Doctor, LimitsThatAreTooLow) {
  expect_problem(sh("ulimit -n 64; " + doctor_), "descriptors", "64");
  expect_problem(sh("ulimit -f 100000; " + doctor_), "file size", "102400000");
  expect_problem(sh("ulimit -v 900000; " + doctor_), "region", "no address space");
}

TEST_F(Doctor, ACollectorThatIsNeeded) {
  expect_problem(sh("SLUICE_COLLECTOR=only " + doctor_), "collector", "");
}

TEST_F(Doctor, InWords) {
  const Finished run = sh("ulimit -n 64; $SLUICE doctor");
  EXPECT_EQ(run.code, 1);
  EXPECT_NE(run.out.find("problem  descriptors: 64"), std::string::npos) << run.out;
  EXPECT_NE(run.out.find("to mend: raise it"), std::string::npos) << run.out;
}

}  // namespace
}  // namespace sluice::test
