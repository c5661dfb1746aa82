// sanitizers: address (kills a child of its own)
//
// Connections: what others have left beside a database.
#include "store/sqlite.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store_fixture.h"

namespace sluice::test {
namespace {

using storage::Access;
using storage::Connection;

// Killed in the middle of a transaction of a file that has no write-ahead log yet.
TEST(Connection, AReaderFindsAFileInOrderThatAKillLeftHalfChanged) {
  const Folder folder;
  const std::string path = folder / "a.db";
  const pid_t killed = ::fork();
  if (killed == 0) {
    const auto made = Connection::open(path, Access::kCreate);
    const bool done =
        made.ok() &&
        made.value()
            ->run(
                "CREATE TABLE t(x); INSERT INTO t VALUES('kept'); PRAGMA cache_size = 1; BEGIN;"
                "INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n"
                " WHERE i < 10000) SELECT i FROM n; UPDATE t SET x = 'changed'")
            .ok();
    if (done) ::kill(::getpid(), SIGKILL);
    ::_exit(1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(killed, &status, 0), killed);
  ASSERT_TRUE(WIFSIGNALED(status));
  ASSERT_GT(std::filesystem::file_size(path + "-journal"), 0u) << "a control: half changed";
  EXPECT_EQ(row_in(path, "SELECT x FROM t"), "kept");
  EXPECT_FALSE(std::filesystem::exists(path + "-journal"));
}

// A transaction that another has open is none that was left.
TEST(Connection, AReaderLeavesATransactionOfAnotherAlone) {
  const Folder folder;
  const std::string path = folder / "a.db";
  const auto other = Connection::open(path, Access::kCreate).value();
  ASSERT_TRUE(other->run("CREATE TABLE t(x); BEGIN; INSERT INTO t VALUES('new')").ok());
  ASSERT_TRUE(std::filesystem::exists(path + "-journal"));
  EXPECT_EQ(row_in(path, "SELECT count(*) FROM t"), "0");
  EXPECT_TRUE(std::filesystem::exists(path + "-journal"));
  ASSERT_EQ(other->run("COMMIT").message(), "");
  EXPECT_EQ(row_in(path, "SELECT x FROM t"), "new");
}

}  // namespace
}  // namespace sluice::test
