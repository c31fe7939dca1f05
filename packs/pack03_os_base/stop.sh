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

# After a crash the number may belong to somebody else: only a process that runs our heartbeat is ours. Linux tells by
# /proc, other systems by ps.
is_ours() {
    if [ -r "/proc/$pid/cmdline" ]; then
        tr '\0' ' ' <"/proc/$pid/cmdline"
    else
        ps -p "$pid" -o args=
    fi 2>/dev/null | grep -q 'core/heartbeat\.sh'
}

if is_ours; then
    kill -TERM "$pid" 2>/dev/null || :
    # One that was halted takes no signal before it goes on.
    kill -CONT "$pid" 2>/dev/null || :
    tries=50
    # A process that has ended may stay as a zombie, which kill -0 still finds; it has no command line any more.
    while is_ours; do
        tries=$((tries - 1))
        if [ "$tries" -eq 0 ]; then
            kill -KILL "$pid" 2>/dev/null || :
            break
        fi
        sleep 0.1
    done
fi
rm -f "$PID_FILE" "$ROOT/data/heartbeat"
echo "stopped"
