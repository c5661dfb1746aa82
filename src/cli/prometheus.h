// The metrics of running processes in the text format of Prometheus.
#ifndef SLUICE_SRC_CLI_PROMETHEUS_H_
#define SLUICE_SRC_CLI_PROMETHEUS_H_

#include <string>

#include "collector/region_image.h"

namespace sluice::cli {

// Names are made to fit: what Prometheus does not allow in them becomes '_'; a counter's ends with
// _total. Series that are then the same are added up.
[[nodiscard]] std::string prometheus_text(collector::RegionImage& image);

}  // namespace sluice::cli

#endif  // SLUICE_SRC_CLI_PROMETHEUS_H_
