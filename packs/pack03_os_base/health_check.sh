#!/bin/sh
# Exits with 0 while the heartbeat is fresh: younger than five seconds, from a process that lives.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
PID_FILE=$ROOT/data/heartbeat.pid
BEAT=$ROOT/data/heartbeat

if [ ! -s "$PID_FILE" ] || [ ! -s "$BEAT" ]; then
    echo "unhealthy: not running"
    exit 1
fi
if ! kill -0 "$(cat "$PID_FILE")" 2>/dev/null; then
    echo "unhealthy: the process is gone"
    exit 1
fi
age=$(($(date +%s) - $(cat "$BEAT")))
if [ "$age" -gt 5 ]; then
    echo "unhealthy: the last heartbeat is $age seconds old"
    exit 1
fi
echo "healthy: the last heartbeat is $age seconds old"
