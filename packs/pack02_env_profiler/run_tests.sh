#!/bin/sh
# Tests the pack in a copy.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
COPY=$(mktemp -d "${AURORA_TMP_DIR:-${TMPDIR:-/tmp}}/test.XXXXXX")
trap 'rm -rf "$COPY"' EXIT
cp "$ROOT"/*.sh "$COPY"

fail() {
    echo "not ok: $1" >&2
    exit 1
}

"$COPY/install.sh" --dry-run >/dev/null || fail "install --dry-run"
[ ! -e "$COPY/data" ] || fail "install --dry-run changes nothing"
"$COPY/install.sh" --install >/dev/null || fail "install --install"
! "$COPY/health_check.sh" >/dev/null || fail "without a profile it is unhealthy"
"$COPY/start.sh" >/dev/null || fail "start"
"$COPY/health_check.sh" >/dev/null || fail "with a profile it is healthy"
echo '{"os":"lin' >"$COPY/data/device.json"
! "$COPY/health_check.sh" >/dev/null || fail "half a profile is unhealthy"
echo '{"os":"linux","kernel":"0.0.1"}' >"$COPY/data/device.json"
! "$COPY/health_check.sh" >/dev/null || fail "another machine's profile is unhealthy"
"$COPY/stop.sh" >/dev/null || fail "stop"
echo "ok"
