// The append service (append_server/service.h) as a part of the daemon: its sockets, its settings,
// its figures.
//
// Threading: as collector/service.h says.
#ifndef SLUICE_SRC_COLLECTOR_APPEND_FILES_H_
#define SLUICE_SRC_COLLECTOR_APPEND_FILES_H_

#include <memory>
#include <string>
#include <vector>

#include "append_server/service.h"
#include "base/status.h"
#include "collector/config.h"
#include "collector/service.h"
#include "os/socket_file.h"

namespace sluice::collector {

class AppendFiles final : public Service {
 public:
  // `passed`: a listening socket that was opened for it, or -1; it is the service's from here on.
  [[nodiscard]] static Result<std::unique_ptr<AppendFiles>> start(const ServeConfig& config,
                                                                  int passed);

  // Those of its settings that a reload applies; not ok: none of them.
  [[nodiscard]] Status set_limits(const ServeConfig& config);

  [[nodiscard]] std::string_view name() const override { return "append"; }
  [[nodiscard]] std::vector<Figure> figures() const override;
  [[nodiscard]] bool gets_on() override { return service_->gets_on(); }
  [[nodiscard]] u64 stop(u64 deadline_ns) override;

 private:
  AppendFiles() = default;

  std::vector<std::unique_ptr<os::SocketFile>> files_;
  std::unique_ptr<append_server::Service> service_;
};

}  // namespace sluice::collector

#endif  // SLUICE_SRC_COLLECTOR_APPEND_FILES_H_
