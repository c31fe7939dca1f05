#!/bin/sh
# Exits with 0 when the profile is there, is whole, and is about this machine.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
PROFILE=$ROOT/data/device.json

[ -s "$PROFILE" ] || {
    echo "unhealthy: there is no profile"
    exit 1
}
case $(cat "$PROFILE") in
'{'*'}') ;;
*)
    echo "unhealthy: the profile is not whole"
    exit 1
    ;;
esac
kernel=$(uname -r)
grep -q "\"kernel\":\"$kernel\"" "$PROFILE" || {
    echo "unhealthy: the profile is of another kernel than $kernel"
    exit 1
}
echo "healthy"
