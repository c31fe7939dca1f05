#!/bin/sh
# Stopping what is stopped is fine.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

rm -f "$ROOT/data/started"
echo "stopped"
