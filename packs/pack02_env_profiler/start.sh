#!/bin/sh
# Writes the profile and returns: the machine does not change while it runs.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

mkdir -p "$ROOT/data"
"$ROOT/profile.sh" >"$ROOT/data/device.json.new"
mv -f "$ROOT/data/device.json.new" "$ROOT/data/device.json"
echo "profile written to data/device.json"
