#!/bin/bash
# Installs the library into a temporary prefix, moves that, and builds and runs a consumer in every
# way a user may choose: find_package, pkg-config and add_subdirectory, static and shared. Checks
# what the shared library exports and needs. Exit 1 at the first thing that is wrong.
#
# usage: tests/package/package_test.sh
set -euo pipefail
cd "$(dirname "$0")/../.."
source=$PWD
build=build/release subproject=build/package_subproject  # kept: the next run builds what changed
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

wrong() { echo "package_test: $1" >&2; exit 1; }

# Runs the program in a new folder and looks at what it wrote.
count=0
run_consumer() {
  local program=$1 folder=$work/ran/$((++count))
  mkdir -p "$folder"
  (cd "$folder" && LD_LIBRARY_PATH=${2:-} "$program") || wrong "$program failed"
  grep -q 'order 17 at 99.5' "$folder/consumer.log" || wrong "$program: no first line"
  grep -q 'functions and 2' "$folder/consumer.log" || wrong "$program: no second line"
  [ "$(grep -c . "$folder/consumer.log")" = 2 ] || wrong "$program: not two lines"
}

# Defined symbols that are not ours: of sluice::v1, or what the compiler makes of it.
foreign_symbols() {
  nm -D --defined-only "$1" | awk '{print $NF}' |
    grep -Ev '^_Z(N|NK|T.N|GVN)6sluice2v1' || true
}

echo "== install"
cmake --preset release >/dev/null
cmake --build --preset release --target sluice_package
cmake --install "$build" --prefix "$work/first" >/dev/null
mv "$work/first" "$work/prefix"  # an installed tree may be moved
prefix=$work/prefix lib=$work/prefix/lib
for file in include/sluice/sluice.h include/sluice/compat/spdlog/spdlog.h lib/libsluice.a \
  lib/libsluice.so lib/pkgconfig/sluice.pc lib/cmake/sluice/sluiceConfig.cmake \
  share/doc/sluice/LICENSE; do
  [ -e "$prefix/$file" ] || wrong "$file is not installed"
done
if [ -x "$build/bin/sluice" ]; then
  "$prefix/bin/sluice" --version >/dev/null || wrong "the installed command does not start"
fi
if grep -rlE 'fmt|nlohmann|CLI11' "$lib/cmake/sluice" "$lib/pkgconfig"; then
  wrong "the installed package asks for third-party libraries"
fi
if grep -rl -e "$source" -e "$work" "$lib/cmake/sluice" "$lib/pkgconfig"; then
  wrong "the installed package names this machine's folders"
fi

echo "== symbols"
[ -z "$(foreign_symbols "$lib/libsluice.so")" ] ||
  wrong "the shared library exports: $(foreign_symbols "$lib/libsluice.so" | c++filt | head)"
[ "$(nm -D --defined-only "$lib/libsluice.so" | wc -l)" -gt 20 ] || wrong "nothing is exported"
needed=$(objdump -p "$lib/libsluice.so" | awk '/NEEDED/ {print $2}' |
  grep -Ev '^(libstdc\+\+|libm|libgcc_s|libc|libpthread|libsqlite3|ld-linux-.*)\.so' || true)
[ -z "$needed" ] || wrong "the shared library needs $needed"
# Control: the same check must object to a library that exports something else.
echo 'extern "C" int other() { return 1; }' >"$work/other.cc"
g++ -shared -fPIC "$work/other.cc" -o "$work/libother.so"
[ "$(foreign_symbols "$work/libother.so")" = other ] || wrong "the symbol check finds nothing"

echo "== find_package"
cmake -S tests/package/find_package -B "$work/find" -G Ninja -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_BUILD_TYPE=Release >/dev/null
cmake --build "$work/find"
for kind in sluice static shared spdlog; do run_consumer "$work/find/consumer_$kind"; done

echo "== pkg-config"
export PKG_CONFIG_PATH=$lib/pkgconfig
[ "$(pkg-config --modversion sluice)" = "$(sed -n 's/^project(sluice VERSION \([0-9.]*\).*/\1/p' \
  CMakeLists.txt)" ] || wrong "pkg-config tells another version"
strict="-std=c++20 -O2 -fno-exceptions -fno-rtti -Wall -Wextra -Werror"
g++ $strict tests/package/consumer.cc $(pkg-config --cflags --libs sluice) -o "$work/pc_shared"
run_consumer "$work/pc_shared" "$lib"
g++ $strict -static tests/package/consumer.cc $(pkg-config --static --cflags --libs sluice) \
  -o "$work/pc_static"
run_consumer "$work/pc_static"

echo "== add_subdirectory"
launcher=$(command -v ccache >/dev/null && echo -DCMAKE_CXX_COMPILER_LAUNCHER=ccache || true)
# As little work for the compiler as a project may ask for.
cmake -S tests/package/add_subdirectory -B "$subproject" -G Ninja -DSLUICE_SOURCE="$source" \
  -DCMAKE_CXX_FLAGS=-O0 -DCMAKE_UNITY_BUILD=ON $launcher >/dev/null
cmake --build "$subproject"
for kind in sluice static shared spdlog; do run_consumer "$source/$subproject/consumer_$kind"; done

if [ -x "$build/bin/sluice" ] && command -v dpkg-shlibdeps >/dev/null; then
  echo "== Debian package"
  root=$work/root
  cpack -G DEB --config "$build/CPackConfig.cmake" -B "$work/deb" >/dev/null
  deb=$(echo "$work"/deb/sluice_*.deb)
  [ -f "$deb" ] || wrong "no package was made"
  dpkg-deb --field "$deb" Depends | grep -q libsqlite3-0 || wrong "the package needs no libsqlite3"
  # A system of its own, whose dependencies are this one's.
  mkdir -p "$root/var/lib/dpkg/info" "$root/var/lib/dpkg/updates" "$root/etc"
  : >"$root/var/lib/dpkg/status"
  in_root() { dpkg --root="$root" --force-depends --force-script-chrootless --log=/dev/null "$@"; }
  in_root --install "$deb" >"$work/dpkg.log" 2>&1 || wrong "no install: $(cat "$work/dpkg.log")"
  [ "$("$root/usr/bin/sluice" --version)" = "$("$build/bin/sluice" --version)" ] ||
    wrong "the package's command is another"
  grep -q '^ExecStart=/usr/bin/sluice serve' "$root/usr/lib/systemd/system/sluice.service" ||
    wrong "the package's unit starts another program"
  g++ $strict tests/package/consumer.cc -o "$work/deb_shared" $(
    PKG_CONFIG_PATH=$root/usr/lib/pkgconfig pkg-config --cflags --libs sluice)
  run_consumer "$work/deb_shared" "$root/usr/lib"
  in_root --remove sluice >"$work/dpkg.log" 2>&1 || wrong "no removal: $(cat "$work/dpkg.log")"
  left=$(find "$root" -type f -o -type l | grep -v /var/lib/dpkg/ || true)
  [ -z "$left" ] || wrong "the package leaves $left"
fi

# Every program that README.md and docs/ show is compiled as its reader would and must run.
echo "== documents"
flags=$(pkg-config --cflags --libs sluice)
blocks=$work/blocks built=$work/built
mkdir "$blocks" "$built"
# The uploader is a library of its own, over the static one.
upload_flags="$(pkg-config --cflags sluice) $lib/libsluice_upload.a $lib/libsluice.a \
  $(pkg-config --libs sqlite3 libcurl openssl zlib libzstd) -pthread"
build_block() {
  local with=$flags
  if grep -q 'sluice/upload.h' "$1"; then with=$upload_flags; fi
  # Of a program that logs through spdlog: the headers of these names are ours.
  if grep -q '"spdlog/' "$1"; then
    with="-DFMT_HEADER_ONLY -I$prefix/include/sluice/compat $flags"
  fi
  g++ -std=c++20 -O1 -Wall -Wextra -Werror "$1" $with -o "$built/$(basename "$1" .cc)"
}
export -f build_block
export flags upload_flags prefix built
for document in README.md docs/*.md; do
  awk -v to="$blocks/$(basename "$document" .md)." '
    /^```/ { inside = /^```cpp/; if (inside) ++n; next }
    inside { print > to n ".cc" }' "$document"
done
[ "$(ls "$blocks" | wc -l)" -ge 3 ] || wrong "only $(ls "$blocks") found in the documents"
ls "$blocks"/*.cc | xargs -P "$(nproc)" -I{} bash -c 'build_block {} || { echo "{}"; exit 1; }' ||
  wrong "a program in a document does not compile"
[ -x "$built/README.1" ] || wrong "README.md shows no program"
for block in "$built"/*; do
  mkdir "$work/in_block"
  (cd "$work/in_block" && LD_LIBRARY_PATH=$lib "$block") || wrong "a program fails: $block"
  if [ "$block" = "$built/README.1" ]; then
    # The two lines that README.md prints below it, but for times, thread and file.
    sed 's/^[^ ]* *[a-z]* *\[[0-9]*\] [^ ]* //' "$work/in_block/shop.log" >"$work/said"
    for line in 'order 17 at 99.5' 'slow request ms=21.5'; do
      grep -qxF "$line" "$work/said" || wrong "README.md's program does not write: $line"
      grep -qF " $line" README.md || wrong "README.md does not show: $line"
    done
    rm "$work/said"
  fi
  rm -r "$work/in_block"
done
# Control: a program that asks for what there is not.
echo '#include <sluice/sluice.h>
int main() { SLUICE_INFO("{} {}", 1); }' >"$work/few.cc"
if build_block "$work/few.cc" 2>/dev/null; then wrong "a wrong program compiles"; fi

echo "figure: $count consumers, $(ls "$blocks" | wc -l) programs of the documents"
