// Parameters, tags, tracks and files of a run, as a program says them and a store has them.
#include <sluice/run.h>
#include <sluice/sluice.h>
#include <sluice/store.h>
#include <sys/stat.h>

#include <fstream>

#include "contract/isolated.h"
#include "contract/outputs.h"
#include "store/store_fixture.h"

namespace sluice::test {
namespace {

using Rows = std::vector<std::string>;

Options options_on(const Dirs& dirs) {
  return {.product = "runs",
          .sinks = {store_file(dirs.file("a.db")), json_file(dirs.file("a.jsonl"))},
          .region_directory = dirs.region,
          .quiet = true};
}

ISOLATED_TEST(Run, ParametersAndTags) {
  ASSERT_TRUE(start(options_on(dirs)));
  SLUICE_PARAM("lr", 0.5);
  SLUICE_PARAM("model", "resnet");
  for (const double lr : {0.25, 0.125}) SLUICE_PARAM("lr", lr);
  param(std::string("layers"), 12);
  param("shape", Json{"[1,2]"});
  tags({"old"});
  tags({"baseline", "with \"quotes\"\n"});
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(rows_in(dirs.file("a.db"), "SELECT key, value FROM params ORDER BY key"),
            (Rows{"layers|12", "lr|0.125", "model|resnet", "shape|[1,2]",
                  "tags|[\"baseline\",\"with \\\"quotes\\\"\\n\"]"}));
  EXPECT_EQ(read_json(dirs.file("a.jsonl"))[0]["kind"], "param");
}

ISOLATED_TEST(Run, Tracks) {
  ASSERT_TRUE(start(options_on(dirs)));
  const double x = 1.5;
  SLUICE_TRACK("robot/pose", kv("x", x), kv("ok", true));
  SLUICE_TRACK_AT("robot/pose", Timestamp{5'000'000'007}, kv("x", 2));
  track("robot/" + std::string("state"), R"({"mode":"idle"})");
  track("robot/state", Timestamp{6}, R"({"mode":"busy","n":[1]})");
  SLUICE_TRACK("empty");
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(rows_in(dirs.file("a.db"),
                    "SELECT topic, iif(time_ns < 1000000000000, time_ns, 'now'), fields FROM tracks"
                    " ORDER BY id"),
            (Rows{"robot/pose|now|{\"x\":1.5,\"ok\":true}", "robot/pose|5000000007|{\"x\":2}",
                  "robot/state|now|{\"mode\":\"idle\"}",
                  "robot/state|6|{\"mode\":\"busy\",\"n\":[1]}", "empty|now|{}"}));
}

ISOLATED_TEST(Run, Files) {
  const std::string original = dirs.file("model.onnx"), copies = dirs.file("copies");
  ASSERT_EQ(::mkdir(copies.c_str(), 0700), 0);
  std::string content(1'000'000, 'x');
  content[777'777] = 'y';
  std::ofstream(original) << content;
  ASSERT_TRUE(start(options_on(dirs)));
  ASSERT_TRUE(attach_file(original).ok());
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(attach_file(original, {.name = "best model", .copy_to = copies}).ok());
  }
  std::ofstream(original) << "changed afterwards";
  EXPECT_EQ(read_file(copies + "/best model"), content);

  const Status none = attach_file(dirs.file("none"));
  EXPECT_NE(none.message().find("none\" cannot be attached: "), std::string::npos);
  EXPECT_FALSE(attach_file(copies).ok()) << "a directory";
  EXPECT_FALSE(attach_file("").ok());
  for (const char* const name : {"..", "a/b", "."}) {
    EXPECT_FALSE(attach_file(original, {.name = name, .copy_to = copies}).ok()) << name;
  }
  const Status nowhere = attach_file(original, {.copy_to = dirs.file("no such directory")});
  EXPECT_FALSE(nowhere.ok());
  ASSERT_TRUE(stop(60'000));
  EXPECT_EQ(rows_in(dirs.file("a.db"),
                    "SELECT name, bytes, json_extract(fields, '$.path') = '" + original +
                        "', json_extract(fields, '$.copy') FROM files ORDER BY id"),
            (Rows{"model.onnx|1000000|1|-", "best model|1000000|1|" + copies + "/best model",
                  "best model|1000000|1|" + copies + "/best model"}));
  std::vector<std::string> left;
  for (const auto& entry : std::filesystem::directory_iterator(copies)) {
    left.push_back(entry.path().filename());
  }
  EXPECT_EQ(left, Rows{"best model"}) << "nothing of what failed";
}

}  // namespace
}  // namespace sluice::test
