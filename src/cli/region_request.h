// Asks a running process for something, through the area of requests in its region.
//
// One asks at a time: the kernel's lock says whose turn it is, and is given back by its death.
// Nothing of the region is believed, and nobody waits beyond the deadline.
//
// Threading: the main thread. Blocking: until the deadline.
#ifndef SLUICE_SRC_CLI_REGION_REQUEST_H_
#define SLUICE_SRC_CLI_REGION_REQUEST_H_

#include <string>

#include "base/status.h"
#include "os/io.h"
#include "region/request_area.h"

namespace sluice::cli {

// `deadline_ns`: monotonic. A failure says why there is no answer, and what became of the request.
[[nodiscard]] Result<region::Answer> ask_process(os::Io& io, const std::string& path,
                                                 const region::Request& request, i64 deadline_ns);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_REGION_REQUEST_H_
