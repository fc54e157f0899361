#!/bin/sh
# Sends a daemon what it should survive; prints how it took it, as JSON.
#   test/fuzz/run.sh [--messages 1000000] [--seed 1]
# Needs `make build` first.
set -e
here=$(dirname "$0")
"$here/../../node_modules/.bin/tsc" -p "$here"
exec node "$here/../../dist/fuzz/main.js" "$@"
