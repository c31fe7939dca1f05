#!/bin/sh
# There is nothing to keep running: a start that leaves no process behind runs until it is stopped.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$ROOT/lib/pack.sh"

mkdir -p "$ROOT/data"
date +%s | pack_write "$ROOT/data/started"
echo "ready"
