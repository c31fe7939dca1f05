#!/bin/sh
# Tests the pack in a copy, so that one that runs is not disturbed. AURORA_BIN is left out: the copy is nobody's pack.
set -eu
unset AURORA_BIN
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
COPY=$(mktemp -d "${AURORA_TMP_DIR:-${TMPDIR:-/tmp}}/test.XXXXXX")
trap '"$COPY/stop.sh" >/dev/null 2>&1 || :; rm -rf "$COPY"' EXIT
cp -R "$ROOT/core" "$ROOT"/*.sh "$COPY"

fail() {
    echo "not ok: $1" >&2
    exit 1
}

"$COPY/install.sh" --install >/dev/null || fail "install --install"
! "$COPY/install.sh" >/dev/null 2>&1 || fail "install without a word is wrong usage"
! "$COPY/health_check.sh" >/dev/null || fail "a pack that was not started is unhealthy"
"$COPY/start.sh" >/dev/null || fail "start"
"$COPY/health_check.sh" >/dev/null || fail "a pack that was started is healthy"
"$COPY/start.sh" >/dev/null || fail "start once more"
echo 1 >"$COPY/data/heartbeat"
kill -STOP "$(cat "$COPY/data/heartbeat.pid")"
echo 1 >"$COPY/data/heartbeat"
! "$COPY/health_check.sh" >/dev/null || fail "an old heartbeat is unhealthy"
kill -CONT "$(cat "$COPY/data/heartbeat.pid")"
tries=50
until "$COPY/health_check.sh" >/dev/null; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "it is healthy again when it beats again"
    sleep 0.1
done
"$COPY/stop.sh" >/dev/null || fail "stop"
! "$COPY/health_check.sh" >/dev/null || fail "a pack that was stopped is unhealthy"
"$COPY/stop.sh" >/dev/null || fail "stop once more"
echo "ok"
