// Where another process asks a running one for something (AreaKind::kRequests): to change a level.
//
// Who asks has the file, not a mapping of it: it takes the kernel's lock on kRequestLock, waits
// until the last request is answered, writes `request` with pwrite and then steps `asked`, one
// byte, so that it is never seen half written. The program looks at `asked` now and then, and
// answers each request once; what was asked for by someone who was killed since is answered too.
// The next one who asks goes on from there, so nobody ever writes over a request that is being
// read.
//
// Who trusts whom: nobody. The program takes a request for hostile input, and who asks the answer.
//
// | word     | written by             | read by      | order                                     |
// |----------|------------------------|--------------|-------------------------------------------|
// | asked    | who asks, by pwrite    | the program  | P34 (marks.h): the request                |
// | answered | the program            | who asks     | P34: the answer; behind its last read of  |
// |          |                        |              | the request                               |
// | reader   | the program            | who asks     | relaxed: a hint, for a message            |
#ifndef SLUICE_SRC_REGION_REQUEST_AREA_H_
#define SLUICE_SRC_REGION_REQUEST_AREA_H_

#include <atomic>

#include "base/bytes.h"

namespace sluice::region {

// The byte of the region's file that who asks has locked (region.h has the others).
inline constexpr u64 kRequestLock = 2;

enum class RequestReader : u8 {
  kNobody = 0,  // not started, stopped, or without a thread of its own
  kThread = 1,  // a thread of the program, in less than a second
};

enum class RequestKind : u8 {
  kLogger = 1,     // the level of the logger `name`; empty: the root
  kSites = 2,      // of the call sites at `name`, "FILE:LINE" or "FILE"
  kBacktrace = 3,  // of the logger `name`: `records` from `level` on (0: all)
  // A limit of each call site at `name`, as for kSites, or of all ("*"); 0: none any more
  kSiteRate = 4,    // `records` a second
  kSiteSample = 5,  // one in `records`
};

inline constexpr u32 kRequestNameMax = 1016;
struct Request {
  RequestKind kind;
  u8 level;     // of sluice/level.h; 0: as the program was started
  u16 bytes;    // of `name`
  u32 records;  // kBacktrace (0: none any more), kSiteRate, kSiteSample
  char name[kRequestNameMax];
};
static_assert(sizeof(Request) == 1024);

enum class RequestOutcome : u8 { kApplied = 1, kRefused = 2 };

inline constexpr u32 kAnswerTextMax = 248;
struct Answer {
  RequestOutcome outcome;
  u8 bytes;  // of `text`
  u16 zero;
  u32 sites;                  // applied to places: how many of them have registered so far
  char text[kAnswerTextMax];  // refused: why, and what to do
};
static_assert(sizeof(Answer) == 256);

struct RequestArea {
  Request request;
  std::atomic<u8> asked;  // other than `answered`: there is a request
  alignas(64) std::atomic<u8> answered;
  std::atomic<RequestReader> reader;
  alignas(64) Answer answer;
};
static_assert(sizeof(RequestArea) == 1408 && sizeof(RequestArea) <= 4096);

}  // namespace sluice::region

#endif  // SLUICE_SRC_REGION_REQUEST_AREA_H_
