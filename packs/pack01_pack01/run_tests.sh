#!/bin/sh
# Tests the library and the scripts in a copy, so that what runs is not disturbed.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
COPY=$(mktemp -d "${AURORA_TMP_DIR:-${TMPDIR:-/tmp}}/test.XXXXXX")
trap 'rm -rf "$COPY"' EXIT
cp -R "$ROOT/lib" "$ROOT"/*.sh "$COPY"
. "$COPY/lib/pack.sh"

fail() {
    echo "not ok: $1" >&2
    exit 1
}

# The library.
! pack_age "$COPY/none" >/dev/null || fail "the age of a file that is not there"
echo "$(($(date +%s) - 5))" >"$COPY/time"
age=$(pack_age "$COPY/time")
{ [ "$age" -ge 5 ] && [ "$age" -le 10 ]; } || fail "an age of about 5 seconds, not $age"
echo one | pack_write "$COPY/file"
echo two | pack_write "$COPY/file"
[ "$(cat "$COPY/file")" = two ] || fail "a file that is replaced"
[ ! -e "$COPY/file.new" ] || fail "nothing is left beside it"
echo "$$" >"$COPY/pid"
pack_is_running "$COPY/pid" run_tests || fail "this process runs"
! pack_is_running "$COPY/pid" another-program || fail "a number that belongs to somebody else"
echo 999999999 >"$COPY/pid"
! pack_is_running "$COPY/pid" run_tests || fail "a process that does not exist"

# The scripts.
"$COPY/install.sh" --dry-run >/dev/null || fail "install --dry-run"
[ ! -e "$COPY/data" ] || fail "install --dry-run changes nothing"
"$COPY/install.sh" --install >/dev/null || fail "install --install"
! "$COPY/health_check.sh" >/dev/null || fail "a pack that was not started is unhealthy"
"$COPY/start.sh" >/dev/null || fail "start"
"$COPY/health_check.sh" >/dev/null || fail "a pack that was started is healthy"
"$COPY/stop.sh" >/dev/null || fail "stop"
"$COPY/stop.sh" >/dev/null || fail "stop once more"
! "$COPY/health_check.sh" >/dev/null || fail "a pack that was stopped is unhealthy"
echo "ok"
