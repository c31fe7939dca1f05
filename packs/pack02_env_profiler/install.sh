#!/bin/sh
# Prepares the pack. The dry run also profiles once, which shows early whether it will work here.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)

case ${1:-} in
--dry-run)
    "$ROOT/profile.sh"
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
