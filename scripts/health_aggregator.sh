#!/bin/sh
# The health of all packs, one line each, by shell around the program: `aurora health` for scripts that want a line to grep.
#
#   scripts/health_aggregator.sh [PACK…]
#
# Prints `PACK healthy`, `PACK unhealthy` or `PACK unknown`, then `all healthy` or `N of M not healthy`.
# Exit code: 0 all healthy, 4 not all, 1 where the health could not be asked for. AURORA_BINARY names the program.
set -eu
aurora=${AURORA_BINARY:-aurora}

code=0
if [ $# -gt 0 ]; then packs=$*; else packs=$("$aurora" list --json | tr '{' '\n' | sed -n 's/^"pack_id":"\([^"]*\)".*"generation":[0-9].*/\1/p'); fi
total=0
bad=0
for pack in $packs; do
    total=$((total + 1))
    code=0
    report=$("$aurora" health "$pack" --json) || code=$?
    case $code in
    0 | 4) ;;
    *) exit 1 ;;
    esac
    health=$(printf '%s' "$report" | sed 's/.*"health":"\([a-z]*\)".*/\1/')
    echo "$pack $health"
    [ "$code" -eq 0 ] || bad=$((bad + 1))
done
if [ "$bad" -eq 0 ]; then
    echo "all healthy"
    exit 0
fi
echo "$bad of $total not healthy"
exit 4
