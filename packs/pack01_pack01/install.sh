#!/bin/sh
# Prepares the pack. Aurora calls it with --dry-run in a private copy, and then with --install.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

[ -r "$ROOT/lib/pack.sh" ] || {
    echo "install: lib/pack.sh is missing" >&2
    exit 1
}

case ${1:-} in
--dry-run)
    echo "would create data and logs"
    ;;
--install)
    mkdir -p "$ROOT/data" "$ROOT/logs"
    echo "installed"
    ;;
*)
    echo "usage: install.sh --dry-run | --install" >&2
    exit 2
    ;;
esac
