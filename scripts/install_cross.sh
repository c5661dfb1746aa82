#!/bin/sh
# Unpacks the libraries that a build for 64-bit ARM links into build/cross/aarch64, if they are not
# there: Debian's own packages. The system stays as it is: no package of another architecture is
# installed or known to it. The compiler and the emulator are in the set `full` of
# scripts/install_dependencies.sh.
#
# usage: scripts/install_cross.sh
#
# Takes some seconds. Exits 0 when everything is there, else 1 after saying why.
set -eu
cd "$(dirname "$0")/.."
to=$PWD/build/cross
packages="libfmt9 libfmt-dev libgtest-dev libsqlite3-0 libsqlite3-dev"

if ! command -v dpkg-deb >/dev/null 2>&1; then
  echo "no libraries for aarch64: this is not a Debian system" >&2
  exit 1
fi
# The same packages as last time: nothing to do.
if [ "$(cat "$to/aarch64/packages" 2>/dev/null)" = "$packages" ]; then
  exit 0
fi

rm -rf "$to/aarch64" "$to/apt"
mkdir -p "$to/aarch64" "$to/apt/lists/partial" "$to/apt/archives/partial"
: >"$to/apt/status"
# Lists of packages for arm64, apart from those of the system.
apt() {
  apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= \
    -o Dir::State::Lists="$to/apt/lists" -o Dir::State::status="$to/apt/status" \
    -o Dir::Cache="$to/apt" "$@"
}
if ! (cd "$to/apt" && apt update && apt download $packages) >"$to/aarch64.log" 2>&1; then
  echo "no libraries for aarch64: downloading failed, see $to/aarch64.log" >&2
  exit 1
fi
for package in "$to"/apt/*.deb; do
  dpkg-deb -x "$package" "$to/aarch64"
done
rm -rf "$to/apt"
echo "$packages" >"$to/aarch64/packages"
