#!/bin/sh
# Starts the heartbeat in the background, and returns when it beats. Starting what runs is fine.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
PID_FILE=$ROOT/data/heartbeat.pid
BEAT=$ROOT/data/heartbeat
LOG=$ROOT/logs/heartbeat.log

mkdir -p "$ROOT/data" "$ROOT/logs"
if "$ROOT/health_check.sh" >/dev/null 2>&1; then
    echo "running already as process $(cat "$PID_FILE")"
    exit 0
fi

rm -f "$BEAT"
"$ROOT/core/heartbeat.sh" </dev/null >>"$LOG" 2>&1 &
pid=$!
echo "$pid" >"$PID_FILE"

tries=50
while [ ! -f "$BEAT" ]; do
    tries=$((tries - 1))
    if [ "$tries" -eq 0 ] || ! kill -0 "$pid" 2>/dev/null; then
        echo "start: the heartbeat did not begin; $LOG may say why" >&2
        exit 1
    fi
    sleep 0.1
done
echo "started as process $pid"
