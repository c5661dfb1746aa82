#!/bin/sh
# Puts the original offlog (0.3.1, from PyPI) into a Python environment for the tests of the append
# service: ~/.cache/sluice/offlog, or SLUICE_OFFLOG, if it is not there.
#
# usage: scripts/install_offlog.sh
#
# Exits 0 when it is there, else 1 after saying why; tests that need it are skipped then, and say
# so.
set -eu
to=${SLUICE_OFFLOG:-$HOME/.cache/sluice/offlog}
[ ! -x "$to/bin/python" ] || exit 0
mkdir -p "$(dirname "$to")"
rm -rf "$to.new"
if ! { python3 -m venv "$to.new" && "$to.new/bin/pip" install -q offlog==0.3.1; }; then
  echo "no original offlog for tests: it could not be installed from PyPI" >&2
  exit 1
fi
mv "$to.new" "$to"
