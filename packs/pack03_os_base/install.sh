#!/bin/sh
# Prepares the pack: registers it in the namespace registry, and leaves a note in its VFS. In a dry run Aurora hands out a
# copy of everything, so the same calls are made and shown, and nothing of them stays.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

case ${1:-} in
--dry-run | --install) ;;
*)
    echo "usage: install.sh --dry-run | --install" >&2
    exit 2
    ;;
esac

mkdir -p "$ROOT/data" "$ROOT/logs"
if [ -n "${AURORA_BIN:-}" ]; then
    "$AURORA_BIN" ns register "$AURORA_PACK_ID" --quiet \
        --meta "{\"role\":\"os-base\",\"version\":\"$AURORA_PACK_VERSION\",\"heartbeat\":\"/heartbeat\"}"
    echo "version $AURORA_PACK_VERSION, generation $AURORA_GENERATION" |
        "$AURORA_BIN" vfs write "$AURORA_PACK_ID" /notes/install.txt
fi
echo "prepared"
