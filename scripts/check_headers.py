#!/usr/bin/env python3
"""Compiles every public header alone: without exceptions and RTTI, with g++ as C++20 and with clang
as C++23, every warning an error (those that only lead to others with g++); and uses the whole
interface in one such program, as both with both. With SLUICE_TEST_FULL the headers too.

Exit 1 when a compiler objects, or when a compiler that was asked for is missing.
"""

import concurrent.futures
import itertools
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPILERS = ["g++", "clang++-16"]
STANDARDS = ["c++20", "c++2b"]  # 2b: what both compilers call C++23
FLAGS = ["-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror",
         "-fno-exceptions", "-fno-rtti", "-fsyntax-only"]
ALL_WAYS = list(itertools.product(COMPILERS, STANDARDS))
WAYS = ALL_WAYS if os.environ.get("SLUICE_TEST_FULL") else list(zip(COMPILERS, STANDARDS))
# Headers of spdlog's names; what they lead to is compiled in every way by itself.
FORWARDS = "sluice/compat/spdlog/"
USES = """
#include <sluice/sluice.h>
#include <sluice/fmt.h>
#include <sluice/heartbeat.h>
#include <sluice/limit.h>
#include <sluice/metric.h>
#include <sluice/ostream.h>
#include <sluice/runtime_format.h>
#include <sluice/std.h>
#include <sluice/trace.h>
#include <vector>
struct Price { long ticks; };
auto sluice_value(const Price& p) { return double(p.ticks) * 0.01; }
int main() {
  const char* format = "{}";
  static sluice::Logger net{"net"};
  sluice::Context context(sluice::kv("run", 7));
  SLUICE_INFO("order {id} at {px}", 17, Price{9950});
  SLUICE_LOGGER_WARNING(net, "slow {}", 21.5, sluice::kv("host", "a"));
  SLUICE_EVENT("user.login", sluice::kv("ok", true));
  SLUICE_GAUGE("fps", 60, sluice::kv("scene", "menu"));
  SLUICE_STATE(sluice::kv("hp", 93));
  sluice::info("order {} at {}", 17, 99.5);
  sluice::TraceContext trace;
  if (trace.parse_environment()) sluice::TraceScope scope(trace);
  SLUICE_LOG_LIMITED(sluice::Level::info, sluice::every_nth(10), "tenth {}", 10);
  SLUICE_LOG_LIMITED(sluice::Level::info, sluice::one_in(10), "sampled {}", 10);
  SLUICE_LOGGER_LOG_LIMITED(net, sluice::Level::info, sluice::once_in_ms(10), "rare");
  SLUICE_LOG_RUNTIME(sluice::Level::info, format, 1, sluice::kv("px", Price{1}));
  SLUICE_INFO("{}", std::vector<Price>{{1}}, sluice::kv("at", std::chrono::seconds(1)));
  static constinit sluice::Counter orders{"orders", "1"};
  sluice::UpDownCounter open("open", "", {{"side", "buy"}});
  sluice::Gauge price("price");
  orders.add();
  open.add(-1);
  price.set(99.5);
  sluice::Heartbeat frames("main loop", 2000);
  frames.beat();
  return static_cast<int>(sluice::stats().dropped());
}
"""


def compile_one(job):
    compiler, standard, name, path = job
    command = [compiler, f"-std={standard}", *FLAGS, "-I", str(ROOT / "include"), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (compiler, standard, name, done.stderr) if done.returncode else None


def main():
    headers = sorted((ROOT / "include").rglob("*.h"))
    missing = [c for c in COMPILERS if not shutil.which(c)]
    if missing:
        print("missing:", *missing)
        return 1
    with tempfile.TemporaryDirectory() as folder:
        sources = []
        for i, header in enumerate(headers):
            name = header.relative_to(ROOT / "include").as_posix()
            source = pathlib.Path(folder, f"header{i}.cc")
            # Twice: the guard must hold.
            source.write_text(f"#include <{name}>\n#include <{name}>\n")
            sources.append((name, source, WAYS[:1] if name.startswith(FORWARDS) else WAYS))
        uses = pathlib.Path(folder, "uses.cc")
        uses.write_text(USES)
        sources.append(("(all of it used)", uses, ALL_WAYS))
        jobs = [(*way, name, path) for name, path, ways in sources for way in ways]
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            failures = [f for f in pool.map(compile_one, jobs) if f]
    for compiler, standard, name, errors in failures:
        print(f"== {name} with {compiler} -std={standard}\n{errors}")
    print(f"figure: {len(headers)} headers, {len(jobs)} compilations, {len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
