// The way to a collector: where it listens for programs of this user, who it may be, and what it is
// asked (docs/formats/registration.md).
//
// Threading: plain functions. Blocking: ask() for 50 ms at most.
#ifndef SLUICE_SRC_RUNTIME_COLLECTOR_SOCKET_H_
#define SLUICE_SRC_RUNTIME_COLLECTOR_SOCKET_H_

#include <string>

#include "base/bytes.h"

namespace sluice::runtime {

[[nodiscard]] std::string default_ingest_socket();

// Connects to the collector at `path`, if it is this user's or root's: empty. Else why not;
// `socket` is -1 then, if nobody listens. A forked child does not keep it.
[[nodiscard]] std::string connect_collector(const std::string& path, int& socket);
// And sets it to -1.
void hang_up(int& socket);

// Asks the one at `at` (empty: the default) to drain the region, or to read it at `place` of its
// sink table (kRegistrationDrain: to drain it). Returns its answer, or what went wrong: untrusted
// text. `socket`: the connection, for the caller to close; -1: none.
[[nodiscard]] std::string ask(const std::string& at, const std::string& region, u32 place,
                              int& socket);

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_COLLECTOR_SOCKET_H_
