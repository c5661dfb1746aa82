#include "runtime/runtime.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>
#include <utility>

#include "base/durations.h"
#include "base/fixed_text.h"
#include "base/made.h"
#include "front/front.h"
#include "os/memory.h"
#include "os/pipe.h"
#include "os/process.h"
#include "region/marks.h"
#include "runtime/as_sink.h"
#include "runtime/variables.h"
#include "sink/make.h"
#include "sluice/log.h"

namespace sluice::runtime {
namespace {

constexpr u32 kSpareRings = 2;

// What the sinks themselves find wrong, in those that have no mistake yet.
void add_sink_mistakes(const Config& config, std::vector<std::string>& mistakes) {
  for (std::size_t i = 0; i < config.sinks.size(); ++i) {
    const std::string name = name_of_sink(config, i) + ": ";
    const bool known = std::any_of(mistakes.begin(), mistakes.end(), [&name](const auto& mistake) {
      return mistake.starts_with(name);
    });
    if (known) continue;
    const Status status = sink::check_sink(config.sinks[i], os::real_io());
    if (!status.ok()) mistakes.push_back(name + status.message());
  }
}

// The instance lives in static memory so that a forked child can make a new one over it: the old
// one's locks may be held by threads that the child does not have.
alignas(Runtime) char g_memory[sizeof(Runtime)];
std::atomic<Runtime*> g_runtime{nullptr};
std::atomic<bool> g_making{false};
// What a child starts as; set by start().
std::atomic<const Config*> g_child_config{nullptr};

}  // namespace

Runtime& runtime() {
  for (;;) {
    if (Runtime* made = Made::look(g_runtime)) return *made;
    // relaxed: one makes it; the others find it by its address
    if (!g_making.exchange(true, std::memory_order_relaxed)) {
      Made::publish(g_runtime, new (g_memory) Runtime);
    } else {
      os::yield();
    }
  }
}

std::string Runtime::start(const Options& options) {
  if (detail::t_block.in_sink) return "sluice: start() was called by a sink; call it elsewhere";
  const std::lock_guard only(lifecycle_);
  if (running_) return "sluice: already started; stop() it first to start with other options";
  if (starter_.joinable() && engine_) {
    const i64 now = os::monotonic_ns();
    if (!wait_for_starter(now)) return "sluice: a recovery is still running; start again later";
    (void)engine_->stop(now);
  }
  Config config;
  std::vector<std::string> mistakes = make_config(options, config);
  add_sink_mistakes(config, mistakes);
  if (!mistakes.empty()) return join(mistakes);
  if (!config.quiet) {
    for (const std::string& sentence : unknown_variables()) report("sluice: " + sentence);
  }
  {
    const Locked lock(mutex_);
    config_ = std::move(config);
  }
  return start_locked();
}

void Runtime::start_as(const Config& config) {
  const std::lock_guard only(lifecycle_);
  if (running_) return;
  {
    const Locked lock(mutex_);
    config_ = config;
    config_.quiet = true;
    config_.recover = false;
    for (back::SinkConfig& sink : config_.sinks) {
      if (sink.private_file) sink.path = private_store_path();
    }
  }
  const std::string problem = start_locked();
  if (!problem.empty()) report("sluice: in a forked child: " + problem);
}

std::string Runtime::start_locked() {
  std::string problem = open_region();
  if (!problem.empty()) return problem;
  front::Front& front = front::g_front;
  region::Marks::set(front.region.header().goodbye, 0u);
  char(&secrets)[sizeof front.region.header().secrets] = front.region.header().secrets;
  if (left_to_collector_ && field_text(secrets) != config_.redact) {
    return "redact: the collector that drains this process keeps to the names of its first start; "
           "start it with these";
  }
  FixedText(secrets, sizeof secrets).text(config_.redact);
  if (!wants_collector()) collectors_store_.reset();
  if (!wants_collector() || !has_own_sinks()) end_reading();
  const bool left =
      is_for_collector() && (!engine_ || engine_->all_delivered()) && leave_to_collector();
  if (!to_say_.empty()) report(std::exchange(to_say_, {}));
  if (left) {
    set_levels();
    region::Marks::set(front.region.header().finished, 0u);
    {
      const Locked lock(mutex_);
      running_ = true;
    }
    open_for_callers();
    start_link();
    open_for_requests();
    return {};
  }
  const bool taken_back = left_to_collector_;
  if (taken_back && front.region.take_consumer() != 0) {
    return "collector: another process drains this one until it ends; start it without sinks of "
           "its own, as before";
  }
  problem = make_engine();
  if (!problem.empty()) {
    if (taken_back) (void)front.region.give_up_consumer();
    return problem;
  }
  set_levels();
  region::Marks::set(front.region.header().finished, 0u);
  {
    const Locked lock(mutex_);
    running_ = true;
  }
  open_for_callers();
  announce();
  if (wants_collector() && has_own_sinks() && config_.sinks.size() < region::kSinksMax) {
    begin_place();
    if (!begin_to_be_read()) begin_guest();
  }
  if (!to_say_.empty()) report(std::exchange(to_say_, {}));
  start_delivery();
  start_link();
  open_for_requests();
  return {};
}

std::string Runtime::make_engine() {
  front::Front& front = front::g_front;
  if (engine_) (void)engine_->retire();  // a flush() of an earlier start may still be at work
  find_collectors_place();
  back::EngineOptions options;
  options.merge.window_ns = i64{config_.merge_window_us} * 1000;
  options.merge.sample_interval_ns = i64{config_.metrics_interval_ms} * kNsPerMs;
  options.runner.sync_interval_ns = i64{config_.sync_interval_ms} * kNsPerMs;
  options.threads = config_.mode == Mode::asynchronous;
  // relaxed: written once, before any thread of ours
  options.slow_clock = front.clock_is_slow.load(std::memory_order_relaxed);
  auto engine = std::make_shared<back::Engine>(front.region, options, *this);
  engine->resume();
  std::string problem = make_sinks(*engine);
  if (!problem.empty()) return problem;
  const Locked lock(mutex_);
  engine_ = std::move(engine);
  left_to_collector_ = false;
  return {};
}

void Runtime::set_levels() {
  for (const auto& [logger, level] : config_.logger_levels) front::set_level(logger, level);
  front::set_level("", config_.level);
  for (const auto& [logger, records] : config_.backtraces) {
    front::set_backtrace(logger, records, Level::trace);
  }
  for (const auto& [place, level] : config_.site_levels) front::set_site_level(place, u8(level));
  for (const auto& [place, limit] : config_.site_limits) front::set_site_limit(place, limit);
}

void Runtime::open_for_callers() {
  front::g_front.phase.set(front::Phase::kRunning);
  front::open_controls();
  // Only a forked child reads it, in memory of its own: the old one may go.
  const Config* const old = g_child_config.load(std::memory_order_relaxed);
  Made::publish(g_child_config, new Config(config_));
  delete old;
}

// The region may be there already: records before start() are in it.
std::string Runtime::open_region() {
  front::Front& front = front::g_front;
  front::FrontOptions& options = front.options;
  options.immediate.store(config_.mode == Mode::immediate, std::memory_order_relaxed);
  options.block_when_full.store(config_.overflow == Overflow::block, std::memory_order_relaxed);
  options.measure_calls.store(config_.measure_calls, std::memory_order_relaxed);
  options.block_deadline_ns.store(i64{config_.block_deadline_ms} * kNsPerMs,
                                  std::memory_order_relaxed);
  // A forked child that starts with options of its own does not start as its parent.
  front.started_in_parent.store(false, std::memory_order_relaxed);
  if (front.phase.look() == front::Phase::kStopped && !front.region.exists()) {
    front.phase.set(front::Phase::kFresh);  // the child of a stopped program
  }
  front::RegionWanted wanted;
  wanted.level = config_.level;
  copy_text(wanted.region.product, config_.product);
  wanted.region.ring_bytes = config_.ring_bytes;
  wanted.region.journal_bytes = config_.journal_bytes;
  wanted.region.sites_max = config_.sites_max;
  copy_text(wanted.region.directory, config_.region_directory);
  if (!front::ensure_region(&wanted)) {
    return "memory: no address space for the region; raise the limit on virtual memory";
  }
  region::RegionHeader& header = front.region.header();
  options.ring_bytes.store(config_.ring_bytes, std::memory_order_relaxed);
  copy_text(header.product, config_.product);
  copy_text(header.version_text, config_.version);
  copy_text(header.run_id, config_.run_id);
  if (!front.region.shared() && os::can_map_files() && !config_.quiet) {
    report("sluice: no shared memory could be had in " +
           (config_.region_directory.empty() ? "/dev/shm" : config_.region_directory) +
           " (full, missing, or no tmpfs?); records do not survive the death of this process");
  }
  return {};
}

void Runtime::start_draining() {
  engine_->start_backend([this] {
    front::keep_ready(kSpareRings);
    take_request();
  });
}

// What an earlier run owes to a file of ours comes before our own sinks open it; records wait in
// the journal meanwhile. For other destinations, which may be stuck, nobody waits.
void Runtime::start_delivery() {
  if (config_.mode == Mode::immediate) {
    if (config_.recover) recover_earlier_runs(recover_options(), config_.quiet);
    front::keep_ready(kSpareRings);
    const AsSink as_sink;
    const std::lock_guard alone(immediate_);
    engine_->drain_all(true);
    return;
  }
  start_draining();
  if (!config_.recover) return engine_->start_sinks();
  starting_ = true;
  // Copies: it may outlive this start.
  starter_ = std::thread([this, options = recover_options(), quiet = config_.quiet]() mutable {
    os::block_signals();
    os::set_thread_name("sluice-recover");
    detail::t_block.in_sink = 1;
    options.owing = Owing::kToPaths;
    recover_earlier_runs(options, quiet);
    engine_->start_sinks();
    {
      const std::lock_guard lock(starter_mutex_);
      starting_ = false;
      starter_ended_.notify_all();
    }
    options.owing = Owing::kNotToPaths;
    recover_earlier_runs(options, quiet);
  });
}

RecoverOptions Runtime::recover_options() const {
  RecoverOptions options;
  options.directory = config_.region_directory;
  options.product = config_.product;
  for (const back::SinkConfig& sink : config_.sinks) {
    if (!sink.path.empty()) options.paths.push_back(sink.path);
  }
  return options;
}

void Runtime::recover_earlier_runs(const RecoverOptions& options, bool quiet) {
  u64 left = 0, bytes = 0;
  std::string problem;
  for (const RegionSummary& found : recover_all(options, *this)) {
    if (!found.complete) {
      ++left;
      bytes += found.bytes;
      problem = found.problem;
    } else if (!quiet) {
      report("sluice: recovered " + std::to_string(found.recovered) + " records of process " +
             std::to_string(found.pid));
    }
  }
  // Also when quiet: each run adds one until somebody mends it, or shared memory is full.
  if (left == 0) return;
  constexpr u64 kMiB = u64{1} << 20;
  report("sluice: " + std::to_string(left) + " region(s) of earlier runs still hold records, in " +
         std::to_string((bytes + kMiB - 1) / kMiB) +
         " MiB of shared memory; `sluice recover` tries again, `sluice recover --text FILE "
         "--give-up` puts them elsewhere: " +
         problem);
}

bool Runtime::wait_for_starter(i64 deadline_ns) {
  if (!starter_.joinable()) return true;
  {
    std::unique_lock lock(starter_mutex_);
    const std::chrono::steady_clock::time_point until{std::chrono::nanoseconds(deadline_ns)};
    if (!starter_ended_.wait_until(lock, until, [this] { return !starting_; })) return false;
  }
  // It may go on with what earlier runs owe to others; a process that ends leaves that to the next.
  starter_.detach();
  return true;
}

std::string Runtime::stop(u32 deadline_ms) {
  // A sink cannot wait for itself to end.
  if (detail::t_block.in_sink) return "sluice: stop() was called by a sink; call it elsewhere";
  const i64 from = os::monotonic_ns();
  const std::lock_guard only(lifecycle_);
  if (!running_) return {};
  end_link();
  const i64 deadline = from + i64{deadline_ms ? deadline_ms : config_.stop_deadline_ms} * kNsPerMs;
  front::Front& front = front::g_front;
  // relaxed: a hint
  front.region.requests().reader.store(region::RequestReader::kNobody, std::memory_order_relaxed);
  front.phase.stop();
  front::close_controls();
  const bool quiet = front::quiesce(deadline);
  {
    const Locked lock(mutex_);
    running_ = false;
  }
  if (left_to_collector_) {
    region::Marks::set(front.region.header().goodbye, 1u);
    return {};
  }
  if (!wait_for_starter(deadline)) {
    return "sluice: a recovery is still running; what was not delivered stays in " +
           std::string(front.region.path());
  }
  u32 behind = 0;
  if (config_.mode == Mode::immediate) {
    const AsSink as_sink;
    const std::lock_guard alone(immediate_);
    behind = engine_->stop(deadline);
  } else {
    behind = engine_->stop(deadline);
  }
  commit_watches_.wait(deadline);
  keep_what_is_stuck();
  if (behind == 0 && quiet && engine_->all_delivered()) {
    // Everything is delivered (P15); but how this run ended its collector is to store.
    region::RegionHeader& header = front.region.header();
    region::Marks::set(collectors_store_ ? header.goodbye : header.finished, 1u);
    return {};
  }
  return "sluice: not everything was delivered in time (" + std::to_string(behind) +
         " sinks behind); the rest stays in " + std::string(front.region.path()) +
         " for the next start or `sluice recover`";
}

// A sink that is in a call uses its engine as long as the process lives.
void Runtime::keep_what_is_stuck() {
  if (!engine_->is_in_use()) return;
  static auto* const kept = new std::vector<std::shared_ptr<back::Engine>>;
  kept->push_back(engine_);
}

bool Runtime::is_left_to_collector() {
  const Locked lock(mutex_);
  return running_ && left_to_collector_;
}

std::shared_ptr<back::Engine> Runtime::running_engine() {
  const Locked lock(mutex_);
  return running_ ? engine_ : nullptr;
}

void Runtime::run_now() {
  // A sink that logs, or a handler: the call it runs in, or the next one, delivers it.
  if (detail::t_block.in_sink || Locked::by_this_thread()) return;
  const AsSink as_sink;
  const std::lock_guard alone(immediate_);
  if (const std::shared_ptr<back::Engine> engine = running_engine()) engine->drain_all(true);
}

void Runtime::set_level(std::string_view logger, Level level) {
  // Before the lock: a forked child starts here, which takes it.
  if (!front::ensure_region()) return;
  const Locked lock(mutex_);
  (void)front::set_level(logger, level);
}

bool Runtime::set_backtrace(std::string_view logger, u32 records, Level from) {
  if (!front::ensure_region()) return false;  // before the lock, as above
  const Locked lock(mutex_);
  return front::set_backtrace(logger, records, from);
}

u32 Runtime::set_site_level(std::string_view place, u8 level) {
  // Before the lock: a forked child starts here, which takes it. Without one the level is kept.
  (void)front::ensure_region();
  const Locked lock(mutex_);
  return front::set_site_level(place, level).value_or(0);
}

u32 Runtime::set_site_limit(std::string_view place, front::PlaceLimit limit) {
  (void)front::ensure_region();  // before the lock, as above
  const Locked lock(mutex_);
  return front::set_site_limit(place, limit).value_or(0);
}

std::string Runtime::configuration() {
  const Locked lock(mutex_);
  return to_text(config_);
}

void Runtime::report(std::string_view sentence) {
  const os::NoPipeSignal no_signal;
  std::string line(sentence);
  line += "\n";
  os::real_io().write(2, line.data(), line.size());
}

bool Runtime::report_at_once(std::string_view sentence) {
  const os::NoPipeSignal no_signal;
  std::string line(sentence);
  line += "\n";
  return os::write_at_once(2, line.data(), line.size()) != -EAGAIN;
}

void Runtime::announce() {
  if (config_.quiet) return;
  std::string places;
  for (const back::SinkConfig& sink : config_.sinks) {
    if (!sink.path.empty()) places += (places.empty() ? "" : ", ") + sink.path;
  }
  if (!places.empty()) report("sluice: " + config_.product + " writes to " + places);
}

void Runtime::at_exit() {
  front::Front& front = front::g_front;
  const front::Phase phase = front.phase.look();
  if (phase == front::Phase::kFresh) return;  // a forked child that never logged
  const Config* parents = Made::look(g_child_config);
  if (phase == front::Phase::kQueueing && parents &&
      front.started_in_parent.load(std::memory_order_relaxed)) {
    start_as(*parents);
  } else if (phase == front::Phase::kQueueing) {
    // Nobody called start(): what was said goes to the console now.
    Options options;
    options.quiet = true;
    options.recover = false;
    const std::string problem = start(options);
    if (!problem.empty()) return report("sluice: " + problem);
  }
  const std::string left = stop(0);
  if (!left.empty()) return report(left);
  if (region::Marks::look(front.region.header().finished)) front.region.unlink_file();
}

}  // namespace sluice::runtime

namespace sluice::front {
namespace {

void run_now() { runtime::runtime().run_now(); }

void start_in_child() {
  if (const auto* config = Made::look(runtime::g_child_config)) {
    runtime::runtime().start_as(*config);
  }
}

void forked() {
  runtime::g_runtime.store(nullptr, std::memory_order_relaxed);
  runtime::g_making.store(false, std::memory_order_relaxed);
}

void at_exit() { runtime::runtime().at_exit(); }

}  // namespace

constinit const RuntimeHooks kRuntimeHooks{run_now, start_in_child, forked, at_exit};

}  // namespace sluice::front
