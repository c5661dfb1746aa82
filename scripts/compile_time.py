#!/usr/bin/env python3
"""How long logging takes to compile: ten lines in a file of their own (a figure; 0.8 s is the aim),
and 2,000 different lines in one file, which must compile.

Best of three with g++ -O2, and once with -O1; no compiler cache. Exit 1 only when something does
not compile.
"""

import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
AIM_SECONDS = 0.8
ARGUMENTS = ["i", "d", "s", "i, d", "i, s", "d, s", "i, i, d", "s, s", "i, d, s", "d, d"]


def program(lines):
    body = []
    for n in range(lines):
        arguments = ARGUMENTS[n % len(ARGUMENTS)]
        places = " ".join(["{}"] * (arguments.count(",") + 1))
        body.append(f'  SLUICE_INFO("line {n}: {places}", {arguments});')
        if n % 100 == 99:  # functions of a size that people write
            body.append(f"}}\nvoid part{n}(int i, double d, const char* s) {{")
    return ("#include <sluice/log.h>\nvoid part(int i, double d, const char* s) {\n"
            + "\n".join(body) + "\n  (void)i, (void)d, (void)s;\n}\n")


def seconds(source, folder, repeats, optimise):
    best = None
    for _ in range(repeats):
        start = time.monotonic()
        command = ["g++", "-std=c++20", optimise, "-I", str(ROOT / "include"), "-c", str(source),
                   "-o", str(pathlib.Path(folder, "out.o"))]
        subprocess.run(command, check=True)
        taken = time.monotonic() - start
        best = taken if best is None else min(best, taken)
    return best


def main():
    with tempfile.TemporaryDirectory() as folder:
        figures = []
        for lines, repeats, optimise in ((10, 3, "-O2"), (2000, 1, "-O1")):
            source = pathlib.Path(folder, f"lines{lines}.cc")
            source.write_text(program(lines))
            try:
                figures.append(seconds(source, folder, repeats, optimise))
            except subprocess.CalledProcessError:
                print(f"{lines} log lines do not compile")
                return 1
    print(f"figure: ten lines {figures[0]:.2f} s (aim {AIM_SECONDS}), "
          f"2,000 lines {figures[1]:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
