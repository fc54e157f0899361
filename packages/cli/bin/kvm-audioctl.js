#!/bin/sh
':' /* For the shell up to `exec`, for Node.js from there on.
# In place of a standard output that is closed Node opens /dev/null, and what is said there is lost
# without a word. One that is open for reading only fails as it should.
[ -h /proc/self/fd/1 ] || exec 1</dev/null
exec node "$0" "$@"
*/
import '../dist/main.js';
