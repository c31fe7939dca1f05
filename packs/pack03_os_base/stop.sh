#!/bin/sh
# Stops the heartbeat. To stop what does not run is fine.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
PID_FILE=$ROOT/data/heartbeat.pid

if [ ! -f "$PID_FILE" ]; then
    echo "not running"
    exit 0
fi
pid=$(cat "$PID_FILE")

# After a crash the number may belong to somebody else: only a process that still beats is ours.
if "$ROOT/health_check.sh" >/dev/null 2>&1; then
    kill -TERM "$pid"
    tries=50
    while kill -0 "$pid" 2>/dev/null; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            kill -KILL "$pid"
            break
        fi
        sleep 0.1
    done
fi
rm -f "$PID_FILE" "$ROOT/data/heartbeat"
echo "stopped"
