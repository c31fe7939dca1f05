#!/bin/sh
# Exits with 0 when the library can be read and does what it says.
set -eu
ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$ROOT/lib/pack.sh"

age=$(pack_age "$ROOT/data/started") || {
    echo "unhealthy: not started"
    exit 1
}
echo "healthy: started $age seconds ago"
