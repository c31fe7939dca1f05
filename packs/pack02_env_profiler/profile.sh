#!/bin/sh
# Prints the device profile as one line of JSON. Aurora knows more about the machine than a script can find out by itself, and
# without Aurora a few facts from uname are better than none.
set -eu

if [ -n "${AURORA_BIN:-}" ]; then
    exec "$AURORA_BIN" device --json
fi
printf '{"os":"%s","arch":"%s","kernel":"%s"}\n' "$(uname -s | tr '[:upper:]' '[:lower:]')" "$(uname -m)" "$(uname -r)"
