#!/bin/sh
# The resident part: writes the time to data/heartbeat every second, until it is told to stop.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
BEAT=$ROOT/data/heartbeat

pause=
trap 'if [ -n "$pause" ]; then kill "$pause" 2>/dev/null; fi; rm -f "$BEAT"; echo "heartbeat stopped"; exit 0' TERM INT
echo "heartbeat started"

while :; do
    date +%s >"$BEAT.new"
    mv -f "$BEAT.new" "$BEAT"
    # A sleep in the background lets a signal through at once.
    sleep 1 &
    pause=$!
    wait "$pause"
done
