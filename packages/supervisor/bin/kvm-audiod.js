#!/bin/sh
':' /* For the shell up to `exec`, for Node.js from there on.
# Its flags can be given in no other way that every `env` knows. It is idle nearly always: small
# heaps, and no compiler, whose work would not pay, save 2 of 18 MB of its memory; bytecode that is
# not kept through two collections where it does not run, 0.7 MB.
exec node --max-semi-space-size=1 --max-old-space-size=64 --single-threaded --max-opt=0 \
  --bytecode-old-age=1 --expose-gc "$0" "$@"
*/
import '../dist/main.js';
