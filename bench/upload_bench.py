#!/usr/bin/env python3
"""What does an upload cost beside a plain PUT by curl, and how much memory does it take?

usage: bench/upload_bench.py [--gib 4] [--runs 3] [--dir /tmp]

Into a directory and into the S3 server of the tests (scripts/install_upload_servers.sh), which
runs beside on the same processors. The file is text like a log's. First one upload of --gib each
way, of 1 GiB where it is compressed: the peak of resident memory (GNU time's %M) over that of
uploading a file of one byte. Then, in turns, --runs uploads of 1 GiB by sluice and by curl. DIR
needs room for two files. --gib 0: only those.
"""
import argparse
import os
import pathlib
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SLUICE = ROOT / "build/release/bin/sluice"
SERVERS = os.environ.get("SLUICE_UPLOAD_SERVERS",
                         os.path.expanduser("~/.cache/sluice/upload_servers"))
KEY, SECRET = "bench", "bench-secret"
ENV = {**os.environ, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
       "AWS_CONFIG_FILE": "/nonexistent", "ROOT_ACCESS_KEY": KEY, "ROOT_SECRET_KEY": SECRET}
MIB = 1 << 20


def write_log(path, size):
    """Text like a log's, 64 different MiB of it again and again."""
    rng = random.Random(1)
    pieces = []
    for _ in range(64):
        lines = []
        length = 0
        while length < MIB:
            line = (f"2026-01-02T18:55:{rng.randrange(60):02}.{rng.randrange(10**6):06} INFO "
                    f"request {rng.randrange(10**9)} by user {rng.randrange(10**4)} took "
                    f"{rng.random():.6f} s\n")
            lines.append(line)
            length += len(line)
        pieces.append("".join(lines).encode()[:MIB])
    with open(path, "wb") as out:
        for i in range(size // MIB):
            out.write(pieces[i % len(pieces)])


class Server:
    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        os.makedirs(folder / "bucket")
        self.process = subprocess.Popen([f"{SERVERS}/s3_server", f"127.0.0.1:{port}", str(folder)],
                                        env=ENV, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.1)
        sys.exit("the S3 server does not start")


class Bench:
    def __init__(self, folder, server):
        self.folder, self.server = folder, server

    def run(self, command):
        """Seconds and peak KiB."""
        measured = self.folder / "measured"
        done = subprocess.run(["/usr/bin/time", "-o", measured, "-f", "%e %M", *command], env=ENV,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode != 0:
            sys.exit(f"{command}: {done.stderr.decode()}")
        seconds, kib = measured.read_text().split()
        return float(seconds), int(kib)

    def upload(self, file, options, into_s3=True):
        source = self.folder / "source"
        shutil.rmtree(source, ignore_errors=True)
        source.mkdir()
        os.link(file, source / "file")
        to = (["--to", "s3://bucket", "--endpoint", self.server.url] if into_s3 else
              ["--to", str(self.folder / "out")])
        figures = self.run([SLUICE, "upload", source, *to, "--settle", "0", "--quiet", *options])
        self.clear()
        return figures

    def curl(self, file, checked):
        """With `checked`, the store is told a SHA-256 as it is by sluice; making that counts."""
        began = time.monotonic()
        digest = "UNSIGNED-PAYLOAD"
        if checked:
            digest = subprocess.check_output(["openssl", "dgst", "-sha256", "-r", file],
                                             text=True).split()[0]
        hashing = time.monotonic() - began
        seconds, kib = self.run(["curl", "-fsS", "-T", file, "--aws-sigv4", "aws:amz:us-east-1:s3",
                                 "--user", f"{KEY}:{SECRET}",
                                 "-H", f"x-amz-content-sha256: {digest}",
                                 f"{self.server.url}/bucket/file"])
        self.clear()
        return hashing + seconds, kib

    def clear(self):
        for folder in (self.folder / "out", self.folder / "s3/bucket"):
            shutil.rmtree(folder, ignore_errors=True)
        (self.folder / "s3/bucket").mkdir()


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gib", type=int, default=4)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--dir", default="/tmp")
    arguments = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sluice_upload_bench_", dir=arguments.dir))
    server = Server(folder / "s3")
    try:
        bench = Bench(folder, server)
        (folder / "byte").write_bytes(b"x")
        large = folder / "large"
        write_log(large, max(1, arguments.gib) << 30)
        for name, gib, how, into_s3 in (
                ("a directory", arguments.gib, "", False), ("S3", arguments.gib, "", True),
                ("a directory, zstd", 1, "zstd", False), ("S3, zstd", 1, "zstd", True),
                ("S3, gzip", 1, "gzip", True)) if arguments.gib > 0 else ():
            os.truncate(large, gib << 30)
            options = ["--compress", how] if how else []
            base = bench.upload(folder / "byte", options, into_s3)[1]
            seconds, peak = bench.upload(large, options, into_s3)
            print(f"{name}: {gib} GiB in {seconds:.1f} s, {(gib << 10) / seconds:.0f} MiB/s; "
                  f"{(peak - base) / 1024:.1f} MiB of memory over {base / 1024:.1f}", flush=True)
        ways = {"sluice": lambda: bench.upload(large, []),
                "sluice, one PUT": lambda: bench.upload(large, ["--part-bytes", "1GiB"]),
                "curl": lambda: bench.curl(large, False),
                "openssl sha256 and curl": lambda: bench.curl(large, True)}
        seconds = {name: [] for name in ways}
        for _ in range(arguments.runs):
            for name, way in ways.items():
                seconds[name].append(way()[0])
        for name, all_of_it in seconds.items():
            print(f"{name}: 1 GiB in {statistics.median(all_of_it):.2f} s "
                  f"({min(all_of_it):.2f} to {max(all_of_it):.2f})")
    finally:
        server.process.kill()
        server.process.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
