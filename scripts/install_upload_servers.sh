#!/bin/sh
# Builds the S3 server that the tests of uploads start (tests/upload/s3_server, with Go 1.25 or
# later) into ~/.cache/sluice/upload_servers, or SLUICE_UPLOAD_SERVERS, if it is not there.
#
# usage: scripts/install_upload_servers.sh [judges]
#   judges  besides, a Python environment there with the stores' own clients, for ./test --full
#
# Takes about 100 s of processor time the first time, and is given up after 90 s (600 s with
# `judges`). Exits 0 when everything is there, else 1 after saying why; tests that need it are
# skipped then, and say so.
set -eu
cd "$(dirname "$0")/.."
to=${SLUICE_UPLOAD_SERVERS:-$HOME/.cache/sluice/upload_servers}
limit=90
[ "${1:-}" = judges ] && limit=600
mkdir -p "$to"

build_s3_server() {
  go=$(command -v go || echo /usr/local/go/bin/go)
  [ -x "$go" ] || { echo "no S3 server for tests: Go is not installed" >&2; return 1; }
  # Without optimising: that takes half the time, and nobody measures with it.
  if ! (cd tests/upload/s3_server && GOFLAGS=-mod=mod GOTOOLCHAIN=local timeout "$limit" "$go" \
    build -modfile="$to/go.mod" -buildvcs=false -gcflags='all=-N -l' -ldflags='-s -w' \
    -o "$to/s3_server.new" .) >"$to/s3_server.log" 2>&1; then
    echo "no S3 server for tests: building took too long or failed, see $to/s3_server.log" >&2
    return 1
  fi
  mv "$to/s3_server.new" "$to/s3_server"
}

if [ ! -x "$to/s3_server" ] || [ tests/upload/s3_server/main.go -nt "$to/s3_server" ]; then
  cp tests/upload/s3_server/go.mod "$to/go.mod"  # Go adds to it what it finds
  build_s3_server
fi
if [ "${1:-}" = judges ] && [ ! -x "$to/judges/bin/python" ]; then
  python3 -m venv "$to/judges.new"
  "$to/judges.new/bin/pip" install -q boto3 google-cloud-storage
  rm -rf "$to/judges"
  mv "$to/judges.new" "$to/judges"
fi
