#!/usr/bin/env python3
"""Builds spdlog's own example, unchanged, with spdlog and with Sluice's shim for it, runs both, and
compares what they wrote: to standard output, to every file, and over UDP.

usage: spdlog_example_test.py --compiler CXX --library libsluice.a

The example is that of the Debian package libspdlog-dev: where it is installed, or else what
`apt-get download` gives. Exit 0 when the outputs say the same, 1 when not, 77 (skipped) where there
is no such package to be had.
"""

import argparse
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
EXAMPLE = "usr/share/doc/libspdlog-dev/examples/example/example.cpp"
HEADER = "usr/include/spdlog/spdlog.h"
UDP = ("127.0.0.1", 11091)  # where the example sends
SKIPPED = 77

# What differs from run to run, and the two lines around a backtrace, which have words of their own.
VARIABLE = [
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}", "TIME"),
    (r"\[\d\d:\d\d:\d\d [+-]\d\d:\d\d\]", "[TIME]"),
    (r"\d{4}-\d\d-\d\d", "DAY"),
    (r"\[thread \d+\]", "[thread N]"),
    (r"Stopwatch: [\d.e-]+", "Stopwatch: N"),
    (r"\[info\] (\*+ Backtrace Start \*+|backtrace: the last 10 records:)", "[info] BEGIN"),
    (r"\[info\] (\*+ Backtrace End \*+|backtrace: end)", "[info] END"),
]


def skip(why):
    print(f"skipped: {why}")
    sys.exit(SKIPPED)


def package(folder):
    """The root of a system that has the example and its spdlog."""
    if all(pathlib.Path("/", path).exists() for path in (EXAMPLE, HEADER)):
        return pathlib.Path("/")
    try:
        subprocess.run(["apt-get", "download", "-q", "libspdlog-dev"], cwd=folder, check=True,
                       capture_output=True, timeout=120)
        archive = next(folder.glob("libspdlog-dev_*.deb"))
        subprocess.run(["dpkg", "-x", archive, folder / "package"], check=True)
    except (OSError, subprocess.SubprocessError, StopIteration):
        skip("libspdlog-dev's example is not installed and its package cannot be downloaded")
    return folder / "package"


def same_text(text):
    for pattern, word in VARIABLE:
        text = re.sub(pattern, word, text)
    return text


class Receiver:
    """Takes what is sent to the example's UDP address; nothing where that is in use."""

    def __init__(self):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind(UDP)
        except OSError as problem:
            print(f"datagrams are not compared: {problem}")
            self.socket = None

    def take(self):
        texts = []
        while self.socket:
            try:
                texts.append(self.socket.recv(65536, socket.MSG_DONTWAIT).decode())
            except BlockingIOError:
                break
        return "".join(texts)


def run(program, folder, receiver, **variables):
    """Everything the program wrote, by where."""
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith(("SLUICE_", "SPDLOG_"))}
    done = subprocess.run([program], cwd=folder, env=environment | variables, capture_output=True,
                          text=True, timeout=120, check=False)
    said = {"exit code": str(done.returncode), "standard output": same_text(done.stdout),
            "standard error": same_text(done.stderr), "UDP": same_text(receiver.take())}
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            said[same_text(path.relative_to(folder).as_posix())] = same_text(path.read_text())
    return said


def differences(wanted, got):
    for where in sorted(wanted.keys() | got.keys()):
        if wanted.get(where) != got.get(where):
            yield (f"== {where}\n-- spdlog:\n{wanted.get(where, '(nothing)')}\n"
                   f"-- Sluice:\n{got.get(where, '(nothing)')}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--compiler", required=True)
    parser.add_argument("--library", required=True)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        root = package(folder)
        example = root / EXAMPLE
        compile_it = [arguments.compiler, "-std=c++20", "-O0", "-DFMT_HEADER_ONLY=1", example]
        reference = folder / "reference"  # spdlog's headers and no others
        reference.mkdir()
        (reference / "spdlog").symlink_to(root / "usr/include/spdlog")
        subprocess.run([*compile_it, "-DSPDLOG_FMT_EXTERNAL", "-isystem", reference,
                        "-pthread", "-o", folder / "with_spdlog"], check=True)
        subprocess.run([*compile_it, "-I", ROOT / "include/sluice/compat", "-I", ROOT / "include",
                        arguments.library, "-lsqlite3", "-pthread", "-o", folder / "with_sluice"],
                       check=True)
        receiver = Receiver()
        wanted = run(folder / "with_spdlog", folder / "a", receiver)
        got = run(folder / "with_sluice", folder / "b", receiver)
        found = list(differences(wanted, got))
        print("\n".join(found))
        # Control: records that are kept out of Sluice must be missed.
        less = run(folder / "with_sluice", folder / "c", receiver, SLUICE_LEVEL="error")
        missed = list(differences(wanted, less))
        files = [where for where in wanted if "/" in where]
        if len(files) < 7 or wanted["standard output"].count("\n") < 30:
            found.append("the example does less than it should")
        if len(missed) < len(files):
            print(f"without its records only {len(missed)} places differ")
            found.append("control")
        print(f"figure: {len(wanted)} places compared, {len(found)} differ")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
