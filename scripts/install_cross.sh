#!/bin/sh
# Unpacks the libraries that the builds for other machines take into build/cross, if they are not
# there: Debian's own packages. The system stays as it is: no package of another architecture is
# installed or known to it. Compilers and emulators are in the set `full` of
# scripts/install_dependencies.sh.
#
# usage: scripts/install_cross.sh [aarch64 | mingw]...
#   aarch64  64-bit ARM under Linux
#   mingw    x86-64 under Windows: what is headers only, and GoogleTest's source
#
# Without a word: both. Exits 0 when everything is there, else 1 after saying why.
set -eu
cd "$(dirname "$0")/.."
cross=$PWD/build/cross

# Lists of packages apart from those of the system, for $architecture.
apt() {
  apt-get -q -o APT::Architecture="$architecture" -o APT::Architectures="$architecture" \
    -o APT::Sandbox::User= -o Dir::State::Lists="$cross/apt/lists" \
    -o Dir::State::status="$cross/apt/status" -o Dir::Cache="$cross/apt" "$@"
}

# unpack NAME ARCHITECTURE PACKAGE...
unpack() {
  name=$1 architecture=$2
  shift 2
  # The same packages as last time: nothing to do.
  [ "$(cat "$cross/$name/packages" 2>/dev/null)" != "$*" ] || return 0
  rm -rf "$cross/$name" "$cross/apt"
  mkdir -p "$cross/$name" "$cross/apt/lists/partial" "$cross/apt/archives/partial"
  : >"$cross/apt/status"
  if ! (cd "$cross/apt" && apt update && apt download "$@") >"$cross/$name.log" 2>&1; then
    echo "no libraries for $name: downloading failed, see $cross/$name.log" >&2
    return 1
  fi
  for package in "$cross"/apt/*.deb; do
    dpkg-deb -x "$package" "$cross/$name"
  done
  rm -rf "$cross/apt"
  echo "$*" >"$cross/$name/packages"
}

if ! command -v dpkg-deb >/dev/null 2>&1; then
  echo "no libraries for other machines: this is not a Debian system" >&2
  exit 1
fi
[ $# != 0 ] || set -- aarch64 mingw
for machine in "$@"; do
  case $machine in
    aarch64) unpack aarch64 arm64 libfmt9 libfmt-dev libgtest-dev libsqlite3-0 libsqlite3-dev ;;
    mingw) unpack mingw amd64 libfmt9 libfmt-dev nlohmann-json3-dev googletest ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
