#!/bin/sh
# The benchmark, from the checkout's folder: see test/bench/main.ts for what it prints.
#   test/bench/run.sh [--seconds 60] [--levels low,medium,high,ultra,5ms] [--json FILE]
# Needs `make build` first.
set -e
here=$(dirname "$0")
make --silent -C "$here/c"
"$here/../../node_modules/.bin/tsc" -p "$here"
exec node "$here/../../dist/bench/main.js" "$@"
