#!/usr/bin/env python3
"""Checks what no compiler checks: layers, sizes, explained memory orders, unbuilt files, format.

usage: scripts/tidy.py              check the working tree; exit 1 when something is found
       scripts/tidy.py --fix        let clang-format rewrite the C++ files first
       scripts/tidy.py --self-test  prove that every check finds a seeded violation

A check is a function from a Tree to findings ("path:line: what"). Each has a seed in SEEDS, a
change to a clean tree that it must find and that no other check may find instead; --self-test runs
them all. Add a check together with its seed.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent

# The layers of src/, lowest first; those of one level do not see each other.
LEVELS = {
    "base": 0,
    "os": 1,
    "ring": 2, "record": 2,
    "region": 3, "segment": 3,
    "front": 4, "stream": 4, "back": 4, "store": 4, "net": 4, "append": 4,
    "sink": 5, "upload": 5, "append_server": 5,
    "runtime": 6,
    "collector": 7,
    "cli": 8,
}
# Third-party headers, by the layers that may include them.
THIRD_PARTY = {
    "fmt/": {"record", "segment", "back", "store", "net", "sink", "upload", "runtime", "collector",
             "cli", "include/sluice"},  # sluice/fmt.h, for whoever has it
    "nlohmann/": {"record", "segment", "back", "store", "net", "sink", "upload", "runtime",
                  "collector", "cli"},
    "CLI/": {"cli"},
    "sqlite3.h": {"store"},
    "zlib.h": {"upload", "cli"},
    "zstd.h": {"upload", "cli"},
    "curl/": {"net"},
    "openssl/": {"net", "upload"},
    "toml++/": {"collector"},
    "boost/": {"collector"},
}
STANDARD = set("""
algorithm array atomic bit bitset cassert cctype cerrno cfloat charconv chrono cinttypes climits
clocale cmath compare complex concepts condition_variable coroutine csetjmp csignal cstdarg
cstddef cstdint cstdio cstdlib cstring ctime cuchar cwchar deque exception filesystem forward_list
fstream functional future initializer_list iomanip ios iosfwd iostream istream iterator latch
limits list locale map memory memory_resource mutex new numbers numeric optional ostream queue
random ranges ratio regex scoped_allocator semaphore set shared_mutex source_location span sstream
stack stdexcept stop_token streambuf string string_view syncstream system_error thread tuple
type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector version
""".split())
# What programs expect from the headers of another library (LOG_PID, for one), and their sockets.
COMPAT = "include/sluice/compat/"
COMPAT_SYSTEM = {"arpa/inet.h", "netinet/in.h", "sys/socket.h", "syslog.h", "unistd.h"}
# The compiler's own headers, no system behind them.
COMPILER = {"immintrin.h", "nmmintrin.h", "x86intrin.h", "cpuid.h", "emmintrin.h", "cxxabi.h"}

CODE = (".cc", ".h")
TEXT = CODE + (".py", ".sh", ".cmake", ".md", ".txt", ".json", ".in", ".map", ".toml", ".yml")
COLUMNS_MAX = 100
LINES_MAX_SOURCE = 500
LINES_MAX_TEST = 800
COMMENT_REACH = 4  # lines above a memory order in which its comment may stand


class Tree:
    """The project's files as text, by path from its root."""

    def __init__(self, files):
        self.files = files

    @classmethod
    def load(cls, root):
        names = None
        if (root / ".git").exists() and shutil.which("git"):
            listed = subprocess.run(
                ["git", "-c", f"safe.directory={root}", "-C", str(root), "ls-files", "-z",
                 "--cached", "--others", "--exclude-standard"],
                capture_output=True, check=False)
            if listed.returncode == 0:
                names = [n for n in listed.stdout.decode().split("\0") if n]
        if names is None:
            skip = {"build", "data", ".git"}
            names = [str(p.relative_to(root)) for p in root.rglob("*")
                     if p.is_file() and p.relative_to(root).parts[0] not in skip]
        files = {}
        for name in sorted(names):
            path = root / name
            if path.is_file() and (path.suffix in TEXT or is_script(path)):
                files[name] = path.read_text(encoding="utf-8", errors="replace")
        return cls(files)

    def under(self, *folders, endings=CODE):
        for name, text in self.files.items():
            if name.split("/")[0] in folders and name.endswith(endings):
                yield name, text


def is_script(path):
    if path.suffix:
        return False
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def numbered(text):
    return enumerate(text.split("\n"), 1)


def code_part(line):
    """The line without its // comment and without the insides of string literals."""
    out, i, quote = [], 0, None
    while i < len(line):
        c = line[i]
        if quote:
            if c == "\\":
                i += 1
            elif c == quote:
                quote = None
                out.append(c)
        elif c == '"':
            quote = c
            out.append(c)
        elif line.startswith("//", i):
            break
        else:
            out.append(c)
        i += 1
    return "".join(out)


def comment_part(line):
    at = line.find("//")
    return line[at + 2:] if at >= 0 else ""


# --- checks ---------------------------------------------------------------------------------------

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(text):
    for number, line in numbered(text):
        match = INCLUDE.match(line)
        if match:
            yield number, match.group(1), match.group(2)


def check_layers(tree):
    for name, text in tree.under("src"):
        parts = name.split("/")
        layer = parts[1]
        if len(parts) < 3 or layer not in LEVELS:
            yield f"{name}:1: in no layer of src/ ({', '.join(LEVELS)})"
            continue
        for line, bracket, header in includes(text):
            if bracket != '"':
                continue
            other = header.split("/")[0]
            if other == "sluice" or other == layer:
                continue
            if other not in LEVELS or "/" not in header:
                yield f'{name}:{line}: "{header}" is in no layer; include by "layer/file.h"'
            elif LEVELS[other] >= LEVELS[layer]:
                yield (f"{name}:{line}: {layer} (level {LEVELS[layer]}) may not include {other} "
                       f"(level {LEVELS[other]}): arrows go down only")
    for name, text in tree.under("include"):
        for line, bracket, header in includes(text):
            if bracket == '"' and not header.startswith("sluice/"):
                yield f'{name}:{line}: a public header may not include "{header}"'
    for name, text in tree.under("examples"):
        for line, bracket, header in includes(text):
            if header.split("/")[0] in LEVELS:
                yield f"{name}:{line}: an example may use public headers only, not {header}"


def check_system_headers(tree):
    """Only src/os talks to the system; only some layers to third parties; include/ to neither."""
    for name, text in tree.under("src", "include"):
        layer = name.split("/")[1] if name.startswith("src/") else "include/sluice"
        for line, bracket, header in includes(text):
            if bracket != "<" or header in STANDARD or header.startswith("sluice/"):
                continue
            if layer == "os" or (layer != "include/sluice" and header in COMPILER):
                continue
            if name.startswith(COMPAT) and header in COMPAT_SYSTEM:
                continue
            third = next((t for t in THIRD_PARTY if header.startswith(t)), None)
            if third and layer in THIRD_PARTY[third]:
                continue
            what = "third-party" if third else "system"
            yield f"{name}:{line}: {what} header <{header}> may not be used in {layer}"


def check_columns(tree):
    for name, text in tree.files.items():
        if name.endswith((".md", ".json", ".txt", ".in")) and name != "CMakeLists.txt":
            continue
        raw = False  # inside R"( )": text that is compared or printed as it stands cannot be wrapped
        for number, line in numbered(text):
            if len(line) > COLUMNS_MAX and not raw and 'R"' not in line:
                yield f"{name}:{number}: {len(line)} columns, at most {COLUMNS_MAX}"
            if name.endswith(CODE):
                for mark in re.findall(r'R"\w*\(|\)\w*"', line):
                    raw = mark.startswith('R"')


def check_lengths(tree):
    for name, text in tree.under("src", "include", "bench", "examples", "tests"):
        limit = LINES_MAX_TEST if name.startswith("tests/") else LINES_MAX_SOURCE
        lines = text.count("\n")
        if lines > limit:
            yield f"{name}:{lines}: {lines} lines, at most {limit}: split it"


ORDER = re.compile(r"\bmemory_order(?:_|::)(acquire|release|acq_rel|seq_cst)\b")
RELAXED = re.compile(r"\bmemory_order(?:_|::)relaxed\b")
PAIR = re.compile(r"\bP\d+\b")
PARTNER = re.compile(r"\bP(\d+|n)\b|pairs with|partner|\b(acquire|release) (in|of|by|that)\b|"
                     r"\(\)|membarrier", re.I)


def check_memory_orders(tree):
    """An order has a comment that names its partner or pair, on its line or just above its group.

    A group is a run of statements without a comment between them: one comment may explain the
    seven stores of one block. Signal fences order nothing between threads: they need no partner.
    """
    for name, text in tree.under("src", "include"):
        lines = text.split("\n")
        for i, line in enumerate(lines):
            code = code_part(line)
            if not ORDER.search(code) or "signal_fence" in code:
                continue
            at, left, found = i, COMMENT_REACH, PARTNER.search(comment_part(line))
            while not found and at > 0 and left > 0:
                at -= 1
                found = PARTNER.search(comment_part(lines[at]))
                above = code_part(lines[at])
                # Neighbours of the same kind do not use up the reach, nor do a comment's own lines.
                if not (ORDER.search(above) or RELAXED.search(above) or not above.strip()):
                    left -= 1
            if not found:
                yield f"{name}:{i + 1}: memory order without a comment that names its partner"


# The yardstick of `sluice bench`: a ring in its least form, no part of the library.
ORDERS_OF_ITS_OWN = "src/cli/floor_ring.h"
ORDERS_STRUCT = re.compile(r"^struct (\w*Orders)\b.*?^\};", re.M | re.S)
WEAKENED = re.compile(r'expect_all_listed\(\s*"([^"]+)",\s*"(\w+)"')


def check_orders_tested(tree):
    """An order is a member of some struct ...Orders, and tests/explorer weakens all its members."""
    weakened = {pair for name, text in tree.under("tests") for pair in WEAKENED.findall(text)}
    for name, text in tree.under("src", "include"):
        for struct in ORDERS_STRUCT.finditer(text):
            line = text[:struct.start()].count("\n") + 1
            if ORDER.search(struct.group(0)) and (name, struct.group(1)) not in weakened:
                yield f"{name}:{line}: no test in tests/explorer weakens {struct.group(1)}"
        if name == ORDERS_OF_ITS_OWN:
            continue
        outside = ORDERS_STRUCT.sub(lambda struct: "\n" * struct.group(0).count("\n"), text)
        for number, line in numbered(outside):
            code = code_part(line)
            if ORDER.search(code) and "signal_fence" not in code:
                yield f"{name}:{number}: an order that no test can weaken: put it into an Orders"


def check_relaxed(tree):
    for name, text in tree.under("src", "include"):
        uses = [n for n, line in numbered(text) if RELAXED.search(code_part(line))]
        if uses and not re.search(r"//.*\brelaxed\b", text, re.I):
            yield f"{name}:{uses[0]}: relaxed is used, and no comment of the file says why"


def check_pairs_listed(tree):
    listed = set(PAIR.findall(tree.files.get("docs/memory_model.md", "")))
    for name, text in tree.under("src", "include"):
        for number, line in numbered(text):
            for pair in PAIR.findall(comment_part(line)):
                if pair not in listed:
                    yield f"{name}:{number}: {pair} is not listed in docs/memory_model.md"


def check_built(tree):
    """Every .cc is built by some glob or named in CMake; every header is included by something."""
    cmake = "\n".join(t for n, t in tree.files.items()
                      if n.endswith((".cmake", "CMakeLists.txt")))
    layers = set(re.findall(r"[a-z_]+", " ".join(
        re.findall(r"(?:foreach\(layer|set\(SLUICE_LAYERS) ([^)]*)\)", cmake)))) | {"cli"}
    globs = [r"tests/.*_test\.cc", r"tests/fuzz/[^/]*_fuzz\.cc", r"bench/[^/]*_bench\.cc",
             r"examples/[^/]*\.cc", r"tests/package/.*\.cc"]
    globs += [rf"src/{layer}/((windows|without_store)/)?[^/]*\.cc" for layer in layers]
    included = set()
    for name, text in tree.files.items():
        if name.endswith(CODE):
            folder = name.rsplit("/", 1)[0]
            for _, _, header in includes(text):
                included.add(header)
                included.add(f"{folder}/{header}")
    for name in tree.files:
        # Headers of another library's names are included by these.
        short = re.sub(r"^(src|include/sluice/compat(?=/spdlog/)|include|tests|bench)/", "", name)
        if name.endswith(".cc") and not any(re.fullmatch(g, name) for g in globs):
            if name not in cmake and name.rsplit("/", 1)[-1] not in cmake:
                yield f"{name}:1: nothing builds this file"
        elif name.endswith(".h") and short not in included and name not in included:
            if name != "include/sluice/sluice.h":
                yield f"{name}:1: nothing includes this header"


def check_marks(tree):
    mark = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")
    for name, text in tree.files.items():
        for number, line in numbered(text):
            if mark.search(line):
                yield f"{name}:{number}: unfinished work ({mark.search(line).group(1)})"


def check_tabs(tree):
    for name, text in tree.files.items():
        for number, line in numbered(text):
            if "\t" in line:
                yield f"{name}:{number}: a tab"


def check_white_space(tree):
    for name, text in tree.files.items():
        for number, line in numbered(text):
            if line != line.rstrip():
                yield f"{name}:{number}: white space at the end of the line"
        if text and not text.endswith("\n"):
            yield f"{name}:{text.count(chr(10)) + 1}: no newline at the end"


MACHINE = re.compile(r"(?<![\w.}/\])-])/(work|root|Users|home/(?!you\b|me\b|user\b|\$))(/|\b)")


def check_machine_paths(tree):
    for name, text in tree.files.items():
        if name == "scripts/tidy.py":
            continue
        for number, line in numbered(text):
            if MACHINE.search(line):
                yield f"{name}:{number}: a path of one machine"


def check_headers_open(tree):
    """Headers open with a comment that says what they are for, and have a guard of their own."""
    guards = {}
    for name, text in tree.under("src", "include", "tests", "bench", "examples"):
        header = name.endswith(".h")
        if header and not text.startswith("//"):
            yield f"{name}:1: opens without a comment that says what it is for"
        if header:
            stem = re.sub(r"[^A-Za-z0-9]", "_", name.rsplit("/", 1)[-1]).upper() + "_"
            if name.startswith(("tests/", "bench/")) and re.search(r"^#pragma once$", text, re.M):
                continue
            found = re.search(r"^#ifndef (SLUICE_\w+)\n#define \1$", text, re.M)
            if not found or not found.group(1).endswith("_" + stem):
                yield f"{name}:1: include guard missing, or not SLUICE_..._{stem}"
            elif found.group(1) in guards:
                yield f"{name}:1: the include guard of {guards[found.group(1)]}"
            else:
                guards[found.group(1)] = name


def clang_format():
    return shutil.which("clang-format-16") or shutil.which("clang-format")


def format_paths(tree):
    return [n for n, _ in tree.under("src", "include", "tests", "examples", "bench")]


def check_format(tree, root=ROOT):
    tool = clang_format()
    if not tool:
        yield "clang-format-16 is missing: scripts/install_dependencies.sh test"
        return
    paths = format_paths(tree)
    if paths:
        run = subprocess.run([tool, "--dry-run", "-Werror", "--style=file", *paths], cwd=root,
                             capture_output=True, text=True, check=False)
        seen = set()
        for match in re.finditer(r"^([^\s:]+):(\d+):\d+: error:", run.stderr, re.M):
            if match.group(1) not in seen:
                seen.add(match.group(1))
                yield f"{match.group(1)}:{match.group(2)}: not formatted (scripts/tidy.py --fix)"
        if run.returncode != 0 and not seen:
            yield "clang-format: " + run.stderr.strip()


CHECKS = [check_layers, check_system_headers, check_columns, check_lengths, check_memory_orders,
          check_orders_tested, check_relaxed, check_pairs_listed, check_built, check_marks,
          check_tabs, check_white_space, check_machine_paths, check_headers_open, check_format]

# --- the checks' own test -------------------------------------------------------------------------

CLEAN = {
    ".clang-format": "BasedOnStyle: Google\nColumnLimit: 100\n",
    "CMakeLists.txt": "set(SLUICE_LAYERS base os ring record)\n",
    "docs/memory_model.md": "P1 head\n",
    "include/sluice/sluice.h":
        "// Public.\n#ifndef SLUICE_SLUICE_H_\n#define SLUICE_SLUICE_H_\n#include <atomic>\n"
        "#endif\n",
    "src/base/a.h":
        "// Words.\n#ifndef SLUICE_SRC_BASE_A_H_\n#define SLUICE_SRC_BASE_A_H_\n"
        "#include <vector>\n#endif\n",
    "src/ring/b.cc":
        '#include "base/a.h"\n\n'
        "struct BOrders {\n"
        "  // release: pairs with the acquire in read() (P1)\n"
        "  static constexpr std::memory_order put = std::memory_order_release;\n"
        "};\n"
        "// relaxed: only this thread writes\n"
        "void g() { x.store(1, std::memory_order_relaxed); }\n",
    "src/os/c.cc": "#include <fcntl.h>\n",
    "tests/ring/b_test.cc":
        '#include "base/a.h"\n\n'
        'void f() { expect_all_listed("src/ring/b.cc", "BOrders", {}); }\n',
}
# check -> list of {path: new text or (old, new)} that it must find.
SEEDS = {
    check_layers: [
        {"src/base/a.h": ("#include <vector>", '#include "ring/b.h"')},
        {"src/ring/b.cc": ('"base/a.h"', '"record/x.h"\n#include "base/a.h"')},
        {"src/ring/b.cc": ('#include "base/a.h"', '#include "base/a.h"\n#include "b.h"')},
        {"include/sluice/sluice.h": ("<atomic>", '"base/a.h"')},
        {"src/odd/d.h": "// D.\n"},
        {"examples/e.cc": '#include "base/a.h"\n'},
    ],
    check_system_headers: [
        {"src/ring/b.cc": ('"base/a.h"', '"base/a.h"\n#include <sys/mman.h>')},
        {"src/ring/b.cc": ('"base/a.h"', '"base/a.h"\n#include <fmt/format.h>')},
        {"include/sluice/sluice.h": ("<atomic>", "<pthread.h>")},
        {"include/sluice/sluice.h": ("<atomic>", "<nlohmann/json.hpp>")},
        {"include/sluice/compat/c.h": "// C.\n#ifndef SLUICE_COMPAT_C_H_\n"
                                      "#define SLUICE_COMPAT_C_H_\n#include <pthread.h>\n#endif\n"},
    ],
    check_columns: [
        {"src/os/c.cc": "// " + "x" * 98 + "\n"},
        {"src/os/c.cc": 'auto a = R"(\nlong\n)";\n// ' + "x" * 98 + "\n"},
    ],
    check_lengths: [{"src/os/c.cc": "int x;\n" * 501}, {"tests/ring/b_test.cc": "int x;\n" * 801}],
    check_memory_orders: [
        {"src/ring/b.cc": ("  // release: pairs with the acquire in read() (P1)\n", "")},
        {"src/ring/b.cc": ("// release: pairs with the acquire in read() (P1)", "// the store")},
        {"src/ring/b.cc": ("(P1)\n", "(P1)\n  int a;\n  int b;\n  int c;\n  int d;\n")},
    ],
    check_orders_tested: [
        {"src/ring/b.cc": ("struct BOrders", "struct COrders")},
        {"src/ring/b.cc": ("struct BOrders", "struct Others")},
        {"tests/ring/b_test.cc": ("src/ring/b.cc", "src/ring/c.cc")},
    ],
    check_relaxed: [{"src/ring/b.cc": ("// relaxed: only this thread writes\n", "")}],
    check_pairs_listed: [{"src/ring/b.cc": ("(P1)", "(P2)")}, {"docs/memory_model.md": None}],
    check_built: [
        {"src/ring/deep/d.cc": "int d;\n"},
        {"tests/ring/helper.cc": "int d;\n"},
        {"CMakeLists.txt": ("ring ", "")},
        {"src/os/lonely.h": "// L.\n#ifndef SLUICE_SRC_OS_LONELY_H_\n"
                            "#define SLUICE_SRC_OS_LONELY_H_\n#endif\n"},
    ],
    check_marks: [{"src/os/c.cc": "// TO" + "DO later\n"}, {"run": "# FIX" + "ME\n"}],
    check_tabs: [{"src/os/c.cc": "int\tx;\n"}],
    check_white_space: [{"src/os/c.cc": "int x; \n"}, {"src/os/c.cc": "int x;"}],
    check_machine_paths: [{"docs/x.md": "see /ro" + "ot/x\n"}, {"src/os/c.cc": '"/home/bob/x"\n'}],
    check_headers_open: [
        {"src/base/a.h": ("// Words.\n", "")},
        {"src/base/a.h": ("#ifndef SLUICE_SRC_BASE_A_H_\n", "")},
        {"src/base/a.h": ("SLUICE_SRC_BASE_A_H_", "OTHER_H_")},
        {"src/os/a.h": CLEAN["src/base/a.h"]},
    ],
    check_format: [{"src/os/c.cc": "int   x ;\n"}],
}


def apply(seed):
    files = dict(CLEAN)
    for path, change in seed.items():
        if change is None:
            del files[path]
        elif isinstance(change, tuple):
            assert change[0] in files[path], (path, change)
            files[path] = files[path].replace(*change)
        else:
            files[path] = change
    return files


def findings(check, files):
    if check is not check_format:
        return list(check(Tree(files)))
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            target = pathlib.Path(root, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
        return list(check_format(Tree(files), root))


def self_test():
    failures, seeds = [], 0
    for check in CHECKS:
        noise = findings(check, CLEAN)
        if noise:
            failures.append(f"{check.__name__} finds fault with a clean tree: {noise}")
        if not SEEDS.get(check):
            failures.append(f"{check.__name__} has no seed")
        for seed in SEEDS.get(check, []):
            seeds += 1
            if not findings(check, apply(seed)):
                failures.append(f"{check.__name__} misses {seed}")
    for failure in failures:
        print(failure)
    print(f"{len(CHECKS)} checks, {seeds} seeded violations, {len(failures)} failures")
    return 1 if failures else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--fix", action="store_true", help="format the C++ files first")
    parser.add_argument("--self-test", action="store_true", help="test the checks themselves")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    tree = Tree.load(ROOT)
    if arguments.fix:
        subprocess.run([clang_format(), "-i", "--style=file", *format_paths(tree)], cwd=ROOT,
                       check=True)
        tree = Tree.load(ROOT)
    count = 0
    for check in CHECKS:
        for finding in check(tree):
            count += 1
            print(finding)
    print(f"tidy: {len(tree.files)} files, {count} findings", file=sys.stderr)
    return 1 if count else 0


if __name__ == "__main__":
    os.chdir(ROOT)
    sys.exit(main())
