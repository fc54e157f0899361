#!/bin/sh
# The benchmark: test/bench/main.ts has the flags and what it prints.
#   test/bench/run.sh [--trial] [--long] [--parts latency,cpu,fan-out] [--plot FILE] ...
# Needs `make build` first.
set -e
here=$(dirname "$0")
make --silent -C "$here/c"
"$here/../../node_modules/.bin/tsc" -p "$here"
"$here/../../node_modules/.bin/tsc" -p "$here/../simulation"
exec node "$here/../../dist/bench/main.js" "$@"
