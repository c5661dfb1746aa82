// How often call sites may pass, as set from outside the source by their place (site_rules.cc).
//
// Each call site has a tally of its own. What has a limit is sent to the cold path by its control
// byte (kLimited) and asked there, so that all other calls cost what they did. What is kept out
// counts as filtered; a notice of the logger "sluice" says how many those were, once a second at
// most, in front of the next call of the site.
//
// The tallies are process memory, as the rules are. Any thread, any signal handler; nobody waits.
//
// | word        | written by             | read by | order                           |
// |-------------|------------------------|---------|---------------------------------|
// | limit       | what computes controls | calls   | relaxed: as levels are (P12)    |
// | window      | calls, by CAS          | calls   | relaxed: a count by itself      |
// | kept_out    | calls, by fetch_add    | calls   | relaxed: the same               |
// | told_second | calls, by CAS          | calls   | relaxed: only one of them tells |
#ifndef SLUICE_SRC_FRONT_PLACE_LIMIT_H_
#define SLUICE_SRC_FRONT_PLACE_LIMIT_H_

#include <atomic>

#include "base/bytes.h"

namespace sluice::front {

struct PlaceLimit {
  enum class Kind : u8 {
    kNone = 0,
    kRate = 1,    // so many in each second (limit_second())
    kSample = 2,  // one in so many, by chance
  };
  Kind kind = Kind::kNone;
  u32 amount = 0;

  [[nodiscard]] constexpr u64 word() const {
    return kind == Kind::kNone ? 0 : u64(kind) << 32 | amount;
  }
  [[nodiscard]] static constexpr PlaceLimit of(u64 word) { return {Kind(word >> 32), u32(word)}; }
};

struct PlaceTally {
  std::atomic<u64> limit;   // PlaceLimit::word()
  std::atomic<u64> window;  // a second << 32 | how many have passed in it
  std::atomic<u64> kept_out;
  std::atomic<u64> told_second;

  // Whether a call may pass; if not, it is counted here.
  [[nodiscard]] bool admit(u64 second);
  // How many were kept out, when it is time to tell; else 0.
  [[nodiscard]] u64 take_kept_out(u64 second);
};

// The second that limits count in: as the backend's thread last read the clock, some 20 ms ago at
// most; where none runs, as it is.
[[nodiscard]] u64 limit_second();
// Makes room for the tallies of all sites, once. False: there is no memory. One caller at a time.
bool make_tallies();
// Of a site; null: there are no limits, or it is kSiteUnknown.
[[nodiscard]] PlaceTally* tally_of(u32 site);
// A forked child: what the parent kept out is the parent's to tell. Async-signal-safe.
void forget_kept_out();

}  // namespace sluice::front

#endif  // SLUICE_SRC_FRONT_PLACE_LIMIT_H_
