#!/bin/sh
# Nothing runs, and the profile stays: it is data.
set -eu
echo "nothing runs"
