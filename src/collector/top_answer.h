// The answer to "top" at the admin socket: what the regions of the collector say and count, as one
// object of JSON. Sums only grow: who asks twice has what there was between, whoever else asks.
//
//   {"ok":true, "pid":1, "processes":[{"product":.., "pid":.., "run_id":.., "since":.., "over":..,
//     "records":.., "missed":.., "bytes":.., "dropped":.., "filtered":.., "waiting_bytes":..,
//     "sites":[{"id":.., "file":.., "line":.., "logger":.., "level":.., "format":..,
//       "records":.., "bytes":.., "dropped":..}],
//     "metrics":[{"site":.., "name":.., "unit":.., "kind":.., "labels":[[name,value]..],
//       "value":.., "change":.., "buckets":[[place,count,sum]..]}]}]}
//
// "since" is another one when the sums have begun anew. What has no room is left out: the call
// sites and series that have done least, then processes; how many is in "sites_left_out",
// "metrics_left_out", "left_out".
//
// Threading: plain functions.
#ifndef SLUICE_SRC_COLLECTOR_TOP_ANSWER_H_
#define SLUICE_SRC_COLLECTOR_TOP_ANSWER_H_

#include <string>
#include <vector>

#include "collector/region_watch.h"

namespace sluice::collector {

// Of so many bytes at most. `left_out`: processes that are not among `looks`.
[[nodiscard]] std::string top_answer(std::vector<RegionWatch::Look> looks, u64 left_out,
                                     std::size_t bytes_max);

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_TOP_ANSWER_H_
