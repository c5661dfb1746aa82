#!/bin/sh
# Installs what Sluice needs on Debian 12, and only what is missing.
#
# usage: scripts/install_dependencies.sh [run|test|full]
#   run   compiler, CMake, Ninja and the libraries the product is built from
#   test  (default) run, and what the tests, fuzz targets, checks and benchmarks need
#   full  test, and what ./test --full needs besides
#
# SLUICE_NO_INSTALL=1: installs nothing; lists what is missing with the command that would install
# it and exits 3, or 0 when nothing is missing. Otherwise exits 0, or 1 when installing failed.
set -eu

set_name=${1:-test}
run_set="g++ cmake ninja-build pkg-config libfmt-dev nlohmann-json3-dev libcli11-dev libsqlite3-dev
  zlib1g-dev libzstd-dev libcurl4-openssl-dev libssl-dev libtomlplusplus-dev libboost1.81-dev"
test_set="$run_set ccache python3 libgtest-dev libspdlog-dev clang-16 libclang-rt-16-dev
  clang-format-16 strace zstd e2fsprogs python3-prometheus-client python3-venv
  rsyslog lnav doxygen"
full_set="$test_set clang-tidy-16 rclone g++-aarch64-linux-gnu qemu-user
  g++-mingw-w64-x86-64-posix wine"
case $set_name in
  run) wanted=$run_set ;;
  test) wanted=$test_set ;;
  full) wanted=$full_set ;;
  *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac

# A tool that is there counts, whoever installed it; a library counts by its package.
present() {
  case $1 in
    g++ | cmake | ccache | python3 | clang-16 | clang-format-16 | clang-tidy-16 | strace | zstd)
      command -v "$1" >/dev/null 2>&1 && return 0 ;;
    ninja-build) command -v ninja >/dev/null 2>&1 && return 0 ;;
    pkg-config) command -v pkg-config >/dev/null 2>&1 && return 0 ;;
  esac
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

if ! command -v dpkg-query >/dev/null 2>&1; then
  echo "This is not a Debian system: install the equivalents of:" $wanted >&2
  [ "${SLUICE_NO_INSTALL:-0}" = 1 ] && exit 0
  exit 1
fi

missing=
for package in $wanted; do
  present "$package" || missing="$missing $package"
done
if [ -z "$missing" ]; then
  exit 0
fi

sudo=
[ "$(id -u)" = 0 ] || sudo="sudo "
apt="apt-get -o DPkg::Lock::Timeout=400"
if [ "${SLUICE_NO_INSTALL:-0}" = 1 ]; then
  echo "Missing packages:$missing" >&2
  echo "Install them by: ${sudo}apt-get install -y --no-install-recommends$missing" >&2
  exit 3
fi
if [ -n "$sudo" ] && ! command -v sudo >/dev/null 2>&1; then
  echo "Missing packages:$missing (not root, and there is no sudo: install them as root)" >&2
  exit 1
fi

echo "Installing:$missing" >&2
export DEBIAN_FRONTEND=noninteractive
install() {
  ${sudo}env DEBIAN_FRONTEND=noninteractive $apt install -y -q --no-install-recommends $missing
}
log=$(mktemp)
trap 'rm -f "$log"' EXIT
# The lists of a fresh image are empty or old: bring them up to date only when it does not work.
if ! install >"$log" 2>&1; then
  if ! { ${sudo}$apt update -q && install; } >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "Installing failed:$missing" >&2
    exit 1
  fi
fi
