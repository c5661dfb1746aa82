// Recovery: draining the regions of dead processes into the sinks those processes had.
//
// A region is dead when its owner's kernel lock is free. Recovery takes both locks, goes on where
// the region's last consumer stopped, runs the built-in sinks that its table names (exactly once,
// by their cursors and intents), and removes the file when everything is delivered. It may itself
// be killed at any point and repeated.
//
// Threading: any thread; two recoveries of one region exclude each other by the lock. Blocks.
#ifndef SLUICE_SRC_RUNTIME_RECOVER_H_
#define SLUICE_SRC_RUNTIME_RECOVER_H_

#include <string>
#include <vector>

#include "back/sink.h"
#include "base/reporter.h"
#include "base/status.h"

namespace sluice::runtime {

struct RegionSummary {
  std::string path;
  std::string product;
  std::string run_id;
  u32 pid = 0;
  i64 start_wall_ns = 0;
  // Accounts of caller records, over the whole life of the process.
  u64 merged = 0;     // in the journal, those just recovered included
  u64 recovered = 0;  // taken out of rings by this recovery
  u64 filtered = 0;
  u64 dropped = 0;
  u64 damaged = 0;
  bool complete = false;  // every required sink has everything; the file is removed
  std::string problem;    // why not
  u64 bytes = 0;          // of shared memory that it takes
};

// Regions by what they owe: to one of RecoverOptions::paths, or to none of these.
enum class Owing { kAnything, kToPaths, kNotToPaths };

struct RecoverOptions {
  std::string directory = {};  // empty: the default places
  std::string product = {};    // empty: all
  Owing owing = Owing::kAnything;
  std::vector<std::string> paths = {};
  bool console = true;  // replay what a console sink had not shown
  // The process's own destinations may stay behind: only extra_sinks must have everything.
  bool give_up = false;
  // A destination for regions whose process had configured none; or none.
  std::vector<back::SinkConfig> extra_sinks = {};
};

// Where regions are: `directory`, or the default places that there are.
std::vector<std::string> region_places(const std::string& directory);

// Whether a file may be a region, by its name.
bool is_region_name(const std::string& path);

// Paths of all region files in the default places or in `directory`, whoever owns them.
std::vector<std::string> find_regions(const std::string& directory);

// Removes what processes have left that were killed while they made a region: nobody logged there.
void remove_drafts(const std::string& directory);

// One region. kRetryable: its owner (or another recovery) lives. kFatal: not a region of ours.
Result<RegionSummary> recover_region(const std::string& path, const RecoverOptions& options,
                                     Reporter& reporter);

// True when a region's file is named after `product` ("": any), as Region::create() names it.
bool is_named_after(const std::string& path, const std::string& product);

// Every dead region that `options` means. Regions that live are left out.
std::vector<RegionSummary> recover_all(const RecoverOptions& options, Reporter& reporter);

}  // namespace sluice::runtime

#endif  // SLUICE_SRC_RUNTIME_RECOVER_H_
